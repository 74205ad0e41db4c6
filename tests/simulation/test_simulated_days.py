"""Ordinary trouble, the wire in order: bad phones, two languages, people who come and go."""

from __future__ import annotations

from typing import Any

import pytest

from cti.people.agents import Presence
from cti.simulation.actors import AgentPlan, CallerPlan
from cti.simulation.checker import timeline
from cti.simulation.fake_people import FakePhoneCall
from cti.simulation.world import Plan, World
from tests.stories import (
    LISTENS,
    TO_LISTENERS,
    TOGETHER,
    Deed,
    Oriented,
    Slow,
    Story,
    Team,
    Tell,
    Wire,
    answers,
    caller_leaves,
    decides,
    hangs_up,
    live,
    refused,
)


def presence_of(world: World, name: str) -> tuple[Presence, str | None]:
    """What this agent does now, and why."""
    assert world.controller is not None
    agent = world.controller.house.team.agents[name]
    return agent.presence, agent.reason


def works(name: str, *, on: bool) -> Deed:
    """Says that they come, or go."""

    def deed(world: World) -> None:
        world.desks[name].working = on
        world.desks[name]._choose(Presence.READY if on else Presence.LOGGED_OUT)

    return deed


# -- a phone that does not hold a call ---------------------------------------------------------


class Drops(Team):
    """zed's phone answers each ring, and drops it two seconds later."""

    def _begin(self) -> None:
        super()._begin()

        def rings(ring: FakePhoneCall) -> None:
            self.rings.append((self.loop.time(), ring))
            self.later(1.0, ring.answer)
            self.later(3.0, ring.hang_up)

        self.desks["zed"].phone.on_ring = rings


def test_a_phone_that_drops_every_call_keeps_no_caller_from_the_others() -> None:
    told: list[dict[str, Any]] = []

    def look(world: World) -> None:
        assert world.controller is not None
        kept = world.controller.house.team.agents["zed"].outbox.since(0) or []
        told.extend(m.data["next"] for m in kept if m.type == "presence.changed")

    story = live(Drops((89.0, look), roles={"rosa": "regulator", "zed": "regulator"}))
    assert "people:rosa" in story.heard(), timeline(story)
    assert [ring.name for _, ring in story.rings].count("zed") == 2
    # Told as their rest begins, they may say READY at once: then nobody pauses them.
    assert {"presence": "NOT_READY", "reason": "phone_unreachable"} in told


def test_who_lost_their_phone_breathes_when_the_caller_gives_up_meanwhile() -> None:
    seen: list[tuple[Presence, str | None]] = []

    def look(world: World) -> None:
        seen.append(presence_of(world, "rosa"))

    def loses_network(world: World) -> None:
        world.desks["rosa"].phone.lose_network()

    def is_back(world: World) -> None:
        world.desks["rosa"].phone.register()

    lost = ((4.0, answers("rosa")), (40.0, loses_network), (45.0, is_back))
    live(Slow(*lost, (62.0, look), (63.0, caller_leaves), (64.0, look)))
    assert [presence for presence, _ in seen] == [Presence.RESERVED, Presence.WRAP_UP]


# -- who comes, and who speaks what ------------------------------------------------------------


class TwoLanguages(Story):
    """A caller who asks for English while the phone of rosa, who speaks French, rings."""

    def __init__(self, *script: tuple[float, Deed], english: bool) -> None:
        self.script = script
        speaks = frozenset({"en" if english else "fr"})
        ann = AgentPlan("ann", frozenset({"regulator"}), speaks, True, "listen")
        caller = CallerPlan(at=1.0, patience_seconds=60.0, talk_seconds=30.0, keys=((5.5, "2"),))
        World.__init__(self, Plan(callers=(caller,), agents=(LISTENS, ann)), "story")

    def _begin(self) -> None:
        super()._begin()
        for desk in self.desks.values():
            desk.phone.on_ring = lambda ring: self.rings.append((self.loop.time(), ring))


def test_who_asks_for_english_as_a_phone_rings_meets_somebody_who_speaks_it() -> None:
    take = ((9.0, answers("rosa")), (9.0, answers("ann")))
    story = live(TwoLanguages(*take, english=True))
    assert "people:ann" in story.heard(), timeline(story)
    assert next((ring.name, ring.ended_how) for _, ring in story.rings) == ("rosa", "command")


def test_who_asks_for_english_when_nobody_speaks_it_is_told_so_in_english() -> None:
    story = live(TwoLanguages((9.0, answers("rosa")), (9.0, answers("ann")), english=False))
    assert not any(sound.startswith("people:") for sound in story.heard()), timeline(story)
    assert "prompt:/sounds/en/personne-disponible" in story.heard()
    assert {ring.ended_how for _, ring in story.rings} == {"command"}


def test_a_regulator_who_comes_while_listeners_are_said_to_be_away_takes_the_caller() -> None:
    leave = ((10.5, works("rosa", on=False)), (12.0, works("lea", on=False)))
    story = live(
        Team(
            (10.0, TO_LISTENERS),
            *leave,
            (13.0, hangs_up("lea")),
            (22.0, works("rosa", on=True)),
            roles={"rosa": "regulator", "lea": "listener"},
            by_hand=("lea",),
        )
    )
    assert "people:rosa" in story.heard(22.0), timeline(story)


# -- the engine says that somebody is not there, who is ---------------------------------------


@pytest.mark.parametrize("status", [409, 422])
def test_a_conflict_as_they_are_joined_is_mended(wire: Wire, tell: Tell, status: int) -> None:
    wire.meddles(
        lambda m, path, _v: m == "POST" and "talk-" in path and path.endswith("addChannel"),
        refused(status),
    )
    assert "people:rosa" in tell(Story(talk=30.0)).heard()
    assert wire.times == 0


def test_a_conflict_as_a_third_comes_in_is_mended(wire: Wire) -> None:
    wire.meddles(
        lambda m, path, v: path.endswith("addChannel") and "-lea-" in str(v.get("channel")),
        refused(409),
    )
    story = live(Oriented((11.0, decides(TOGETHER))))
    assert wire.times == 0
    assert story.sound_at(40.0) in ("people:rosa,lea", "people:lea,rosa"), timeline(story)
