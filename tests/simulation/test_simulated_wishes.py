"""Whom a caller asks for: kept over a restart, and said to whoever was rung before."""

from __future__ import annotations

from cti.people.agents import Presence
from cti.simulation.actors import AgentPlan, CallerPlan
from cti.simulation.world import Plan, World
from tests.stories import Deed, Story, crash, live

WOMAN = AgentPlan(
    "rosa", frozenset({"regulator"}), frozenset({"fr"}), True, "listen", gender="femme"
)
MAN = AgentPlan(
    "remy",
    frozenset({"regulator"}),
    frozenset({"fr"}),
    True,
    "listen",
    answers_after_seconds=10.0,
    gender="homme",
)


class Two(Story):
    """rosa talks with the first caller; the second waits."""

    def __init__(self, *script: tuple[float, Deed]) -> None:
        self.script = script
        callers = (
            CallerPlan(at=1.0, patience_seconds=90.0, talk_seconds=200.0),
            CallerPlan(at=15.0, patience_seconds=90.0, talk_seconds=200.0, number="0639980002"),
        )
        World.__init__(self, Plan(callers=callers, agents=(WOMAN, MAN)), "story")

    def _begin(self) -> None:
        super()._begin()
        self.desks["remy"].working = False


def works(name: str, *, on: bool) -> Deed:
    def deed(world: World) -> None:
        world.desks[name].working = on
        world.desks[name]._choose(Presence.READY if on else Presence.LOGGED_OUT)

    return deed


def asks_for_a_woman(world: World) -> None:
    controller = world.controller
    assert controller is not None

    def tell() -> None:
        (call,) = [c for c in controller.house.calls.values() if c.talk is None]
        call.caller.told["gender"] = "femme"
        call.caller.changed("told")

    controller.tell(tell)


def told_in(story: Story, name: str) -> list[str]:
    return [
        f.data["call"]["id"] for f in story.frames if f.agent == name and f.type == "call.offered"
    ]


def test_who_asked_for_a_woman_is_given_to_no_man_after_a_restart() -> None:
    for crashes in (False, True):
        script = [(2.0, works("remy", on=False)), (20.0, asks_for_a_woman)]
        if crashes:
            script.append((25.0, crash))
        script.append((45.0, works("remy", on=True)))
        story = live(Two(*script))
        assert story.lives[-1].house is not None
        assert told_in(story, "rosa"), crashes
        assert told_in(story, "remy") == [], crashes


def test_a_man_whose_phone_rings_is_told_why_the_caller_goes_to_a_woman() -> None:
    script = [(2.0, works("remy", on=False)), (12.0, works("remy", on=True))]
    story = live(Two(*script, (20.0, asks_for_a_woman)))
    withdrawn = [f.data["reason"] for f in story.frames if f.type == "call.withdrawn"]
    assert withdrawn == ["wish"]
