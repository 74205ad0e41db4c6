"""The telephone engine itself restarts, or a caller's line dies without a word."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from urllib.error import URLError

import pytest
import pytest_asyncio

from cti.asterisk.engine import TEMPLATES
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

BACK_SECONDS_MAX = 10.0  # from the engine's first answer to the calls being compared
# Beside the test itself, the limit covers a controller that starts three times.
pytestmark = pytest.mark.timeout(240)


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
        log = LogMark(line)
        await restart_engine(line, how)
        began = time.monotonic()
        await arriving.dials()  # perhaps before we are back: the dialplan cares for them
        await log.sees("house.recovered", BACK_SECONDS_MAX)
        print(f"{how}: back {time.monotonic() - began:.1f} s after the engine's first answer")
        assert (await rosa.sees("call.ended", BACK_SECONDS_MAX))["data"]["reason"]
        await rosa.phone.register()  # as phones do by themselves, in their own time
        for caller in (talking, waiting):
            assert await caller.outcome() == ("engine_restart", "engine")
        await rosa.be("READY")
        await taken(arriving, rosa, ROSA_HZ, 15)
        assert arriving.silences(longer_than_s=3.0) == []
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


@pytest_asyncio.fixture(loop_scope="session")
async def impatient_engine(line: Line) -> AsyncIterator[float]:
    """The engine waits a tenth as long for a caller's sound; gives how long, in seconds."""
    shipped = (TEMPLATES / "pjsip.conf").read_text()
    assert "\nrtp_timeout=60\n" in shipped
    path = line.settings.data / "engine/etc/pjsip.conf"
    usual = path.read_text()
    path.write_text(usual.replace("rtp_timeout=60\n", "rtp_timeout=6\n"))
    await asyncio.to_thread(line.cli, "module reload res_pjsip.so")
    yield 6.0
    path.write_text(usual)
    await asyncio.to_thread(line.cli, "module reload res_pjsip.so")


async def test_fault_20_a_callers_line_that_dies_without_a_word_is_as_good_as_a_hang_up(
    line: Line, impatient_engine: float
) -> None:
    async with (
        line.agent("rosa", hz=ROSA_HZ) as rosa,
        a_caller(line) as talking,
        a_caller(line) as waiting,
        a_caller(line) as greeted,
    ):
        at_rosa, _ = await talk(talking, rosa, ROSA_HZ)
        await waiting.dials()
        await asyncio.sleep(12)  # in the music, and not ended by the engine: it sends sound
        assert waiting.call.state == talking.call.state == "up"
        await greeted.dials()
        await asyncio.sleep(1)
        died_at = time.monotonic()
        for caller in (talking, waiting, greeted):
            caller.call.vanish()
        await at_rosa.ended(impatient_engine + 4)
        assert (await rosa.sees("call.ended"))["data"]["reason"] == "caller_left"
        await nothing_left(line, impatient_engine)
        print(f"all freed after {time.monotonic() - died_at:.1f} s, allowed {impatient_engine} s")
        assert await talking.outcome() == ("talked", "caller")
        assert await waiting.outcome() == ("abandoned", "caller")
        assert await greeted.outcome() == ("abandoned", "caller")
        await line.until(lambda: rosa.presence()[0] in ("WRAP_UP", "READY"), 2, "rosa is free")
