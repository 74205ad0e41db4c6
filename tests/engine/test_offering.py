"""An offer that nobody takes: the caller keeps the music and the next agent rings."""

from __future__ import annotations

import time

from tests.line import NUMBER, Line

CALLER_HZ, ROSA_HZ, REMY_HZ = 440, 800, 1600


async def test_an_agent_who_does_not_answer_is_passed_over_and_the_caller_keeps_the_music(
    line: Line,
) -> None:
    async with (
        line.agent("rosa", hz=ROSA_HZ) as rosa,
        line.agent("remy", hz=REMY_HZ) as remy,
        line.caller(hz=CALLER_HZ) as telephone,
    ):
        call = await telephone.call(NUMBER)
        await call.answered(2)
        pop = (await rosa.sees("call.offered"))["data"]
        at_rosa = await rosa.ring()
        await at_rosa.ended(8)
        assert (await rosa.sees("call.withdrawn"))["data"]["reason"] == "missed"
        at_remy = await remy.ring()
        await at_remy.answer()
        await call.hears(REMY_HZ, 6)

        await rosa.becomes("NOT_READY", "no_answer")
        assert call.silences(call.answered_at + 0.1, time.monotonic(), longer_than_s=1.0) == []
        await call.hang_up()
        record = await line.closed_record(pop["call"]["id"])
        assert [leg["outcome"] for leg in record["legs"]] == ["missed", "talked"]


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


async def test_a_phone_that_is_busy_or_offline_costs_the_caller_nothing(line: Line) -> None:
    async with line.agent("rosa", answering="busy") as rosa, line.agent("remy") as remy:
        await remy.phone.unregister()
        async with line.caller() as telephone:
            call = await telephone.call(NUMBER)
            await rosa.sees("call.withdrawn", 8)
            await remy.sees("call.withdrawn", 8)
            await rosa.becomes("NOT_READY", "phone_busy")
            await remy.becomes("NOT_READY", "phone_unreachable")
            rosa.phone.answering = "auto"
            await rosa.be("READY")
            await rosa.sees("call.connected", 10)
            await call.hang_up()


async def test_a_screen_that_does_not_show_the_pop_rings_no_phone(line: Line) -> None:
    async with line.agent("rosa") as rosa, line.agent("remy", hz=REMY_HZ) as remy:
        rosa.acks = False
        async with line.caller() as telephone:
            call = await telephone.call(NUMBER)
            assert (await rosa.sees("call.withdrawn"))["data"]["reason"] == "screen_lost"
            at_remy = await remy.ring()
            await rosa.becomes("NOT_READY", "screen_lost")
            assert rosa.phone.calls == []
            assert at_remy.direction == "in"
            await call.hang_up()
