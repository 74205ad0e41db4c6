"""Commands that the engine refuses, never answers, or obeys without saying so."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest
import pytest_asyncio

from tests.line import Desk, Line
from tests.rest_faults import Fault, RestFaults, rest_faults
from tests.scenes import (
    CALLER_HZ,
    REMY_HZ,
    ROSA_HZ,
    Caller,
    LogMark,
    a_caller,
    add_quick_flow,
    another_life,
    nothing_left,
)

GREETING_SECONDS, OVERDUE_SECONDS = 4.7, 5.0
EVERY: tuple[Fault, ...] = ("500", "503", "never", "lost")
# The commands of a call, in the order it gives them: method, path, part of the body.
COMMANDS = {
    "claim": ("POST", "/events/claim", ""),
    "hold": ("POST", "/bridges/line-regulators/addChannel", ""),
    "lease": ("POST", "/channels/[0-9.]+/variable", "TIMEOUT"),
    "prompt": ("POST", "/channels/[0-9.]+/play/", ""),
    "ring": ("POST", "/channels/[0-9a-f]{32}-[a-z]+-[0-9]+$", ""),
    "stop the prompt": ("DELETE", "/playbacks/", ""),
    "make the talk's bridge": ("POST", "/bridges/talk-", "mixing"),
    "own": ("POST", "/channels/[0-9a-f]{32}-[a-z]+-[0-9]+/variable", "FIL_CALLER"),
    "join": ("POST", "/bridges/talk-[0-9a-f]+/addChannel", ""),
    "release": ("DELETE", "/channels/[0-9a-f]{32}-[a-z]+-[0-9]+$", ""),
    "end the talk's bridge": ("DELETE", "/bridges/talk-", ""),
}
# Beside the test itself, the limit covers a controller that starts three times.
pytestmark = pytest.mark.timeout(240)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def wire(shared_line: Line) -> AsyncIterator[RestFaults]:
    """The shared line, its commands passing through a wire that spoils some of them."""
    async with rest_faults(shared_line.settings.ari_port) as faults:
        quick, port = add_quick_flow(shared_line), str(faults.port)
        async with another_life(
            shared_line, FIL_ARI_PORT=port, FIL_FLOW=quick, FIL_WRAP_UP_SECONDS="60"
        ):
            yield faults


async def served(caller: Caller, answering: dict[str, tuple[Desk, float]]) -> None:
    """The caller is heard by, and hears, one of those who answer; then leaves."""
    async with asyncio.timeout(40):
        desk = await whom_they_hear(caller, answering)
    talks = [call for call in desk.phone.calls if call.state == "up"]
    assert len(talks) == 1
    await talks[0].hears(CALLER_HZ, 3)
    await caller.call.hang_up()
    await talks[0].ended(8)
    await desk.line.until(lambda: desk.presence()[0] == "WRAP_UP", 8, "the agent is free")
    await desk.be("READY")


async def whom_they_hear(caller: Caller, answering: dict[str, tuple[Desk, float]]) -> Desk:
    while True:
        for desk, hz in answering.values():
            if await hears(caller, hz):
                return desk
        await asyncio.sleep(0.1)


async def hears(caller: Caller, hz: float) -> bool:
    try:
        await caller.call.hears(hz, 0.05)
    except TimeoutError:
        return False
    return True


@pytest.mark.parametrize("command", COMMANDS)
async def test_fault_30_a_command_that_goes_wrong_costs_no_caller_their_place(
    line: Line, wire: RestFaults, command: str
) -> None:
    method, path, body = COMMANDS[command]
    async with AsyncExitStack() as people:
        answering = {
            name: (
                await people.enter_async_context(line.agent(name, hz=hz, answering="auto")),
                float(hz),
            )
            for name, hz in (("rosa", ROSA_HZ), ("remy", REMY_HZ))
        }
        callers = [await people.enter_async_context(a_caller(line)) for _ in EVERY]
        log = LogMark(line)
        spoilt = wire.spoil(method, path, *EVERY, body=body)
        for caller in callers:
            await caller.dials()
        async with asyncio.TaskGroup() as tasks:
            for caller in callers:
                tasks.create_task(served(caller, answering))
        assert sorted(spoilt.done) == sorted(EVERY)
        for caller in callers:
            assert caller.silences(longer_than_s=3.0) == []
            assert await caller.outcome() == ("talked", "caller")
        await nothing_left(line, 8)
        assert log.count("call.failed") == 0
        assert log.count("task.failed") == 0


async def test_fault_30_a_hang_up_that_goes_wrong_after_the_goodbye_leaves_nobody_behind(
    line: Line, wire: RestFaults
) -> None:
    async with AsyncExitStack() as people:
        callers = [await people.enter_async_context(a_caller(line)) for _ in EVERY]
        spoilt = wire.spoil("DELETE", "/channels/[0-9.]+$", *EVERY)
        for caller in callers:
            await caller.dials()
        for caller in callers:
            await caller.call.ended(25)
            assert caller.silences(longer_than_s=3.0) == []
            assert await caller.outcome() == ("no_staff", "line")
        assert sorted(spoilt.done) == sorted(EVERY)
        await nothing_left(line)


async def test_fault_24_a_prompt_whose_end_is_never_told_holds_the_caller_up_for_seconds_only(
    line: Line, wire: RestFaults
) -> None:
    # Two whose phones ring in vain: until then nobody says that nobody is here.
    async with line.agent("rosa"), line.agent("remy"), a_caller(line) as caller:
        wire.lost_event = "PlaybackFinished"
        try:
            log = LogMark(line)
            call = await caller.dials()
            answered_at = call.answered_at
            assert answered_at is not None
            await log.sees("prompt.overdue", GREETING_SECONDS + OVERDUE_SECONDS + 2)
            await asyncio.sleep(3)
            asked = call.heard(answered_at + GREETING_SECONDS + 3)
            assert line.likeness(asked, "fr/choix-langue") >= 0.8  # the flow goes on
            assert caller.silences(longer_than_s=1.5) == []  # and meanwhile there was music
        finally:
            wire.lost_event = ""
        await call.hang_up()
        await nothing_left(line)
        assert await caller.outcome() == ("abandoned", "caller")
