"""With a hundred calls held, a killed line has them all back and serves new callers in time.

The engine is the stand-in behind real sockets; the line is the real one, in its own processes.
"""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from cti.simulation.fake import FakeAsterisk, FakeCaller
from tests.fake_engine import a_line_without_engine
from tests.line import Desk, Line
from tests.recovery_time import check, kill_and_measure

pytestmark = pytest.mark.alone

CALLS = 100
TALKS = ("rosa", "remy")
ROUNDS = 10
SILENT_SECONDS_MAX = 3.0


async def crowd(line: Line, engine: FakeAsterisk) -> list[FakeCaller]:
    """So many callers, those who talk first; the others wait."""
    for name in TALKS:
        engine.phones[name].on_ring = lambda ring: ring.answer()
    async with AsyncExitStack() as desks:
        for name in TALKS:
            desk = await desks.enter_async_context(Desk.sign_in(line, name, None))
            await desk.be("READY")
        callers = []
        for number in range(CALLS):
            callers.append(engine.dial(f"01990001{number:02d}"))
            await asyncio.sleep(0.02)
        await line.until(lambda: talking(callers) == len(TALKS), 20, "they talk")
        await line.until(
            lambda: line.log_path.read_text().count("call.opened") == CALLS, 10, "all are here"
        )
    return callers


def talking(callers: list[FakeCaller]) -> int:
    return sum(caller.hears.startswith("people:") for caller in callers)


@pytest.mark.timeout(600)
async def test_a_hundred_calls_are_taken_back_within_three_seconds_of_a_kill(
    tmp_path: Path,
) -> None:
    async with a_line_without_engine(tmp_path) as (line, engine):

        async def probe() -> None:
            caller = engine.dial("0353010001")
            try:
                await asyncio.sleep(0.6)
            finally:
                caller.hang_up()

        callers = await crowd(line, engine)
        rounds = []
        for _ in range(ROUNDS):
            rounds.append(await kill_and_measure(line, CALLS, probe))
            await asyncio.sleep(0.5)
            assert talking(callers) == len(TALKS)
            assert [caller for caller in callers if caller.state != "up"] == []
        check(rounds)
        now = engine.time()
        for caller in callers:
            ends = [at for at, _ in caller.heard[1:]] + [now]
            for (at, sound), end in zip(caller.heard, ends, strict=True):
                assert sound != "silence" or end - at < SILENT_SECONDS_MAX
