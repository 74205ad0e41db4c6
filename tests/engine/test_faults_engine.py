"""The telephone engine itself restarts, or a caller's line dies without a word."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from urllib.error import URLError

import pytest
import pytest_asyncio

from tests.line import Line
from tests.scenes import (
    CALLER_HZ,
    REMY_HZ,
    ROSA_HZ,
    LogMark,
    a_caller,
    add_quick_flow,
    another_life,
    nothing_left,
    taken,
    talk,
)

BACK_SECONDS_MAX = 10.0  # from the engine's first answer to a call in our hands


@pytest_asyncio.fixture(scope="module", loop_scope="session", autouse=True)
async def quick(shared_line: Line) -> AsyncIterator[None]:
    """The flow loses no time."""
    async with another_life(shared_line, FIL_FLOW=add_quick_flow(shared_line)):
        yield


def answers(line: Line) -> bool:
    """Whether the engine's web server speaks, which it does before its telephone."""
    try:
        line.ari("asterisk/ping")
    except (URLError, OSError):
        return False
    return True


async def restart_engine(line: Line, how: str) -> None:
    if how == "ordered":
        await asyncio.to_thread(line.engine, "restart")
    else:
        await asyncio.to_thread(line.engine, "kill")
        await asyncio.to_thread(line.engine, "start")
    await line.until(lambda: answers(line), 15, "the engine answers")


@pytest.mark.parametrize("how", ["ordered", "killed"])
async def test_fault_28_an_engine_that_restarts_closes_its_calls_as_such_and_frees_the_agents(
    line: Line, how: str
) -> None:
    async with (
        line.agent("rosa", hz=ROSA_HZ) as rosa,
        a_caller(line) as talking,
        a_caller(line) as waiting,
        a_caller(line) as arriving,
    ):
        await talk(talking, rosa, ROSA_HZ)
        await waiting.dials()
        await asyncio.sleep(0.5)
        await restart_engine(line, how)
        began, log = time.monotonic(), LogMark(line)

        assert (await rosa.sees("call.ended", BACK_SECONDS_MAX))["data"]["reason"]
        await rosa.phone.register()  # as phones do by themselves, in their own time
        for caller in (talking, waiting):
            assert await caller.outcome() == ("engine_restart", "engine")
        await rosa.be("READY")
        await arriving.dials()
        await log.sees("call.opened", BACK_SECONDS_MAX)
        took = time.monotonic() - began
        print(f"{how}: a call in our hands {took:.1f} s after the engine's first answer")
        assert took <= BACK_SECONDS_MAX
        await taken(arriving, rosa, ROSA_HZ)
        await arriving.call.hang_up()
        await nothing_left(line)
        assert await arriving.outcome() == ("talked", "caller")


@pytest.mark.parametrize("how", ["ordered", "killed"])
async def test_fault_28_an_engine_that_restarts_while_nobody_looks_is_found_out_later(
    line: Line, how: str
) -> None:
    async with (
        line.agent("rosa", hz=ROSA_HZ) as rosa,
        a_caller(line) as talking,
        a_caller(line) as waiting,
    ):
        await talk(talking, rosa, ROSA_HZ)
        await waiting.dials()
        await asyncio.sleep(0.5)
        line.kill()
        await restart_engine(line, how)
        await line.start(FIL_FLOW="quick.yaml")
        for caller in (talking, waiting):
            assert await caller.outcome() == ("engine_restart", "engine")
        async with (
            line.agent("remy", hz=REMY_HZ) as remy,
            a_caller(line) as arriving,
        ):
            await talk(arriving, remy, REMY_HZ)
            assert remy.line.talk_bridges() != []
            await arriving.call.hang_up()
            await nothing_left(line)
        # Rosa, who talked when all went dark, is held by no call: signing in, she is free.
        async with line.agent("rosa", hz=ROSA_HZ) as rosa_again, a_caller(line) as next_one:
            at_rosa, _ = await talk(next_one, rosa_again, ROSA_HZ)
            await at_rosa.hears(CALLER_HZ, 1)
            await next_one.call.hang_up()
            await nothing_left(line)
