"""The controller dies or hangs at the worst moments, and comes back."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from pathlib import Path

import pytest
import pytest_asyncio

from cti.rehearsal.phone import CallEnded
from tests.line import Line
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
    taken,
    talk,
)

DEAD_SECONDS_MAX = 3.0  # without sound, the controller being dead
HUNG_SECONDS_MAX = 5.0  # and being hung
GREETING_SECONDS, MENU_SECONDS, PATIENCE_SECONDS = 4.7, 3.8, 2.7
# Beside the test itself, the limit covers a controller that starts three times.
pytestmark = pytest.mark.timeout(240)


@pytest_asyncio.fixture(scope="module", loop_scope="session", autouse=True)
async def ringing_long(shared_line: Line) -> AsyncIterator[None]:
    """Phones ring at once, and through the controller's death; the greeting may be cut."""
    async with another_life(shared_line, **life(shared_line)):
        yield


def life(line: Line, whole: bool = False) -> dict[str, str]:
    return {"FIL_FLOW": add_quick_flow(line, whole), "FIL_RING_SECONDS_MAX": "25"}


async def dies_and_comes_back(line: Line, whole: bool = False) -> None:
    line.kill()
    await asyncio.sleep(1)
    await line.start(**life(line, whole))


async def test_fault_1_killed_while_the_flow_speaks_the_caller_goes_on_without_a_second_greeting(
    line: Line,
) -> None:
    moments = {  # seconds into the call when the controller dies
        "accueil": 1.5,
        "choix-langue": GREETING_SECONDS + 0.7,
        "patience": GREETING_SECONDS + MENU_SECONDS + 1,
        "music": GREETING_SECONDS + MENU_SECONDS + PATIENCE_SECONDS + 2,
    }
    async with AsyncExitStack() as people:
        line.stop()
        await line.start(**life(line, whole=True))  # these calls keep the flow they came in by
        people.push_async_callback(line.start, **life(line))
        people.callback(line.stop)
        await people.enter_async_context(line.agent("rosa", hz=ROSA_HZ))  # her phone rings
        last = max(moments.values())
        began = time.monotonic()
        callers: dict[str, Caller] = {}
        for node, seconds in sorted(moments.items(), key=lambda moment: -moment[1]):
            await asyncio.sleep(began + last - seconds - time.monotonic())
            callers[node] = await people.enter_async_context(a_caller(line))
            await callers[node].dials()
        await asyncio.sleep(began + last - time.monotonic())
        log = LogMark(line)
        died_at = time.monotonic()
        await dies_and_comes_back(line, whole=True)  # a greeting once heard is not said again
        back_at = time.monotonic()
        assert log.count("call.taken_back") == len(moments)

        # The menu is asked again, and its key is obeyed.
        await asyncio.sleep(1)
        await callers["choix-langue"].call.press("2")
        await asyncio.sleep(GREETING_SECONDS)
        for node, caller in callers.items():
            assert caller.silences(longer_than_s=DEAD_SECONDS_MAX) == [], node
            answered_at = caller.call.answered_at
            assert answered_at is not None
            if node != "accueil":
                assert line.likeness(caller.call.heard(answered_at, died_at), "fr/accueil") >= 0.8
            # The first half of it is heard by nobody again: who had begun it has heard enough.
            again = line.likeness(caller.call.heard(back_at - 1, time.monotonic()), "fr/accueil")
            assert again < 0.8, (node, again)  # other words are like it by half, on a bad day
        for node, caller in callers.items():
            await caller.call.hang_up()
            record = await caller.record()
            assert record["outcome"] == "abandoned"
            assert record["language"] == ("en" if node == "choix-langue" else "fr")
        await nothing_left(line)


async def test_fault_2_killed_with_five_waiting_they_are_served_in_the_order_they_came(
    line: Line,
) -> None:
    async with AsyncExitStack() as people:
        await people.enter_async_context(line.agent("rosa", hz=ROSA_HZ))
        tones = [300, 450, 600, 750, 900]
        callers = [await people.enter_async_context(a_caller(line, hz=hz)) for hz in tones]
        for caller in callers:
            await caller.dials()
            await asyncio.sleep(0.2)
        await asyncio.sleep(1)
        await dies_and_comes_back(line)
        remy = await people.enter_async_context(line.agent("remy", hz=REMY_HZ, answering="auto"))
        for caller, hz in zip(callers, tones, strict=True):
            at_remy = await remy.ring()
            await at_remy.hears(hz, 5)
            assert caller.silences(longer_than_s=DEAD_SECONDS_MAX) == []
            await caller.call.hang_up()
            await at_remy.ended(2)
            await line.until(lambda: remy.presence()[0] == "WRAP_UP", 2, "the talk is over")
            await remy.be("READY")
        for caller in callers:
            assert await caller.outcome() == ("talked", "caller")
        await nothing_left(line)


@pytest.mark.parametrize("answers_after_seconds", [None, -0.1, 0.1, 2.0])
async def test_fault_3_killed_while_a_phone_rings_a_caller_keeps_their_place_and_nobody_is_blamed(
    line: Line, answers_after_seconds: float | None
) -> None:
    async with AsyncExitStack() as people:
        rosa = await people.enter_async_context(line.agent("rosa", hz=ROSA_HZ))
        caller = await people.enter_async_context(a_caller(line))
        behind = await people.enter_async_context(a_caller(line, hz=620))
        await caller.dials()
        at_rosa = await rosa.ring()
        await behind.dials()
        await asyncio.sleep(0.5)

        async def answers(seconds: float) -> None:
            await asyncio.sleep(seconds)
            await at_rosa.answer()

        after = answers_after_seconds
        if after is not None and after < 0:
            await answers(0)
            await asyncio.sleep(-after)
        line.kill()
        if after is not None and after > 0:
            await answers(after)
        await asyncio.sleep(0.5)
        await line.start(**life(line))
        if after == -0.1:
            await caller.call.hears(ROSA_HZ, 3)  # they were talking already, and still are
        else:
            await at_rosa.ended(5)  # withdrawn
            again = await people.enter_async_context(line.agent("rosa", hz=ROSA_HZ))
            await taken(caller, again, ROSA_HZ, 10)
        for waited in (caller, behind):
            assert waited.silences(longer_than_s=DEAD_SECONDS_MAX) == []
        await caller.call.hang_up()
        record = await caller.record()
        assert record["outcome"] == "talked"
        legs = [leg["outcome"] for leg in record["legs"]]
        assert legs == (["talked"] if after == -0.1 else ["withdrawn", "talked"])
        await behind.call.hang_up()
        assert (await behind.outcome())[0] == "abandoned"
        await nothing_left(line)


async def test_fault_4_a_caller_who_hangs_up_while_the_controller_is_dead_is_written_as_gone(
    line: Line,
) -> None:
    async with line.agent("rosa", hz=ROSA_HZ) as rosa, a_caller(line) as caller:
        at_rosa, _ = await talk(caller, rosa, ROSA_HZ)
        line.kill()
        await asyncio.sleep(0.5)
        await caller.call.hang_up()
        left_at = datetime.now(UTC)
        await asyncio.sleep(1)
        await line.start(**life(line))
        await at_rosa.ended(3)
        await nothing_left(line)
        record = await caller.record()
        assert (record["outcome"], record["ended_by"]) == ("talked", "unknown")
        # The engine keeps no trace of when: the end is written as when it was found out.
        ended_at = datetime.fromisoformat(record["ended_at"] + "+00:00")
        assert left_at <= ended_at <= datetime.now(UTC)
        assert [leg["outcome"] for leg in record["legs"]] == ["talked"]
        async with line.agent("rosa", hz=ROSA_HZ) as again, a_caller(line) as next_one:
            await talk(next_one, again, ROSA_HZ)  # free at once
            await next_one.call.hang_up()
            await nothing_left(line)


@pytest.mark.parametrize("seconds", [1, 5, 15])
async def test_fault_6_hung_nobody_is_left_alone_and_everybody_is_served_afterwards(
    line: Line, seconds: int
) -> None:
    async with AsyncExitStack() as people:
        rosa = await people.enter_async_context(line.agent("rosa", hz=ROSA_HZ))
        talking, waiting, arriving = [
            await people.enter_async_context(a_caller(line)) for _ in range(3)
        ]
        at_rosa, _ = await talk(talking, rosa, ROSA_HZ)
        await waiting.dials()
        await asyncio.sleep(0.5)
        log, hung = LogMark(line), line.controller_pid()
        os.kill(hung, signal.SIGSTOP)
        hung_at = time.monotonic()
        await arriving.dials()
        await asyncio.sleep(hung_at + seconds - time.monotonic())
        with contextlib.suppress(ProcessLookupError):
            os.kill(hung, signal.SIGCONT)
        if seconds > 10:
            await log.sees("house.recovered", 15)
            assert log.count("controller.hung") == 1
            assert not Path(f"/proc/{hung}").exists()
        else:
            assert line.controller_pid() == hung
        await people.enter_async_context(line.agent("remy", hz=REMY_HZ, answering="auto"))
        await waiting.call.hears(REMY_HZ, 15)
        await at_rosa.hears(CALLER_HZ, 1)
        await talking.call.hears(ROSA_HZ, 1)
        assert talking.call.gaps(hung_at, time.monotonic(), longer_than_s=1.0) == []
        await line.until(lambda: log.count("call.opened") == 1, 15, "the newcomer is ours")
        for caller in (waiting, arriving):
            assert caller.silences(longer_than_s=HUNG_SECONDS_MAX) == []
        for caller, outcome in ((talking, "talked"), (waiting, "talked"), (arriving, "abandoned")):
            with contextlib.suppress(CallEnded):
                await caller.call.hang_up()
            assert await caller.outcome() == (outcome, "caller")
        await nothing_left(line)
