"""Unlucky moments: two things at once, and a restart in the middle of a word."""

from __future__ import annotations

import asyncio
import time

import pytest

from tests.line import NUMBER, Desk, Line

CALLER_HZ, ROSA_HZ = 440, 800


async def freed(line: Line, desk: Desk, call_id: str) -> None:
    """The agent is free again, nothing is left in the engine, and the record is closed."""
    record = await line.closed_record(call_id)
    assert record["outcome"] == "talked"
    await line.until(line.is_quiet, 3, "all freed")
    await line.until(lambda: desk.presence()[0] in ("WRAP_UP", "READY"), 1, "the agent is free")


@pytest.mark.parametrize("leaving", ["call.end", "hanging up"])
async def test_an_agent_and_a_caller_who_leave_together_leave_nothing_behind(
    line: Line, leaving: str
) -> None:
    for seconds in (0.0, 0.03, 0.55):
        async with (
            line.agent("rosa", hz=ROSA_HZ) as rosa,
            line.caller(hz=CALLER_HZ) as telephone,
        ):
            call = await telephone.call(NUMBER)
            call_id = (await rosa.sees("call.offered", 8))["data"]["call"]["id"]
            at_rosa = await rosa.ring()
            await at_rosa.answer()
            await rosa.sees("call.connected", 10)
            if leaving == "call.end":
                assert (await rosa.does("call.end", call=call_id))["ok"]
            else:
                await at_rosa.hang_up()
            await asyncio.sleep(seconds)
            await call.hang_up()
            await freed(line, rosa, call_id)


async def test_an_agent_who_hangs_up_before_the_greeting_ends_does_not_lose_the_caller(
    line: Line,
) -> None:
    async with line.agent("rosa", hz=ROSA_HZ) as rosa, line.caller(hz=CALLER_HZ) as telephone:
        call = await telephone.call(NUMBER)
        pop = (await rosa.sees("call.offered"))["data"]
        at_rosa = await rosa.ring()
        await at_rosa.answer()
        await asyncio.sleep(0.3)
        assert not any(frame["type"] == "call.connected" for _, frame in rosa.frames)
        await at_rosa.hang_up()

        again = (await rosa.sees("call.offered", 12))["data"]
        assert again["call"]["id"] == pop["call"]["id"]
        at_rosa = await rosa.ring()
        await at_rosa.answer()
        await call.hears(ROSA_HZ, 5)
        assert call.silences(call.answered_at + 0.1, time.monotonic(), longer_than_s=1.5) == []
        await call.hang_up()
        await freed(line, rosa, pop["call"]["id"])


async def test_a_restart_in_the_middle_of_the_greeting_is_a_restart_of_the_same_call(
    line: Line,
) -> None:
    async with line.caller(hz=CALLER_HZ) as telephone:
        call = await telephone.call(NUMBER)
        await call.answered(2)
        await asyncio.sleep(0.7)
        line.kill()
        log_before = len(line.log_path.read_text())
        await line.start()
        async with line.agent("rosa", hz=ROSA_HZ) as rosa:
            await rosa.sees("call.offered", 8)
            at_rosa = await rosa.ring()
            await at_rosa.answer()
            await call.hears(ROSA_HZ, 8)
            assert call.silences(call.answered_at + 0.1, time.monotonic(), longer_than_s=3) == []
            await call.hang_up()
        log = line.log_path.read_text()[log_before:]
        assert "call.taken_back" in log
        assert "call.failed" not in log
        assert "call.opened" not in log
