"""Schedules of the wire, each told as a story of one call: the one moment at which it matters."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import pytest

from cti.asterisk.wire import WireLost
from cti.calls import talking
from cti.calls.house import House
from cti.calls.state import Call
from cti.people.agents import Decision, End, Orient, Presence
from cti.simulation import run
from cti.simulation.actors import AgentPlan, CallerPlan
from cti.simulation.checker import Checker, timeline
from cti.simulation.fake_wire import Connection, FakeWire
from cti.simulation.world import Fault, Plan, World
from tests.unit.test_simulated_stories import (
    TALKING_AT,
    Deed,
    Story,
    agent_hangs_up,
    caller_channel,
    caller_leaves,
    crash,
)

ARRIVE = FakeWire._arrive
Request = tuple[str, str, Mapping[str, Any]]  # method, path, values
Answer = asyncio.Future[tuple[int, Any]]
Meddle = Callable[[FakeWire, Request, Answer, Callable[[], None]], None]
LISTENS = AgentPlan("rosa", frozenset({"regulator"}), frozenset({"fr"}), True, "listen")


class Wire:
    """Meddles once with the first command that is asked about; the others arrive as ever."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.patch = patch
        self.armed = True
        self.times = 1

    def meddles(self, with_: Callable[[str, str, Mapping[str, Any]], bool], how: Meddle) -> None:
        def arrive(
            wire: FakeWire, connection: Connection, request: Request, answer: Answer
        ) -> None:
            def go_on() -> None:
                ARRIVE(wire, connection, request, answer)

            if self.armed and self.times > 0 and with_(*request):
                self.times -= 1
                how(wire, request, answer, go_on)
            else:
                go_on()

        self.patch.setattr(FakeWire, "_arrive", arrive)


def late(seconds: float) -> Meddle:
    """Obeyed so much later; who asked may have given up."""
    return lambda wire, _request, _answer, go_on: wire._engine.at(
        wire._engine.time() + seconds, go_on
    )


def refused(status: int = 500) -> Meddle:
    def how(wire: FakeWire, _request: Request, answer: Answer, _go_on: Callable[[], None]) -> None:
        wire._engine.later(
            0.01, lambda: answer.done() or answer.set_result((status, {"message": "no"}))
        )

    return how


def obeyed_and_reset(
    _wire: FakeWire, _request: Request, answer: Answer, go_on: Callable[[], None]
) -> None:
    """Obeyed; in place of the answer the connection is reset."""
    go_on()
    if not answer.done():
        answer.set_exception(WireLost("reset"))


class Waits(Story):
    """A caller who waits: those on duty do not pick up their phones."""

    def __init__(self, *script: tuple[float, Deed], agents: tuple[AgentPlan, ...]) -> None:
        self.script = script
        caller = CallerPlan(at=1.0, patience_seconds=110.0, talk_seconds=200.0)
        World.__init__(self, Plan(callers=(caller,), agents=agents), "story")

    def _begin(self) -> None:
        super()._begin()
        for desk in self.desks.values():
            if desk.plan.id != "rosa" or len(self.plan.agents) != 2:
                desk.phone.on_ring = lambda ring: self.rings.append((self.loop.time(), ring))


class Oriented(Story):
    """A caller whom rosa orients to a listener, who may let it ring."""

    def __init__(self, *script: tuple[float, Deed], rings: bool = False) -> None:
        self.script, self.lets_it_ring = script, rings
        lea = AgentPlan("lea", frozenset({"listener"}), frozenset({"fr"}), True, "listen")
        caller = CallerPlan(at=1.0, patience_seconds=200.0, talk_seconds=60.0)
        World.__init__(self, Plan(callers=(caller,), agents=(LISTENS, lea)), "story")

    def _begin(self) -> None:
        super()._begin()
        if self.lets_it_ring:
            self.desks["lea"].phone.on_ring = lambda ring: self.rings.append(
                (self.loop.time(), ring)
            )


@pytest.fixture
def wire(monkeypatch: pytest.MonkeyPatch) -> Wire:
    return Wire(monkeypatch)


@pytest.fixture
def tell() -> Iterator[Callable[[Story], Story]]:
    """Live through a story that must break no promise."""
    stories: list[Story] = []

    def tell(story: Story) -> Story:
        with run.unhurried():
            story.run()
        stories.append(story)
        assert Checker(story).check() == [], timeline(story)
        return story

    yield tell
    for story in stories:
        story.close()


Tell = Callable[[Story], Story]


def decides(decision: Decision) -> Deed:
    def deed(world: World) -> None:
        desk = world.desks["rosa"]
        assert desk.controller is not None
        assert desk.call is not None
        desk._decide(desk.controller, desk.call, decision)

    return deed


def put_into_the_line(world: World) -> None:
    engine = world.engine
    engine.enter_bridge(
        caller_channel(world), engine.bridges["line-regulators"], "holding_participant"
    )


def lease_ends(wire: Wire) -> Deed:
    def deed(world: World) -> None:
        wire.armed = True
        world.engine.set_deadline(caller_channel(world), 0.01)

    wire.armed = False
    return deed


def overflows(world: World) -> None:
    """Something nobody expected, in the middle of a talk."""
    assert world.controller is not None
    (call,) = world.controller.house.calls.values()

    def overflow() -> None:
        call.caller._mailbox.overflowed = True
        call.caller._mailbox.close()

    world.controller.tell(overflow)


def killed_for_long(world: World) -> None:
    assert world.controller is not None
    world.controller.began_at, world._delay = world.loop.time(), 600.0
    crash(world)


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


TO_LISTENERS = decides(Orient(line="listeners"))


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
    def disobeys(_world: World) -> None:
        wire.armed = True

    wire.armed, wire.times = False, 9
    wire.meddles(
        lambda _m, path, _v: path.startswith("/bridges/line-") and path.endswith("addChannel"),
        refused(),
    )
    story = Oriented((TALKING_AT + 4, disobeys), (TALKING_AT + 5, TO_LISTENERS))
    with run.unhurried():
        story.run()
    try:
        rung = [e.data["agent_id"] for e in story.journal.entries if e.op == "leg.rung"]
        assert rung == ["rosa", "lea"], timeline(story)
    finally:
        story.close()


def test_a_caller_whom_the_engine_lets_nobody_hold_comes_to_the_on_call_phones(
    wire: Wire, tell: Tell
) -> None:
    def disobeys_from_now(_world: World) -> None:
        wire.armed = True

    wire.armed, wire.times = False, 10_000
    wire.meddles(
        lambda _m, path, _v: path.startswith("/bridges/line-") and path.endswith("addChannel"),
        refused(),
    )
    story = Story((TALKING_AT, disobeys_from_now), (TALKING_AT + 1, agent_hangs_up))
    with run.unhurried():
        story.run()
    try:
        assert story.sound_at(100.0) == "people:rosa", timeline(story)  # by the dialplan
    finally:
        story.close()


def test_an_agent_who_ends_at_the_instant_the_invited_one_answers_is_let_go(
    wire: Wire, tell: Tell
) -> None:
    invite = talking.invite

    async def and_the_first_ends(call: Call, house: House, decision: Orient) -> bool:
        came = await invite(call, house, decision)
        assert came
        assert call.talk is not None
        assert call.talk.agent.engagement is not None
        call.talk.agent.engagement.decisions.put_nowait(End())
        return came

    wire.patch.setattr(talking, "invite", and_the_first_ends)
    together = decides(Orient(line="listeners", together=True))
    story = tell(Oriented((TALKING_AT + 3, together)))
    assert story.sound_at(20.0) == "people:lea"
