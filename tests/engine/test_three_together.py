"""Three people in one talk: whoever leaves first, whatever the controller, the caller goes on."""

from __future__ import annotations

import asyncio
import itertools
import os
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest

from cti.rehearsal.phone import PhoneCall
from tests.line import NUMBER, Desk, Line

CALLER_HZ, ROSA_HZ, LEA_HZ = 440, 800, 1200
# Each caller is another: one who rings again goes to the person they were with.
NUMBERS = (f"01990002{n:02d}" for n in itertools.count())
STATES = ["alive", "dead", "hung"]


@dataclass
class Three:
    """A caller, the regulator who oriented them and the listener who has come."""

    id: str
    call: PhoneCall
    rosa: Desk
    lea: Desk
    at_rosa: PhoneCall
    at_lea: PhoneCall


@asynccontextmanager
async def two(line: Line) -> AsyncIterator[tuple[str, PhoneCall, Desk, Desk, PhoneCall]]:
    """A caller talks with the regulator; a listener is free: call, phones and screens."""
    async with (
        line.agent("rosa", hz=ROSA_HZ) as rosa,
        line.agent("lea", hz=LEA_HZ) as lea,
        line.caller(next(NUMBERS), hz=CALLER_HZ) as telephone,
    ):
        call = await telephone.call(NUMBER)
        call_id = (await rosa.sees("call.offered", 8))["data"]["call"]["id"]
        at_rosa = await rosa.ring()
        await at_rosa.answer()
        await rosa.sees("call.connected", 10)
        yield call_id, call, rosa, lea, at_rosa


@asynccontextmanager
async def three(line: Line) -> AsyncIterator[Three]:
    async with two(line) as (call_id, call, rosa, lea, at_rosa):
        await call.hears(ROSA_HZ, 3)
        asked_at = time.monotonic()
        result = await rosa.does(
            "call.orient", call=call_id, to={"line": "listeners"}, handover="Bas.", together=True
        )
        assert result["ok"], result
        pop = (await lea.sees("call.offered"))["data"]
        assert pop["call"]["handover"] == "Bas."
        at_lea = await lea.ring()
        await call.hears(ROSA_HZ, 1)  # the talk goes on while the listener's phone rings
        await at_lea.answer()
        await rosa.sees("call.joined")
        await call.hears(LEA_HZ, 3)
        await at_lea.hears(CALLER_HZ, 3)
        assert call.silences(asked_at, time.monotonic(), longer_than_s=0.3) == []
        try:
            yield Three(call_id, call, rosa, lea, at_rosa, at_lea)
        finally:
            for leg in (call, at_rosa, at_lea):
                if leg.state != "ended":
                    await leg.hang_up()


@asynccontextmanager
async def the_controller(line: Line, state: str) -> AsyncIterator[None]:
    """The controller is dead, or hung with its parent, or alive; afterwards alive again."""
    if state == "dead":
        line.kill()
    elif state == "hung":
        line.signal_all(signal.SIGSTOP)
    try:
        yield
    finally:
        if state == "hung":
            line.signal_all(signal.SIGCONT)
            assert line.process is not None
            os.killpg(line.process.pid, signal.SIGKILL)
            line.process.wait(10)
            line.process = None
        if state != "alive":
            await line.start()


@pytest.mark.parametrize("state", STATES)
async def test_the_first_agent_leaves_and_the_caller_goes_on_with_the_second(
    line: Line, state: str
) -> None:
    async with three(line) as talk:
        async with the_controller(line, state):
            left_at = time.monotonic()
            await talk.at_rosa.hang_up()
            await asyncio.sleep(2)
            await talk.call.hears(LEA_HZ, 1)
            await talk.at_lea.hears(CALLER_HZ, 1)
            assert talk.call.silences(left_at, time.monotonic(), longer_than_s=0.3) == []
        await talk.call.hears(LEA_HZ, 1)  # and through the restart
        await talk.call.hang_up()
        await talk.at_lea.ended(2)
        record = await line.closed_record(talk.id)
        assert (record["outcome"], record["ended_by"]) == ("talked", "caller")
        assert [leg["agent_id"] for leg in record["legs"]] == ["rosa", "lea"]


@pytest.mark.parametrize("state", STATES)
async def test_the_second_agent_leaves_and_the_caller_goes_on_with_the_first_or_in_our_care(
    line: Line, state: str
) -> None:
    async with three(line) as talk:
        async with the_controller(line, state):
            left_at = time.monotonic()
            await talk.at_lea.hang_up()
            if state == "alive":
                await asyncio.sleep(1.5)  # the engine pulls the caller out, and we bring them back
                await talk.at_rosa.hears(CALLER_HZ, 3)
            else:
                await asyncio.sleep(6)
                assert talk.call.state == "up"
            limit = {"alive": 1.5, "dead": 3.0, "hung": 5.0}[state]
            assert talk.call.silences(left_at, time.monotonic(), longer_than_s=limit) == []
        # Once there is a controller, the caller is with the first agent again, who never left.
        await talk.call.hears(ROSA_HZ, 12)
        await talk.at_rosa.hears(CALLER_HZ, 2)
        await talk.call.hang_up()
        await talk.at_rosa.ended(2)
        record = await line.closed_record(talk.id)
        assert (record["outcome"], record["ended_by"]) == ("talked", "caller")


@pytest.mark.parametrize("state", ["dead", "hung"])
async def test_both_agents_leave_one_after_the_other_and_the_caller_is_in_our_care(
    line: Line, state: str
) -> None:
    async with three(line) as talk:
        async with the_controller(line, state):
            await talk.at_rosa.hang_up()
            await asyncio.sleep(1)
            left_at = time.monotonic()
            await talk.at_lea.hang_up()
            await asyncio.sleep(6)
            limit = {"dead": 3.0, "hung": 5.0}[state]
            assert talk.call.silences(left_at, time.monotonic(), longer_than_s=limit) == []
            assert talk.call.state == "up"
        await talk.call.hang_up()
        await line.closed_record(talk.id)


@pytest.mark.parametrize("state", STATES)
async def test_the_caller_leaves_and_nobody_is_kept(line: Line, state: str) -> None:
    async with three(line) as talk:
        async with the_controller(line, state):
            await talk.call.hang_up()
            if state == "alive":
                await talk.at_rosa.ended(1)
                await talk.at_lea.ended(1)
        await talk.at_rosa.ended(5)
        await talk.at_lea.ended(5)
        record = await line.closed_record(talk.id)
        assert record["outcome"] == "talked"
        await line.until(line.is_quiet, 3, "all freed")
        await line.until(
            lambda: (
                {talk.rosa.presence()[0], talk.lea.presence()[0]} <= {"WRAP_UP", "READY"}
                or state != "alive"
            ),
            3,
            "both are free",
        )


async def test_both_agents_leave_at_once_and_the_caller_is_cared_for(line: Line) -> None:
    for first in ("rosa", "lea"):
        async with three(line) as talk:
            legs = {"rosa": talk.at_rosa, "lea": talk.at_lea}
            left_at = time.monotonic()
            await legs.pop(first).hang_up()
            await legs.popitem()[1].hang_up()
            await asyncio.sleep(3)
            assert talk.call.silences(left_at, time.monotonic(), longer_than_s=2.0) == []
            await talk.call.hang_up()
            await line.closed_record(talk.id)


async def test_the_first_agent_leaves_before_anybody_came_and_the_caller_waits_for_the_listener(
    line: Line,
) -> None:
    async with two(line) as (call_id, call, rosa, lea, at_rosa):
        assert (
            await rosa.does("call.orient", call=call_id, to={"line": "listeners"}, together=True)
        )["ok"]
        await lea.ring()
        left_at = time.monotonic()
        await at_rosa.hang_up()
        await lea.sees("call.withdrawn")
        again = (await lea.sees("call.offered"))["data"]
        assert again["call"]["id"] == call_id
        at_lea = await lea.ring()
        await at_lea.answer()
        await call.hears(LEA_HZ, 8)
        assert call.silences(left_at, time.monotonic(), longer_than_s=1.5) == []
        await call.hang_up()
        await line.closed_record(call_id)


async def test_a_listener_who_does_not_answer_leaves_the_two_talking(line: Line) -> None:
    async with two(line) as (call_id, call, rosa, lea, _):
        order = {"call": call_id, "to": {"line": "listeners"}, "together": True}
        assert (await rosa.does("call.orient", **order))["ok"]
        at_lea = await lea.ring()
        # Asked for twice, it is refused: somebody is being called.
        for again in (order, {**order, "together": False}):
            assert (await rosa.does("call.orient", **again))["error"]["code"] == "already_oriented"
        await at_lea.decline(486)
        await rosa.sees("call.not_joined", 8)
        await call.hears(ROSA_HZ, 1)
        assert (await rosa.does("call.end", call=call_id))["ok"]
        await call.ended(20)
        record = await line.closed_record(call_id)
        assert (record["outcome"], record["ended_by"]) == ("talked", "agent")
