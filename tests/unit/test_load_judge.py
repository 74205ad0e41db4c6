"""The load's ears and judge can be trusted: what must be found wrong is found wrong."""

from __future__ import annotations

import asyncio
import math
import statistics
from collections import Counter
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from bench.choir import VOICES, Choir, Crowd, agent_hz, caller_hz
from bench.curve import Turn, chart, medians, native_number
from bench.judge import Fate, Passage, _disagrees, heard_both_ways, judge, passage
from bench.people import Agent, Caller, Plan, Talk, as_sent, plans, tones, who
from cti.rehearsal.phone import Phone, PhoneCall
from cti.rehearsal.sound import (
    FRAME_SAMPLES,
    FRAME_SECONDS,
    RATE,
    Packet,
    Received,
    Samples,
    encode,
    tone,
)

AGENTS = 10
ANSWERED_AT = 100.0
NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def voice(seconds: float, seed: int) -> Samples:
    """Something that is no tone."""
    return np.random.default_rng(seed).normal(0, 0.1, round(seconds * RATE)).astype(np.float32)


GREETING, GOODBYE = voice(4, 1), voice(3, 2)


def a_plan(patience: float | None = None) -> Plan:
    return Plan(3, 0.0, patience, 5.0, hangs_up=False)


def heard(*parts: Samples | float, late: float = 0.0) -> Received:
    """What a caller received from the answer on: sounds, and seconds without any packet."""
    received, at, number = Received(), ANSWERED_AT, 0
    for part in parts:
        if isinstance(part, float):
            at += part
            continue
        coded = encode(part)
        for start in range(0, len(coded), FRAME_SAMPLES):
            wait = late * (number % 3)
            payload = coded[start : start + FRAME_SAMPLES]
            received.add(Packet(at + wait, number, round(at * RATE), 1, 8, payload))
            at, number = at + FRAME_SECONDS, number + 1
    return received


def seconds_of(*parts: Samples | float) -> float:
    return sum(part if isinstance(part, float) else len(part) / RATE for part in parts)


def judged(
    *parts: Samples | float,
    patience: float | None = None,
    left: bool = False,
    late: float = 0.0,
    ended_by: str = "",
) -> Fate:
    """The fate of a caller who was answered and heard this."""
    call: Any = SimpleNamespace(
        invited_at=ANSWERED_AT - 0.01,
        answered_at=ANSWERED_AT,
        ended_at=ANSWERED_AT + seconds_of(*parts) + 0.05,
        ended_by=ended_by or ("us" if left else "them"),
        end_status="BYE",
        _sound=SimpleNamespace(received=heard(*parts, late=late)),
    )
    return judge(passage(Caller(a_plan(patience), call, left=left)), AGENTS, GOODBYE)


def test_a_caller_who_was_greeted_talked_and_heard_a_goodbye_lacks_nothing() -> None:
    fate = judged(GREETING, tone(agent_hz(7), 2), GOODBYE)
    assert (fate.kind, fate.agents, fate.goodbye, fate.faults) == ("talked", [7], True, [])
    assert fate.answer_ms == pytest.approx(10)
    assert fate.human_s == pytest.approx(4.0, abs=0.3)


def test_a_caller_who_left_during_the_greeting_has_abandoned() -> None:
    assert judged(GREETING, patience=4.0, left=True).kind == "abandoned"


@pytest.mark.parametrize(
    ("parts", "fault"),
    [
        ((1.3, GREETING, tone(agent_hz(7), 2), GOODBYE), "no sound within 1 s"),
        ((GREETING, 3.2, tone(agent_hz(7), 2), GOODBYE), "silence over 3 s"),
        ((GREETING, np.zeros(26_000, np.float32), tone(agent_hz(7), 2), GOODBYE), "silence over"),
        ((GREETING, tone(agent_hz(7), 2)), "dropped without a goodbye"),
        ((GREETING, GOODBYE), "heard no agent"),
        ((GREETING, tone(agent_hz(7), 0.3), GOODBYE), "heard no agent"),
        ((GREETING, tone(caller_hz(7), 2), GOODBYE), "heard no agent"),
    ],
)
def test_what_a_caller_must_not_live_through_is_a_fault(
    parts: tuple[Samples | float, ...], fault: str
) -> None:
    fate = judged(*parts)
    assert fate.kind == "lost"
    assert any(found.startswith(fault) for found in fate.faults), fate.faults


def test_a_caller_nobody_served_until_the_end_is_lost() -> None:
    # Hung up by us at the limit, and not because they wanted to.
    assert "nobody came" in judged(GREETING, GREETING, ended_by="us").faults


def test_a_call_that_was_never_answered_is_a_fault() -> None:
    over = Passage(a_plan(), False, 0.0, None, 1.0, "them", 503, Received())
    assert judge(over, AGENTS, GOODBYE).faults == ["not answered (503)"]


def test_packets_that_come_late_change_nobodys_voice() -> None:
    fate = judged(GREETING, tone(agent_hz(7), 2), GOODBYE, late=0.03)
    assert (fate.agents, fate.goodbye) == ([7], True)


def an_agent(*heard_callers: int) -> Agent:
    agent = Agent(7, Any, Any)
    agent.talks = [Talk(7, index) for index in heard_callers]
    return agent


def test_a_talk_that_only_the_caller_heard_is_a_fault() -> None:
    fate = judged(GREETING, tone(agent_hz(7), 2), GOODBYE)
    heard_both_ways([fate], [an_agent(3)])
    assert fate.faults == []
    heard_both_ways([fate], [an_agent(4)])
    assert fate.faults == ["the agent did not hear them"]


def test_a_caller_who_heard_two_agents_is_a_fault() -> None:
    fate = judged(GREETING, tone(agent_hz(7), 1), tone(agent_hz(2), 1), GOODBYE)
    heard_both_ways([fate], [an_agent(3, 3)])
    assert "heard two agents" in fate.faults


def row(**differs: Any) -> Any:
    record = {
        "outcome": "talked", "ended_by": "agent", "answered_at": NOON,
        "ended_at": NOON + timedelta(seconds=9),
    }  # fmt: skip
    return SimpleNamespace(**record | differs)


def test_a_record_that_says_something_else_than_was_heard_is_found() -> None:
    fate = judged(GREETING, tone(agent_hz(7), 2), GOODBYE)
    assert _disagrees(row(), fate) is None
    assert _disagrees(row(ended_at=None), fate) == "a record is not closed"
    assert _disagrees(row(outcome="abandoned"), fate) is not None
    assert _disagrees(row(ended_by="caller"), fate) is not None


def test_a_caller_who_left_as_the_agent_came_may_be_written_either_way() -> None:
    fate = judged(GREETING, patience=4.0, left=True)
    at_once = row(ended_by="caller", ended_at=NOON + timedelta(seconds=1))
    assert _disagrees(at_once, fate) is None
    assert _disagrees(row(ended_by="caller"), fate) is not None


def test_the_same_seed_brings_the_same_callers_a_third_of_whom_give_up() -> None:
    some = plans(1, 5, 600)
    assert some == plans(1, 5, 600)
    assert some != plans(2, 5, 600)
    assert len(some) == pytest.approx(3000, rel=0.06)
    assert sum(plan.patience is not None for plan in some) == pytest.approx(1000, rel=0.1)
    assert statistics.mean(plan.talk_seconds for plan in some) == pytest.approx(7, rel=0.1)
    assert len({plan.number for plan in some}) == len(some)
    assert all(plan.number.startswith("01990") for plan in some)
    assert all(0.5 <= plan.patience <= 4.4 for plan in some if plan.patience is not None)


def test_every_voice_is_told_from_every_other() -> None:
    for index in range(VOICES):
        assert {who(hz, caller_hz, VOICES) for hz in tones(tone(caller_hz(index), 1))} == {index}
    for index in range(70):
        assert {who(hz, agent_hz, 70) for hz in tones(tone(agent_hz(index), 1))} == {index}
    assert all(who(hz, caller_hz, VOICES) is None for hz in tones(tone(agent_hz(0), 1)))


def test_a_point_of_the_curve_is_the_median_of_its_turns_and_stands_in_the_chart() -> None:
    turns = [
        Turn(rate, ours, 10, 0, engine, 20.0)
        for rate in (1.0, 5.0)
        for ours, costs in ((True, (30.0, 90.0, 40.0)), (False, (20.0, 25.0, 90.0)))
        for engine in costs
    ]
    points = medians(turns)
    assert [(p.rate, p.calls, p.native, p.engine, p.controller) for p in points] == [
        (1.0, (30, 30), 25.0, 40.0, 20.0),
        (5.0, (30, 30), 25.0, 40.0, 20.0),
    ]
    drawn = chart(points, "Cost & rate")
    assert drawn.count("<circle") == 6
    assert "Cost &amp; rate" in drawn
    assert native_number(a_plan(), 2) == "0199009901"


async def voice_of(call: PhoneCall) -> float:
    """The tone of most of what was heard, once there are two seconds of it."""
    async with asyncio.timeout(20):
        while len(found := tones(as_sent(call._sound.received.between(0, math.inf)))) < 8:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    return Counter(found).most_common(1)[0][0]


async def test_phones_that_share_sockets_hear_their_own_call_and_no_other() -> None:
    async with Choir() as choir, AsyncExitStack() as open_:
        crowd = await open_.enter_async_context(Crowd(choir, ("127.0.0.1", 0)))
        # Ordinary phones answer: like the engine, they have one port for each call.
        others = [
            await open_.enter_async_context(Phone("x", tone_hz=agent_hz(n), answering="auto"))
            for n in range(3)
        ]
        calls = []
        for index in range(30):  # more than there are sockets
            crowd.server = others[index % 3].address
            calls.append(await crowd.call_as(f"01990000{index:02}", index, "x"))
        for call in calls:
            await call.answered(10)
        assert [await voice_of(call) for call in calls] == [agent_hz(i % 3) for i in range(30)]
        at_others = [await voice_of(call) for other in others for call in other.calls]
        assert sorted(at_others) == [caller_hz(index) for index in range(30)]
        assert others[0].calls[1].headers["from"].startswith("<sip:0199000003@")
