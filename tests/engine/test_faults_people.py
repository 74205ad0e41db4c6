"""Agents whose phones are away, busy, silent, or answer just as it is too late."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from cti.rehearsal.phone import CallEnded, PhoneCall
from cti.rehearsal.sound import rms_dbfs, tone_level
from tests.line import Line
from tests.scenes import (
    CALLER_HZ,
    REMY_HZ,
    ROSA_HZ,
    a_caller,
    add_quick_flow,
    another_life,
    nothing_left,
    taken,
)

ROUNDS = 7
JITTER_SECONDS_MAX = 0.005
RING_SECONDS_MAX = 3
OTHER_HZ = 620
# Beside the test itself, the limit covers a controller that starts three times.
pytestmark = pytest.mark.timeout(240)


@pytest_asyncio.fixture(scope="module", loop_scope="session", autouse=True)
async def ringing_shortly(shared_line: Line) -> AsyncIterator[None]:
    """Phones ring at once, and not for long."""
    flow = add_quick_flow(shared_line)
    async with another_life(shared_line, FIL_FLOW=flow, FIL_RING_SECONDS_MAX=str(RING_SECONDS_MAX)):
        yield


@pytest.mark.parametrize(
    ("fault", "reason", "outcome"),
    [
        ("away", "phone_unreachable", "withdrawn"),  # row 15
        # Row 16: once they are asked whether they are there; the caller behind is the second ring.
        ("silent", "missed", "missed"),
        # Row 18: on another call. No miss is counted against them; but they are asked to say
        # READY again, for who is offered every caller in turn takes none.
        ("busy", "phone_busy", "declined"),
    ],
    ids=["15-away", "16-silent", "18-busy"],
)
async def test_fault_15_16_18_the_next_agent_has_the_caller_who_keeps_their_place(
    line: Line, fault: str, reason: str, outcome: str
) -> None:
    async with (
        line.agent("rosa", hz=ROSA_HZ) as rosa,
        line.agent("remy", hz=REMY_HZ) as remy,
        a_caller(line) as caller,
        a_caller(line, hz=OTHER_HZ) as behind,
    ):
        await remy.be("NOT_READY", "pause")
        if fault == "away":
            await rosa.phone.unregister()
        rosa.phone.answering = "busy" if fault == "busy" else "ring"
        await caller.dials()
        await rosa.sees("call.offered")
        await behind.dials()
        for _ in range(2 if fault == "silent" else 1):
            await rosa.sees("call.withdrawn", RING_SECONDS_MAX + 3)
        await rosa.becomes("NOT_READY", reason)
        await remy.be("READY")
        await taken(caller, remy, REMY_HZ)  # not the one behind
        assert caller.silences(longer_than_s=1.0) == []
        await caller.call.hang_up()
        record = await caller.record()
        assert [leg["outcome"] for leg in record["legs"]] == [outcome, "talked"]
        await behind.call.hang_up()
        await nothing_left(line)


@pytest.mark.parametrize("other", ["the caller leaves", "the offer is declined", "the time is up"])
async def test_fault_17_an_answer_at_the_instant_of_something_else_has_exactly_one_outcome(
    line: Line, other: str
) -> None:
    async with line.agent("rosa", hz=ROSA_HZ) as rosa:
        for _ in range(ROUNDS):
            async with a_caller(line) as caller:
                await caller.dials()
                pop = (await rosa.sees("call.offered", 8))["data"]
                at_rosa = await rosa.ring()
                if other == "the time is up":
                    await asyncio.sleep(RING_SECONDS_MAX - 0.05)

                async def answers(at_rosa: PhoneCall = at_rosa) -> None:
                    await asyncio.sleep(random.uniform(0, JITTER_SECONDS_MAX))
                    try:
                        await at_rosa.answer()
                    except CallEnded:
                        return

                async with asyncio.TaskGroup() as tasks:
                    tasks.create_task(answers())
                    if other == "the caller leaves":
                        tasks.create_task(caller.call.hang_up())
                    elif other == "the offer is declined":
                        tasks.create_task(rosa.does("call.decline", call=pop["call"]["id"]))
                await asyncio.sleep(0.6)  # either they talk now, or her phone is released
                talks = at_rosa.state == "up"
                if talks:
                    assert other != "the caller leaves"
                    await at_rosa.hears(CALLER_HZ, 2)
                    await caller.call.hears(ROSA_HZ, 2)
                await caller.call.hang_up()
                await at_rosa.ended(2)
                record = await caller.record()
                assert len(record["legs"]) == 1
                outcome = record["legs"][0]["outcome"]
                assert (record["outcome"] == "talked") == (outcome == "talked")
                if other != "the caller leaves":
                    assert (outcome == "talked") == talks
                await nothing_left(line)
                await rosa.be("READY")


async def test_fault_17_an_agent_never_hears_a_caller_who_is_not_theirs(line: Line) -> None:
    async with (
        line.agent("rosa", hz=ROSA_HZ) as rosa,
        a_caller(line) as caller,
        a_caller(line, hz=OTHER_HZ) as behind,
    ):
        await caller.dials()
        at_rosa = await rosa.ring()
        await behind.dials()
        await asyncio.gather(at_rosa.answer(), caller.call.hang_up())
        await at_rosa.ended(2)  # not given to the next one behind her back
        assert not await heard_in(at_rosa, OTHER_HZ)
        await behind.call.hang_up()
        await nothing_left(line)


async def heard_in(call: PhoneCall, hz: float) -> bool:
    """Whether a tone was heard at any moment of a call that is over."""
    answered_at, ended_at = call.answered_at, call.ended_at
    if answered_at is None or ended_at is None:
        return False
    sound = call.heard(answered_at, ended_at)
    return tone_level(sound, hz) > -35 and tone_level(sound, hz) - rms_dbfs(sound) > -9
