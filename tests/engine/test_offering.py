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
