"""Who is asked first, lived through: all at once, the person of before, and who was not missed."""

from __future__ import annotations

import asyncio
import dataclasses
import itertools
from types import SimpleNamespace
from typing import Any

import pytest

from cti import clock
from cti.calls import offering, talking
from cti.calls.asking import renew
from cti.calls.house import House
from cti.calls.returning import Returning
from cti.calls.state import Call
from cti.calls.waiting import Ask
from cti.people.agents import Presence
from cti.simulation import world as world_module
from cti.simulation.actors import AgentPlan, CallerPlan
from cti.simulation.stores import MemoryPresence
from cti.simulation.world import Plan, World
from ivr.steps import LineStep
from tests.stories import TO_LISTENERS, Deed, Oriented, Story, Tell, caller_leaves, live

REGULATORS = tuple(
    AgentPlan(id_, frozenset({"regulator"}), frozenset({"fr"}), True, "listen", {}, after)
    for id_, after in (("rosa", 3.0), ("remy", 2.0), ("ada", 4.0))
)


class Crew(Story):
    """Callers and several regulators; how long each takes to answer is set."""

    def __init__(
        self,
        agents: tuple[AgentPlan, ...],
        callers: tuple[CallerPlan, ...] | None = None,
        *script: tuple[float, Deed],
    ) -> None:
        self.script = script
        callers = callers or (CallerPlan(at=1.0, patience_seconds=200.0, talk_seconds=30.0),)
        World.__init__(self, Plan(callers=callers, agents=agents), "story")

    def told(self, agent: str, type_: str) -> list[dict[str, Any]]:
        """What this agent's screen was told of that type, in the last life."""
        assert self.controller is not None
        outbox = self.controller.house.team.agents[agent].outbox
        return [message.data for message in outbox.since(0) or [] if message.type == type_]

    def people(self) -> list[str]:
        """Whom the first caller talked with, in order."""
        return [sound for sound in self.heard() if sound.startswith("people:")]


@pytest.fixture
def ring_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every line rings all who are free at once."""
    ask_of = offering.ask_of

    def all_at_once(call: Call, step: LineStep) -> Ask:
        ask = ask_of(call, step)
        ask.strategy = "ring_all"
        return ask

    monkeypatch.setattr(offering, "ask_of", all_at_once)


@pytest.mark.usefixtures("ring_all")
def test_a_line_that_rings_all_gives_the_caller_to_the_first_who_answers(tell: Tell) -> None:
    story = tell(Crew(REGULATORS))
    assert isinstance(story, Crew)
    assert story.people() == ["people:remy"]
    rings = {ring.name: ring for _, ring in story.rings}
    assert set(rings) == {"rosa", "remy", "ada"}
    for other in ("rosa", "ada"):
        assert rings[other].answered_at is None
        reasons = [data["reason"] for data in story.told(other, "call.withdrawn")]
        assert reasons == ["answered_elsewhere"]
        assert story.told(other, "presence.asked") == []  # a faster colleague is no miss
        presences = [data["presence"] for data in story.told(other, "presence.changed")]
        assert presences[-2:] == ["RESERVED", "READY"]


@pytest.mark.usefixtures("ring_all")
@pytest.mark.parametrize("apart", [0.0, 0.001, 0.005])
def test_of_two_who_answer_at_the_same_instant_one_has_the_caller(tell: Tell, apart: float) -> None:
    two = (
        AgentPlan(
            id_, frozenset({"regulator"}), frozenset({"fr"}), True, "listen", frozenset(), after
        )
        for id_, after in (("rosa", 3.0), ("remy", 3.0 + apart))
    )
    story = tell(Crew(tuple(two)))
    assert isinstance(story, Crew)
    (with_whom,) = story.people()
    other = {"people:rosa": "remy", "people:remy": "rosa"}[with_whom]
    late = [ring for _, ring in story.rings if ring.name == other]
    assert not any("people:" in sound for ring in late for _, sound in ring.heard)
    assert [d["reason"] for d in story.told(other, "call.withdrawn")] == ["answered_elsewhere"]


def test_who_is_cut_off_and_rings_again_finds_the_same_person_even_in_their_rest(
    tell: Tell,
) -> None:
    first = CallerPlan(at=1.0, patience_seconds=90.0, talk_seconds=10.0, number="0639980001")
    again = CallerPlan(at=25.0, patience_seconds=90.0, talk_seconds=10.0, number="0639980001")
    stranger = CallerPlan(at=25.2, patience_seconds=90.0, talk_seconds=10.0, number="0639980002")
    story = tell(Crew(REGULATORS, (first, again, stranger)))
    assert isinstance(story, Crew)
    talked = [
        [sound for _, sound in caller.end.heard if sound.startswith("people:")]
        for caller in story.callers
        if caller.end
    ]
    assert talked[0] == talked[1]  # not the one free for longest
    assert talked[2] != talked[0]  # their rest gives way to nobody else
    resting = talked[0][0].removeprefix("people:")
    pops = [d["call"]["returned"] for d in story.told(resting, "call.offered")]
    assert pops == [False, True]


def test_who_has_no_phone_is_rung_for_nobody_until_it_is_back(tell: Tell) -> None:
    story = tell(
        Crew(
            (REGULATORS[0],),
            (
                CallerPlan(at=60.0, patience_seconds=100.0, talk_seconds=10.0),
                CallerPlan(at=20.0, patience_seconds=100.0, talk_seconds=10.0, number=None),
            ),
            (5.0, lambda world: world.desks["rosa"].phone.unregister()),
            (50.0, lambda world: world.desks["rosa"].phone.register()),
        )
    )
    assert isinstance(story, Crew)
    reasons = [(d["presence"], d["reason"]) for d in story.told("rosa", "presence.changed")]
    assert ("NOT_READY", "phone_away") in reasons
    assert [at > 50.0 for at, _ in story.rings] == [True]
    assert story.rings[0][1].answered_at is not None


def test_a_phone_that_changes_its_address_is_not_away(tell: Tell) -> None:
    story = tell(
        Crew(
            (REGULATORS[0],),
            (CallerPlan(at=20.0, patience_seconds=100.0, talk_seconds=10.0),),
            (5.0, lambda world: world.desks["rosa"].phone.unregister()),
            (5.0 + 3.2, lambda world: world.desks["rosa"].phone.register()),
        )
    )
    assert isinstance(story, Crew)
    reasons = [d["reason"] for d in story.told("rosa", "presence.changed")]
    assert "phone_away" not in reasons


def test_a_phone_lost_while_it_rings_has_missed_nothing(tell: Tell) -> None:
    absent = dataclasses.replace(REGULATORS[0], answers_after_seconds=1000.0)
    story = tell(
        Crew(
            (absent, REGULATORS[1]),
            (CallerPlan(at=20.0, patience_seconds=100.0, talk_seconds=10.0),),
            (1.0, lambda world: world.desks["remy"].phone.unregister()),
            (24.0, lambda world: world.desks["rosa"].phone.unregister()),
            (30.0, lambda world: world.desks["remy"].phone.register()),
        )
    )
    assert isinstance(story, Crew)
    assert story.people() == ["people:remy"]
    assert [d["reason"] for d in story.told("rosa", "call.withdrawn")] == ["phone_unreachable"]
    assert not story.told("rosa", "presence.asked")
    reasons = [(d["presence"], d["reason"]) for d in story.told("rosa", "presence.changed")]
    assert reasons[-1] == ("NOT_READY", "phone_away")


async def test_what_a_caller_told_with_keys_is_part_of_their_wish() -> None:
    told = {"gender": "femme", "age": "mineur"}
    caller = SimpleNamespace(told=told, language="en")
    call: Any = SimpleNamespace(caller=caller, danger=2, first=True)
    wish = Ask("c", "regulators", "fr", clock.now())
    renew(wish, call)
    assert (wish.gender, wish.young, wish.language) == ("femme", True, "en")
    assert (wish.danger, wish.first) == (2, True)
    told.update(gender="personne", age="adulte")
    renew(wish, call)
    assert (wish.gender, wish.young) == (None, False)


def test_whom_they_were_with_is_forgotten_after_three_minutes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = 100.0
    monkeypatch.setattr(clock, "monotonic", lambda: now)
    returning = Returning()
    returning.broke_off("number", "rosa", "call")
    now += 179.0
    assert returning.was_with("number") == ("rosa", "call")
    assert returning.was_with("number") is None  # told once
    returning.broke_off("number", "rosa", "call")
    now += 181.0
    assert returning.was_with("number") is None


def test_a_phone_with_one_line_is_rung_once_its_last_talk_has_ended(
    tell: Tell, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No wrap-up, and the talk is ended on the screen: the next caller is there at once."""
    hang_up_parted = talking.hang_up_parted

    async def late(call: Call, house: House) -> None:
        await asyncio.sleep(0.4)
        await hang_up_parted(call, house)

    monkeypatch.setattr(talking, "hang_up_parted", late)
    monkeypatch.setattr(world_module, "WRAP_UP_SECONDS", 0.0)
    ends = AgentPlan("rosa", frozenset({"regulator"}), frozenset({"fr"}), True, "end")
    callers = tuple(
        CallerPlan(at=1.0 + n, patience_seconds=90.0, talk_seconds=60.0, number=f"063998000{n}")
        for n in range(3)
    )
    story = tell(Crew((ends,), callers))
    rings = [ring for _, ring in story.rings]
    assert len(rings) == 3
    assert all(ring.ended_how != "busy" for ring in rings)
    for before, after in itertools.pairwise(story.rings):
        assert before[1].ended_at is not None
        assert before[1].ended_at < after[0]


def test_who_lets_it_ring_twice_rests_and_who_is_withdrawn_from_never_does(tell: Tell) -> None:
    class Silent(Crew):
        def _begin(self) -> None:
            super()._begin()
            self.desks["rosa"].phone.on_ring = lambda ring: self.rings.append(
                (self.loop.time(), ring)
            )
            self.desks["rosa"].working = True

    only = (AgentPlan("rosa", frozenset({"regulator"}), frozenset({"fr"}), True),)
    hasty = tuple(
        CallerPlan(at=5.0 + 30 * n, patience_seconds=12.0, talk_seconds=1.0, number=f"063998000{n}")
        for n in range(4)
    )
    story = tell(Silent(only, hasty))
    assert isinstance(story, Crew)
    assert story.told("rosa", "presence.asked") == []
    assert {d["reason"] for d in story.told("rosa", "call.withdrawn")} == {"caller_left"}
    patient = (CallerPlan(at=5.0, patience_seconds=100.0, talk_seconds=1.0),)
    story = tell(Silent(only, patient))
    assert isinstance(story, Crew)
    changes = [(d["presence"], d["reason"]) for d in story.told("rosa", "presence.changed")]
    assert story.told("rosa", "presence.asked")
    assert ("NOT_READY", "missed") in changes
    rung = [i for i, change in enumerate(changes) if change[0] == Presence.RESERVED]
    assert changes.index(("NOT_READY", "missed")) > rung[1]


def test_who_is_reserved_as_the_caller_who_comes_back_leaves_is_free_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    story = Oriented((20.0, TO_LISTENERS), rings=True)
    reserve, times = MemoryPresence.reserve, itertools.count(1)

    async def slow(store: MemoryPresence, agent_id: str, *more: Any) -> bool:
        if agent_id == "rosa" and next(times) == 2:  # nobody answered: she is asked for again
            story.later(0.05, caller_leaves, story)
            await asyncio.sleep(0.2)
        return await reserve(store, agent_id, *more)

    monkeypatch.setattr(MemoryPresence, "reserve", slow)
    live(story)
    changes = [f for f in story.frames if (f.agent, f.type) == ("rosa", "presence.changed")]
    assert [f.data["presence"] for f in changes][-2:] == ["RESERVED", "READY"]
    assert next(times) == 3
