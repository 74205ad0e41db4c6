"""An agent's leg in its bad moments: ordered late, refused, lost, one of three; each a story."""

from __future__ import annotations

from collections.abc import Callable

from cti.asterisk.ari import LegGone
from cti.asterisk.wire import WireLost
from cti.calls import call as calls
from cti.calls.house import House
from cti.calls.reception import Reception, _Found
from cti.calls.state import Call, Stage
from cti.people.agents import End
from cti.simulation.checker import timeline
from cti.simulation.fake_wire import FakeWire
from cti.simulation.world import Fault, World
from ivr.steps import Line
from tests.stories import (
    TALKING_AT,
    TO_LISTENERS,
    TOGETHER,
    Answer,
    Oriented,
    Request,
    Story,
    Tell,
    Wire,
    agent_hangs_up,
    arms,
    caller_leaves,
    crash,
    decides,
    hangs_up,
    killed_for_long,
    late,
    lease_ends,
    live,
    refused,
)

TOGETHER_AT = (TALKING_AT + 3, decides(TOGETHER))


def outcomes(story: Story) -> list[str]:
    return [e.data["outcome"] for e in story.journal.entries if e.op == "call.closed"]


def to_ring(method: str, _path: str, values: dict[str, str]) -> bool:
    return method == "POST" and "endpoint" in values


def disowned(_method: str, _path: str, values: dict[str, str]) -> bool:
    return (values.get("variable"), values.get("value")) == ("FIL_CALLER", "")


def into(bridge: str) -> Callable[[str, str, dict[str, str]], bool]:
    return lambda _m, path, _v: (
        path.startswith(f"/bridges/{bridge}-") and path.endswith("addChannel")
    )


# -- one of three


def test_a_kill_as_a_third_comes_in_leaves_somebody_who_owns_the_caller(
    wire: Wire, tell: Tell
) -> None:
    def kill(fake: FakeWire, _request: Request, _a: Answer, go_on: Callable[[], None]) -> None:
        go_on()
        fake._engine.later(0.0, killed_for_long, story)

    wire.meddles(disowned, kill)
    story = Oriented(TOGETHER_AT, (22.0, agent_hangs_up))
    tell(story)


def test_three_talk_we_are_dead_the_first_leaves_and_the_talk_goes_on(tell: Tell) -> None:
    story = tell(Oriented(TOGETHER_AT, (20.0, killed_for_long), (22.0, agent_hangs_up)))
    assert story.sound_at(22.5) == "people:lea", timeline(story)


def test_who_stays_is_no_owner_though_the_engine_refused_it_at_first(
    wire: Wire, tell: Tell
) -> None:
    wire.times = 3
    wire.meddles(disowned, refused())
    story = tell(Oriented(TOGETHER_AT, (22.0, killed_for_long), (24.0, agent_hangs_up)))
    assert story.sound_at(24.5) == "people:lea", timeline(story)


def test_a_newcomer_who_leaves_gives_the_record_back_to_the_first(tell: Tell) -> None:
    story = tell(Oriented(TOGETHER_AT, (20.0, hangs_up("lea"))))
    named = [
        e.data["set"]["agent_id"]
        for e in story.journal.entries
        if e.op == "call.stage" and "agent_id" in e.data["set"]
    ]
    assert named[:3] == ["rosa", "lea", "rosa"]


# -- ordered, and no longer wanted


def test_an_order_to_ring_that_is_slow_rings_nobody_once_the_caller_has_left(
    wire: Wire, tell: Tell
) -> None:
    def leave(fake: FakeWire, _request: Request, _a: Answer, go_on: Callable[[], None]) -> None:
        fake._engine.at(fake._engine.time() + 0.05, lambda: caller_leaves(story))
        fake._engine.at(fake._engine.time() + 0.9, go_on)

    wire.meddles(to_ring, leave)
    story = Story()
    tell(story)
    assert "leg.withdrawn" in [entry.op for entry in story.journal.entries]
    for began, ring in story.rings:  # the order arrived: undone at once, or not begun
        assert ring.ended_at is not None
        assert ring.ended_at - began < 0.5
    assert story.controller is not None
    assert story.controller.house.team.agents["rosa"].call_id is None


def test_an_order_to_ring_that_was_given_up_rings_for_a_moment_only(wire: Wire) -> None:
    wire.meddles(to_ring, late(5.5))
    story = live(Story((6.0, caller_leaves)))
    ((began, ring),) = story.rings
    assert ring.ended_at is not None
    assert ring.ended_at - began < 1


# -- refused, lost


def test_a_talk_that_the_engine_refuses_is_begun_again(wire: Wire, tell: Tell) -> None:
    wire.times = 3
    wire.meddles(into("talk"), refused())
    story = tell(Story(talk=30.0))
    assert story.sound_at(15.0) == "people:rosa"


def test_an_agent_is_let_go_though_the_engine_did_not_obey_at_once(wire: Wire) -> None:
    arm = arms(wire)
    wire.times = 9
    wire.meddles(into("line"), refused())
    story = live(Oriented((TALKING_AT + 4, arm), (TALKING_AT + 5, TO_LISTENERS), rings=True))
    ring = story.rings[0][1]
    assert ring.ended_at is not None
    assert ring.ended_at < TALKING_AT + 12


def test_a_phone_lost_in_a_talk_is_no_hang_up(tell: Tell) -> None:
    def lose(world: World) -> None:
        phone = world.desks["rosa"].phone
        phone.lose_network()
        phone.registered = False
        world.later(20.0, phone.register)

    story = live(Story((TALKING_AT + 15, lose), talk=60.0))
    assert [e.op for e in story.journal.entries if e.op == "leg.lost"]
    assert "prompt:/sounds/fr/fin-de-conversation" not in story.heard()


def test_bringing_back_a_caller_who_is_in_a_talk_by_now_does_nothing(tell: Tell) -> None:
    def too_late(world: World) -> None:
        assert world.controller is not None
        house = world.controller.house
        (call,) = house.calls.values()
        call.caller.astray.set()
        world.controller.start(lambda: house.exchange.hold_afresh(call.caller))

    story = tell(Story((TALKING_AT + 2, too_late), talk=40.0))
    assert story.heard(TALKING_AT) == [""]


def test_a_wire_lost_for_ten_seconds_as_a_talk_ends_fails_no_call(wire: Wire) -> None:
    def away(fake: FakeWire, _request: Request, answer: Answer, _go_on: object) -> None:
        if not cut:
            cut.append(fake)
            fake._engine.cut_sockets()
        if not answer.done():
            answer.set_exception(WireLost("refused"))

    def mended(_world: World) -> None:
        wire.armed = False

    cut: list[FakeWire] = []
    arm = arms(wire)
    wire.times = 10_000
    wire.meddles(lambda _m, _p, _v: True, away)
    at = TALKING_AT + 12
    story = live(Story((at, arm), (at + 0.1, decides(End())), (at + 12, mended)))
    assert outcomes(story) == ["talked"]


def test_an_end_of_a_leg_that_nobody_looked_for_leaves_no_caller_alone(wire: Wire) -> None:
    converse, times = calls.converse, []

    async def unlooked_for(call: Call, house: House, line: Line) -> Stage:
        if not times:
            times.append(call)
            raise LegGone("x")
        return await converse(call, house, line)

    wire.patch.setattr(calls, "converse", unlooked_for)
    story = live(Story(talk=60.0))
    assert outcomes(story)[0] == "failed"
    assert story.sound_at(30.0).startswith("people:")


def test_who_ended_a_call_in_the_dialplans_care_is_not_made_up(wire: Wire) -> None:
    wire.times = 10_000
    wire.meddles(lambda _m, path, _v: path == "/events/claim", refused(409))
    story = live(Story((6.5, lease_ends(wire)), (20.0, caller_leaves)))
    (closed,) = (e.data for e in story.journal.entries if e.op == "call.closed")
    assert closed["ended_by"] == "unknown"


# -- taken back


def test_three_who_talk_are_taken_back_as_they_were(tell: Tell) -> None:
    """The one whom the record names owns the caller; the other may leave unheard."""
    story = tell(Oriented(TOGETHER_AT, (20.0, crash), (26.0, agent_hangs_up)))
    assert set(story.heard(20.0)) <= {"people:lea", ""}, timeline(story)


def test_a_call_that_cannot_be_taken_back_is_a_new_one(wire: Wire) -> None:
    take_up, failures = Reception._take_up, []

    async def fails_once(reception: Reception, found: _Found, where: dict[str, str]) -> None:
        if not failures:
            failures.append(found)
            raise ValueError("a bug")
        await take_up(reception, found, where)

    wire.patch.setattr(Reception, "_take_up", fails_once)
    story = live(Story((5.0, crash), talk=30.0))
    assert outcomes(story) == ["failed", "talked"]


def away(at: float, seconds: float = 4.0) -> tuple[Fault, Fault]:
    """The wire is cut, and stands still for so long: what happens meanwhile is told to nobody."""
    return Fault(at, "cut"), Fault(at, "stall", seconds)


def test_who_was_pulled_out_while_nobody_told_us_is_found_again(tell: Tell) -> None:
    at = TALKING_AT + 12
    story = tell(Story((at + 1, agent_hangs_up), faults=away(at), talk=60.0))
    assert "prompt:/sounds/fr/fin-de-conversation" in story.heard(at)


def test_a_caller_who_left_while_nobody_told_us_is_gone(tell: Tell) -> None:
    story = tell(Story((TALKING_AT + 1, caller_leaves), faults=away(TALKING_AT)))
    assert outcomes(story) == ["talked"]
