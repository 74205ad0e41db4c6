"""An offer that nobody takes: the caller keeps the music and the next agent rings."""

from __future__ import annotations

from tests.line import NUMBER, Line

CALLER_HZ, ROSA_HZ, REMY_HZ = 440, 800, 1600


async def test_an_agent_who_declines_stays_ready_and_the_next_one_rings(line: Line) -> None:
    async with line.agent("rosa") as rosa, line.agent("remy", hz=REMY_HZ) as remy:
        async with line.caller() as telephone:
            call = await telephone.call(NUMBER)
            pop = (await rosa.sees("call.offered"))["data"]
            at_rosa = await rosa.ring()
            assert (await rosa.does("call.decline", call=pop["call"]["id"]))["ok"]
            await at_rosa.ended(2)
            at_remy = await remy.ring()
            await rosa.becomes("READY")
            await at_remy.answer()
            await call.hears(REMY_HZ, 6)
            await call.hang_up()


async def test_a_screen_that_does_not_show_the_pop_rings_no_phone(line: Line) -> None:
    async with line.agent("rosa") as rosa, line.agent("remy", hz=REMY_HZ) as remy:
        rosa.acks = False
        async with line.caller() as telephone:
            call = await telephone.call(NUMBER)
            assert (await rosa.sees("call.withdrawn"))["data"]["reason"] == "screen_lost"
            # Once may be a slow moment: the next agent rings, and this one is still asked.
            at_remy = await remy.ring()
            assert at_remy.direction == "in"
            await rosa.becomes("READY")
            await call.hang_up()
        await remy.becomes("READY")
        await remy.be("NOT_READY", "pause")
        async with line.caller() as telephone:
            call = await telephone.call(NUMBER)
            assert (await rosa.sees("call.withdrawn"))["data"]["reason"] == "screen_lost"
            await rosa.becomes("NOT_READY", "screen_lost")
            assert rosa.phone.calls == []
            await call.hang_up()


async def test_who_lets_it_ring_is_asked_then_paused_and_a_phone_that_is_away_is_not_ready(
    line: Line,
) -> None:
    async with line.agent("rosa") as rosa:
        async with line.caller(number="0199000051") as telephone:
            call = await telephone.call(NUMBER)
            await rosa.ring()
            await call.hang_up()
            assert (await rosa.sees("call.withdrawn"))["data"]["reason"] == "caller_left"
        await rosa.becomes("READY")  # a caller who hangs up counts against nobody
        assert not [frame for _, frame in rosa.frames if frame["type"] == "presence.asked"]
        await rosa.phone.unregister()
        await line.until(
            lambda: rosa.presence() == ("NOT_READY", "phone_away"), 12, "the phone is away"
        )
        await rosa.phone.register()
        await line.until(lambda: rosa.presence() == ("READY", None), 12, "the phone is back")


async def test_who_was_cut_off_and_rings_again_finds_the_same_person_in_their_rest(
    line: Line,
) -> None:
    async with (
        line.agent("rosa", hz=ROSA_HZ) as rosa,
        line.agent("remy", hz=REMY_HZ) as remy,
        line.caller(number="0199000052", hz=CALLER_HZ) as telephone,
    ):
        await remy.be("NOT_READY", "pause")
        call = await telephone.call(NUMBER)
        at_rosa = await rosa.ring()
        await at_rosa.answer()
        await call.hears(ROSA_HZ, 6)
        await remy.be("READY")
        await call.hang_up()
        await rosa.becomes("WRAP_UP")
        again = await telephone.call(NUMBER)
        pop = (await rosa.sees("call.offered", 8))["data"]
        while not pop["call"]["returned"]:
            pop = (await rosa.sees("call.offered", 8))["data"]
        at_rosa = await rosa.ring()
        await at_rosa.answer()
        await again.hears(ROSA_HZ, 6)
        await again.hang_up()
