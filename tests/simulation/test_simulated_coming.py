"""Somebody leaves as another comes, or word of it is lost: each is told as a story of one call."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from cti.people.agents import End, Presence
from cti.simulation.actors import AgentPlan, CallerPlan
from cti.simulation.checker import timeline
from cti.simulation.fake_people import FakePhoneCall
from cti.simulation.fake_wire import FakeWire
from cti.simulation.world import Fault, Plan, World
from tests.stories import (
    LISTENS,
    TO_LISTENERS,
    TOGETHER,
    Answer,
    Deed,
    Meddle,
    Oriented,
    Request,
    Slow,
    Story,
    Team,
    Tell,
    Waits,
    Wire,
    answers,
    arms,
    caller_leaves,
    crash,
    decides,
    hangs_up,
    late,
    live,
    overflows,
    refused,
)

THREE = {"rosa": "regulator", "lea": "listener", "zoe": "listener"}


def heard_by(story: Story, name: str, at: float) -> str:
    """What this agent's last call heard at that moment."""
    ring = [ring for _, ring in story.rings if ring.name == name][-1]
    return [sound for since, sound in ring.heard if since <= at][-1]


def closed(story: Story) -> list[tuple[str, str]]:
    """How each record of a call says that it ended: (outcome, ended by)."""
    entries = [e.data for e in story.journal.entries if e.op == "call.closed"]
    return [(data["outcome"], data["ended_by"]) for data in entries]


class Presences:
    """What each agent's presence was at the moments looked at."""

    def __init__(self) -> None:
        self.seen: list[dict[str, Presence]] = []

    def __call__(self, world: World) -> None:
        assert world.controller is not None
        agents = world.controller.house.team.agents.values()
        self.seen.append({agent.id: agent.presence for agent in agents})


class Absent(Waits):
    """A caller who waits while the wire stands still."""

    def __init__(self, at: float, seconds: float, agents: tuple[AgentPlan, ...]) -> None:
        self.script = ()
        caller = CallerPlan(at=1.0, patience_seconds=400.0, talk_seconds=200.0)
        faults = (Fault(at, "cut"), Fault(at, "stall", seconds))
        World.__init__(self, Plan(callers=(caller,), agents=agents, faults=faults), "story")


class NotYet(Waits):
    """A caller who waits for rosa, who signs in so late."""

    def __init__(self, *script: tuple[float, Deed], at: float, comes: bool) -> None:
        self.script, self.comes = script, comes
        caller = CallerPlan(at=1.0, patience_seconds=110.0, talk_seconds=100.0)
        lea = AgentPlan("lea", frozenset({"listener"}), frozenset({"fr"}), True, "listen")
        faults = (Fault(0.0, "signs_out", at, who="rosa"),)
        plan = Plan(
            callers=(caller,), agents=(LISTENS, lea) if comes else (LISTENS,), faults=faults
        )
        World.__init__(self, plan, "story")

    def _begin(self) -> None:
        (Story if self.comes else Waits)._begin(self)


# -- one of three --------------------------------------------------------------------------


def test_a_newcomer_who_leaves_as_they_come_in_leaves_the_two_together(wire: Wire) -> None:
    # What lets the first agent go takes two seconds: the newcomer owns the caller already.
    wire.meddles(
        lambda _m, path, v: "-rosa-" in path and v.get("value") == "" and "variable" in v,
        late(2.0),
    )
    comes = ((11.0, decides(TOGETHER)), (16.0, answers("lea")), (17.0, hangs_up("lea")))
    story = live(Oriented(*comes, rings=True))
    assert story.sound_at(30.0) == "people:rosa", timeline(story)


def test_who_stayed_is_brought_back_with_the_others(wire: Wire) -> None:
    # The bridge of the talk before, of the same name, is destroyed so late.
    wire.meddles(
        lambda method, path, _v: method == "DELETE" and path.startswith("/bridges/talk-"),
        late(20.0),
    )
    story = live(Team((10.0, TO_LISTENERS), (20.0, decides(TOGETHER, "lea")), roles=THREE))
    assert "," in story.sound_at(55.0), timeline(story)
    assert heard_by(story, "lea", 55.0).startswith("people:")


def test_both_of_three_breathe_when_the_caller_left_while_we_were_dead() -> None:
    look = Presences()
    together = (11.0, decides(TOGETHER))
    live(Oriented(together, (20.0, crash), (20.1, caller_leaves), (22.5, look)))
    assert look.seen == [{"rosa": Presence.WRAP_UP, "lea": Presence.WRAP_UP}]


# -- a prompt whose end nobody tells ---------------------------------------------------------


def cut_as_a_prompt_is_stopped(wire: Wire) -> Deed:
    def how(fake: FakeWire, _request: Request, _answer: Answer, go_on: Callable[[], None]) -> None:
        go_on()
        fake._engine.cut_sockets()

    return _as_a_prompt_is_stopped(wire, how)


def told_late_as_a_prompt_is_stopped(wire: Wire) -> Deed:
    def how(fake: FakeWire, _request: Request, _answer: Answer, go_on: Callable[[], None]) -> None:
        faults = fake._engine.faults
        before, faults.event_seconds = faults.event_seconds, (1.5, 1.5)
        go_on()
        fake._engine.later(0.3, setattr, faults, "event_seconds", before)

    return _as_a_prompt_is_stopped(wire, how)


def _as_a_prompt_is_stopped(wire: Wire, how: Meddle) -> Deed:
    wire.meddles(lambda m, path, _v: m == "DELETE" and path.startswith("/playbacks/"), how)
    return arms(wire)


def test_a_lost_end_of_a_prompt_keeps_no_caller_astray(wire: Wire) -> None:
    def bridge_ends(world: World) -> None:
        engine = world.engine
        for id_ in [id_ for id_ in engine.bridges if id_.startswith("talk-")]:
            for channel in list(engine.bridges.pop(id_).members):
                engine.leave_bridge(channel)

    story = Story((4.0, cut_as_a_prompt_is_stopped(wire)), (20.0, bridge_ends), talk=100.0)
    assert live(story).sound_at(30.0) == "people:rosa", timeline(story)


def test_after_a_lost_end_of_a_prompt_who_left_a_talk_of_three_hears_no_more(wire: Wire) -> None:
    arm = cut_as_a_prompt_is_stopped(wire)
    leaves = (40.0, decides(End(), "lea"))
    story = live(Oriented((4.0, arm), (20.0, decides(TOGETHER)), leaves))
    assert story.sound_at(45.0) == "people:rosa", timeline(story)


def test_a_late_end_of_a_prompt_holds_nobody_up(wire: Wire) -> None:
    arm = told_late_as_a_prompt_is_stopped(wire)
    leaves = (60.0, decides(End(), "lea"))
    script = ((4.0, crash), (10.5, arm), (45.0, decides(TOGETHER)), leaves)
    story = live(NotYet(*script, at=11.0, comes=True))
    assert story.sound_at(65.0) == "people:rosa", timeline(story)


# -- the engine refuses ------------------------------------------------------------------------


def test_a_failed_talk_that_the_engine_does_not_give_back_goes_on() -> None:
    def refuses(world: World) -> None:
        world.engine.faults.failing = 1.0
        world.later(8.0, setattr, world.engine.faults, "failing", 0.0)

    story = live(Story((10.0, refuses), (10.1, overflows), talk=60.0))
    assert "silence" not in story.heard(10.0), timeline(story)


def test_a_goodbye_whose_hang_up_is_refused_for_seconds_is_still_a_goodbye(wire: Wire) -> None:
    arm, wire.times = arms(wire), 9
    wire.meddles(
        lambda m, path, _v: (
            m == "DELETE"
            and path.startswith("/channels/")
            and "/" not in path[10:]
            and "-rosa-" not in path
        ),
        refused(),
    )
    story = live(Story((15.0, arm), (20.0, decides(End()))))
    assert wire.times == 0
    assert closed(story) == [("talked", "agent")], timeline(story)


# -- who is rung, what is said, what is written --------------------------------------------


def test_nobody_is_rung_for_a_caller_whom_an_on_call_phone_has() -> None:
    """While we were deaf, zed took the call on their on-call phone."""

    class OnCall(Absent):
        def _begin(self) -> None:
            Story._begin(self)
            for desk in self.desks.values():
                desk.phone.on_ring = self._rings

        def _rings(self, ring: FakePhoneCall) -> None:
            self.rings.append((self.loop.time(), ring))
            ours = f"-{ring.name}-" in (ring.channel_id or "")
            if ring.name == "zed" and not ours:
                self.later(1.0, ring.answer)
                self.later(6.0, ring.press, "1")

    zed = AgentPlan("zed", frozenset({"regulator"}), frozenset({"fr"}), True, "listen")
    story = live(OnCall(12.0, 55.0, (LISTENS, zed)))
    since = next(at for _, r in story.rings for at, sound in r.heard if sound == "people:caller-1")
    assert since < 70, timeline(story)
    assert [ring.name for at, ring in story.rings if at > since] == []


def test_that_nobody_is_here_is_said_after_four_seconds_without_anyone() -> None:
    story = live(NotYet(at=1.5, comes=False))  # nobody for a moment, then missed rings
    missed = [ring.ended_at for _, ring in story.rings if ring.ended_at is not None]
    end = story.callers[0].end
    assert end is not None
    told = [at for at, sound in end.heard if sound.endswith("personne-disponible")]
    gaps = [min(at - since for since in missed if since < at) for at in told if at > missed[0]]
    assert min(gaps) > 3.9, timeline(story)


def test_who_picked_up_and_hung_up_during_the_greeting_has_talked_with_nobody(tell: Tell) -> None:
    look = Presences()
    gone = ((4.0, answers("rosa")), (5.0, hangs_up("rosa")))
    story = tell(Slow(*gone, (9.5, look), (10.0, caller_leaves)))
    assert len(story.rings) == 2, timeline(story)
    assert look.seen == [{"rosa": Presence.RESERVED}]
    assert closed(story) == [("abandoned", "caller")]


@pytest.mark.parametrize(("seconds", "ended_by"), [(5.0, "caller"), (180.0, "unknown")])
def test_who_ended_a_call_is_unknown_after_an_absence_long_enough_for_the_dialplan(
    seconds: float, ended_by: str
) -> None:
    story = Absent(20.0, seconds, (LISTENS,))
    if ended_by == "caller":
        story.script = ((22.0, caller_leaves),)
    assert closed(live(story)) == [("abandoned", ended_by)], timeline(story)


def test_a_call_that_the_engine_cut_says_so_though_we_come_back_slowly() -> None:
    class Cut(Waits):
        def __init__(self) -> None:
            self.script = ()
            caller = CallerPlan(at=1.0, patience_seconds=100.0, talk_seconds=100.0)
            stopped = (Fault(12.0, "engine_stopped", 4.0), Fault(12.1, "replies_late", 30.0))
            World.__init__(
                self, Plan(callers=(caller,), agents=(LISTENS,), faults=stopped), "story"
            )

    assert closed(live(Cut())) == [("engine_restart", "engine")]
