"""On the real engine: a killed line has its calls back and serves new callers in time."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

import pytest

from tests.line import NUMBER, Line
from tests.recovery_time import Recovery, check, kill_and_measure

pytestmark = pytest.mark.alone

CALLS = 20
ROUNDS = 4
ROSA_HZ = 800


@pytest.mark.timeout(300)
async def test_twenty_calls_are_taken_back_within_three_seconds_of_a_kill(line: Line) -> None:
    async def probe() -> None:
        async with line.caller("0353010001", early_rtp=False) as telephone:
            await telephone.call(NUMBER)
            await asyncio.sleep(0.6)

    async with AsyncExitStack() as people:
        rosa = await people.enter_async_context(line.agent("rosa", hz=ROSA_HZ, answering="auto"))
        before = line.log_path.read_text().count("call.opened")
        calls = []
        for number in range(CALLS):
            telephone = await people.enter_async_context(line.caller(f"01990001{number:02d}"))
            calls.append(await telephone.call(NUMBER))
            await calls[-1].answered(3)
        await rosa.sees("call.connected", 20)
        await line.until(
            lambda: line.log_path.read_text().count("call.opened") == before + CALLS, 5, "all in"
        )
        rounds: list[Recovery] = []
        for _ in range(ROUNDS):
            rounds.append(await kill_and_measure(line, CALLS, probe))
            await asyncio.sleep(0.5)
        assert [call.state for call in calls] == ["up"] * CALLS
        for call in calls:
            assert call.silences(call.answered_at + 0.1, longer_than_s=3.0) == []
    check(rounds)
