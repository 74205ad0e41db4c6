"""Schedules of the wire, each told as a story of one call: the one moment at which it matters."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from cti import clock
from cti.asterisk.ari import EngineInfo
from cti.calls import handover
from cti.calls.house import House
from cti.calls.reception import Reception
from cti.calls.state import Call, Stage
from cti.people.agents import End, Orient, Presence
from cti.simulation import run
from cti.simulation.actors import AgentPlan
from cti.simulation.checker import Checker, timeline
from cti.simulation.fake_wire import Connection, FakeWire
from cti.simulation.world import Fault, World
from tests.stories import (
    ARRIVE,
    LISTENS,
    TALKING_AT,
    TO_LISTENERS,
    Answer,
    Oriented,
    Request,
    Story,
    Tell,
    Waits,
    Wire,
    agent_hangs_up,
    arms,
    caller_leaves,
    crash,
    decides,
    killed_for_long,
    late,
    lease_ends,
    live,
    obeyed_and_reset,
    overflows,
    put_into_the_line,
    refused,
)


def test_a_wire_lost_while_calls_are_taken_back_makes_the_next_look_find_them(
    wire: Wire, tell: Tell
) -> None:
    lives: list[FakeWire] = []

    def first_of_the_second_life(fake: FakeWire) -> bool:
        lives.append(fake) if fake not in lives else None
        return len(lives) == 2 and fake is lives[1]

    def cut(fake: FakeWire, _request: Request, _answer: Answer, go_on: Callable[[], None]) -> None:
        fake._engine.cut_sockets()
        go_on()

    asked: list[FakeWire] = []

    def arrive(fake: FakeWire, connection: Connection, request: Request, answer: Answer) -> None:
        second = first_of_the_second_life(fake)
        if second and request[:2] == ("GET", "/bridges") and not asked:
            asked.append(fake)
            cut(fake, request, answer, lambda: ARRIVE(fake, connection, request, answer))
        else:
            ARRIVE(fake, connection, request, answer)

    wire.patch.setattr(FakeWire, "_arrive", arrive)
    story = tell(Story((TALKING_AT, crash), talk=40.0))
    assert asked
    assert story.sound_at(TALKING_AT + 20) == "people:rosa"


def test_a_call_that_the_engine_ended_did_not_end_before_it_was_answered() -> None:
    closed: list[datetime] = []
    records = SimpleNamespace(closed=lambda _id, *, at, **_: closed.append(at))
    team = SimpleNamespace(agents={})
    house: Any = SimpleNamespace(records=records, team=team, clock=clock.now)
    began = clock.now()
    record: Any = SimpleNamespace(
        id="a" * 32,
        stage=Stage.REGULATION,
        started_at=began,
        answered_at=began + timedelta(seconds=9),
        danger=False,
        danger_level=0,
    )
    engine = EngineInfo("22.10.1", began + timedelta(seconds=8), "")

    Reception(house)._close_late(record, engine)

    assert closed == [record.answered_at]


def test_a_wire_lost_while_an_agent_is_let_go_leaves_nothing_open(wire: Wire, tell: Tell) -> None:
    lives: list[FakeWire] = []
    cut: list[str] = []

    def arrive(fake: FakeWire, connection: Connection, request: Request, answer: Answer) -> None:
        lives.append(fake) if fake not in lives else None
        if len(lives) == 2 and request[0] == "DELETE" and "-rosa-" in request[1] and not cut:
            cut.append(request[1])
            fake._engine.cut_sockets()
        else:
            ARRIVE(fake, connection, request, answer)

    wire.patch.setattr(FakeWire, "_arrive", arrive)
    tell(Story((TALKING_AT, crash), (TALKING_AT + 0.1, caller_leaves)))
    assert cut


def test_a_claim_that_was_obeyed_though_its_answer_was_lost_is_not_forgotten(
    wire: Wire, tell: Tell
) -> None:
    wire.meddles(lambda _m, path, _v: path == "/events/claim", obeyed_and_reset)
    others = tuple(replace(LISTENS, id=name) for name in ("max", "eva"))
    tell(Waits((12.3, lease_ends(wire)), agents=(LISTENS, *others)))


def test_one_who_is_not_put_back_into_their_talk_is_put_there_later(wire: Wire, tell: Tell) -> None:
    wire.meddles(lambda _m, path, _v: path.startswith("/bridges/talk-"), late(9999.0))
    story = tell(Story((TALKING_AT, lease_ends(wire)), talk=60.0))
    assert story.sound_at(TALKING_AT + 15) == "people:rosa"


def test_a_caller_who_cannot_be_given_back_is_brought_back_by_the_end_of_the_agents_leg(
    wire: Wire, tell: Tell
) -> None:
    wire.times = 3
    wire.meddles(lambda _m, path, _v: path.endswith("/continue"), refused())
    story = Story((TALKING_AT, overflows))
    with run.unhurried():
        story.run()
    try:
        silent = [v for v in Checker(story).check() if v.kind == "silence"]
        assert silent == [], timeline(story)
        assert story.heard(TALKING_AT + 8) != []
    finally:
        story.close()


def test_a_kill_just_before_a_talk_leaves_the_caller_a_lease_or_an_owner(
    wire: Wire, tell: Tell
) -> None:
    def kill(fake: FakeWire, _request: Request, _answer: Answer, go_on: Callable[[], None]) -> None:
        go_on()
        fake._engine.later(0.0, lambda: killed_for_long(told[0]))

    wire.meddles(lambda _m, _p, values: values.get("value") == "0", kill)
    told: list[Story] = [Story()]
    told[0].plan = replace(told[0].plan, agents=(replace(told[0].plan.agents[0], always="end"),))
    tell(told[0])


def test_an_agent_who_ends_while_the_caller_is_being_brought_back_fails_no_call(
    wire: Wire, tell: Tell
) -> None:
    wire.meddles(lambda _m, path, _v: path == "/bridges/line-regulators/addChannel", late(7.0))
    story = tell(Story((8.5, decides(End()))))
    outcomes = [e.data["outcome"] for e in story.journal.entries if e.op == "call.closed"]
    assert outcomes == ["talked"]


def test_an_agents_leg_is_hung_up_though_the_caller_leaves_at_that_instant(
    wire: Wire, tell: Tell
) -> None:
    def leave(fake: FakeWire, _request: Request, _a: Answer, go_on: Callable[[], None]) -> None:
        told[0].later(0.0, caller_leaves, told[0])
        fake._engine.at(fake._engine.time() + 0.3, go_on)

    wire.meddles(
        lambda _m, _p, values: (values.get("variable"), values.get("value")) == ("FIL_CALLER", ""),
        leave,
    )
    told = [Story((TALKING_AT + 12, decides(End())))]
    tell(told[0])


def test_between_two_lines_there_is_no_silence_though_we_hang(wire: Wire, tell: Tell) -> None:
    """The last listener goes: a caller who waits for one is the regulators' again."""

    def hang(_fake: FakeWire, _request: Request, _a: Answer, go_on: Callable[[], None]) -> None:
        go_on()
        told[0]._fault_hang(Fault(told[0].loop.time(), "hang", 30.0))

    def leaves_duty(world: World) -> None:
        desk = world.desks["lea"]
        desk.working = False
        desk._choose(Presence.LOGGED_OUT)
        wire.armed = True

    wire.armed = False
    wire.meddles(lambda _m, path, _v: path.endswith(("/addChannel", "/moh")), hang)
    told = [
        Waits(
            (13.0, leaves_duty),
            agents=(
                replace(LISTENS, always="orient"),
                AgentPlan("lea", frozenset({"listener"}), frozenset({"fr"}), True, "end"),
            ),
        )
    ]
    tell(told[0])


def test_music_that_comes_late_does_not_cover_a_talk_for_long(wire: Wire, tell: Tell) -> None:
    wire.meddles(lambda method, path, _v: method == "POST" and path.endswith("/moh"), late(6.0))
    story = tell(Story((3.0, put_into_the_line), talk=60.0))
    assert story.sound_at(25.0) == "people:rosa"


def test_a_call_that_failed_has_no_second_life(wire: Wire, tell: Tell) -> None:
    wire.meddles(lambda _m, path, _v: path.endswith("/continue"), late(3.0))
    cut = (TALKING_AT + 0.2, lambda world: world.engine.cut_sockets())
    story = Story((TALKING_AT, overflows), cut, talk=60.0)
    with run.unhurried():
        story.run()
    try:
        closed = [e.data["call_id"] for e in story.journal.entries if e.op == "call.closed"]
        assert len(closed) == len(set(closed)), timeline(story)
    finally:
        story.close()


def test_an_order_to_ring_that_is_late_rings_nobody_beside_the_next_one(
    wire: Wire, tell: Tell
) -> None:
    def reconnect(
        fake: FakeWire, _request: Request, _answer: Answer, go_on: Callable[[], None]
    ) -> None:
        fake._engine.at(fake._engine.time() + 0.05, fake._engine.cut_sockets)
        fake._engine.at(fake._engine.time() + 1.5, go_on)

    wire.meddles(lambda method, _p, values: method == "POST" and "endpoint" in values, reconnect)
    story = tell(Story(talk=30.0))
    assert len(story.legs()) == 2
    (_, late_ring), (_, ring) = story.rings
    assert late_ring.answered_at is None  # it stopped before it could be picked up
    assert ring.answered_at is not None


@pytest.mark.parametrize(
    ("story", "seconds"),
    [
        (lambda: Oriented((TALKING_AT + 5, TO_LISTENERS)), 5.0),
        (lambda: Story((TALKING_AT, agent_hangs_up), talk=60.0), 6.0),
    ],
    ids=["oriented", "rung again"],
)
def test_the_end_of_one_talk_that_is_obeyed_in_the_next_is_mended(
    wire: Wire, tell: Tell, story: Callable[[], Story], seconds: float
) -> None:
    wire.meddles(
        lambda method, path, _v: method == "DELETE" and path.startswith("/bridges/talk-"),
        late(seconds),
    )
    told = tell(story())
    assert told.sound_at(30.0).startswith("people:")


@pytest.mark.parametrize("seconds", [6.0, 9.0])
def test_an_end_of_music_that_is_obeyed_while_they_wait_is_mended(
    wire: Wire, tell: Tell, seconds: float
) -> None:
    wire.meddles(
        lambda method, path, _v: method == "DELETE" and path.endswith("/moh"), late(seconds)
    )
    tell(Oriented((TALKING_AT, crash), (12.5, TO_LISTENERS), rings=True))


def test_where_a_caller_was_oriented_is_not_forgotten_when_the_engine_disobeys(
    wire: Wire, tell: Tell
) -> None:
    disobeys = arms(wire)
    wire.times = 9
    wire.meddles(
        lambda _m, path, _v: path.startswith("/bridges/line-") and path.endswith("addChannel"),
        refused(),
    )
    story = live(Oriented((TALKING_AT + 4, disobeys), (TALKING_AT + 5, TO_LISTENERS)))
    rung = [e.data["agent_id"] for e in story.journal.entries if e.op == "leg.rung"]
    assert rung == ["rosa", "lea"]


def test_a_caller_whom_the_engine_lets_nobody_hold_comes_to_the_on_call_phones(
    wire: Wire, tell: Tell
) -> None:
    disobeys_from_now = arms(wire)
    wire.times = 10_000
    wire.meddles(
        lambda _m, path, _v: path.startswith("/bridges/line-") and path.endswith("addChannel"),
        refused(),
    )
    story = live(Story((TALKING_AT, disobeys_from_now), (TALKING_AT + 1, agent_hangs_up)))
    assert story.sound_at(100.0) == "people:rosa"  # by the dialplan


def test_an_agent_who_ends_at_the_instant_the_invited_one_answers_is_let_go(
    wire: Wire, tell: Tell
) -> None:
    invite = handover.invite

    async def and_the_first_ends(call: Call, house: House, decision: Orient) -> Orient | None:
        came = await invite(call, house, decision)
        assert came
        assert call.talk is not None
        assert call.talk.agent.engagement is not None
        call.talk.agent.engagement.decisions.put_nowait(End())
        return came

    wire.patch.setattr(handover, "invite", and_the_first_ends)
    together = decides(Orient(line="listeners", together=True))
    story = tell(Oriented((TALKING_AT + 3, together)))
    assert story.sound_at(20.0) == "people:lea"
