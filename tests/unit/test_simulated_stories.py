"""What the simulator found in our own code, each as a story of one call that stays told."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from cti.asterisk.ari import Ari
from cti.asterisk.ari_base import Request
from cti.simulation import run
from cti.simulation.actors import AgentPlan, CallerPlan
from cti.simulation.checker import Checker, timeline
from cti.simulation.world import Fault, Plan, World

TALKING_AT = 8.0  # rosa has answered by then
Deed = Callable[[World], object]


class Story(World):
    """A world with one caller, who talks with rosa, and what is done to it at given times."""

    def __init__(
        self, *script: tuple[float, Deed], faults: tuple[Fault, ...] = (), talk: float = 200.0
    ) -> None:
        self.script = script
        plan = Plan(
            callers=(CallerPlan(at=1.0, patience_seconds=200.0, talk_seconds=talk),),
            agents=(
                AgentPlan("rosa", frozenset({"regulator"}), frozenset({"fr"}), True, "listen"),
            ),
            faults=faults,
        )
        super().__init__(plan, "story")

    def _begin(self) -> None:
        super()._begin()
        for at, deed in self.script:
            self.later(at, deed, self)

    def heard(self, since: float = 0.0) -> list[str]:
        """What the caller heard since then."""
        end = self.callers[0].end
        assert end is not None
        return [sound for at, sound in end.heard if at >= since]

    def legs(self) -> list[str]:
        """The names of the legs that rang, each time they rang."""
        return [e.data["leg_id"] for e in self.journal.entries if e.op == "leg.rung"]

    def sound_at(self, at: float) -> str:
        end = self.callers[0].end
        assert end is not None
        return [sound for moment, sound in end.heard if moment <= at][-1]


@pytest.fixture
def tell() -> Iterator[Callable[[Story], Story]]:
    """Live through a story that must break no promise."""
    stories: list[Story] = []

    def live(story: Story) -> Story:
        stories.append(story)
        story.run()
        assert Checker(story).check() == [], timeline(story)
        return story

    with run.unhurried():
        yield live
    for story in stories:
        story.close()


Tell = Callable[[Story], Story]


def crash(world: World) -> None:
    assert world.controller is not None
    world.loop.kill(world.controller.life)


def keep_dead(world: World) -> None:
    """Dead, and not restarted for a minute."""
    assert world.controller is not None
    world.controller.began_at, world._delay = world.loop.time(), 60.0
    crash(world)


def caller_leaves(world: World) -> None:
    world.callers[0]._leave()


def caller_channel(world: World) -> object:
    end = world.callers[0].end
    assert end is not None
    return end.channel


def agent_hangs_up(world: World) -> None:
    for ring in world.desks["rosa"].rings:
        ring.hang_up()


def test_a_talk_that_was_taken_back_outlasts_a_second_and_longer_absence(tell: Tell) -> None:
    story = tell(Story((TALKING_AT, crash), (TALKING_AT + 15, keep_dead), talk=80.0))
    assert len(story.lives) == 3
    assert story.heard(TALKING_AT) == [""]


def test_a_lease_that_ends_in_a_talk_is_followed_by_the_talk(tell: Tell) -> None:
    def lease_ends(world: World) -> None:
        world.engine.set_deadline(caller_channel(world), 0.01)

    story = tell(Story((TALKING_AT, lease_ends), talk=60.0))
    assert story.sound_at(TALKING_AT + 12) == "people:rosa"


def test_a_lease_that_cannot_be_lifted_is_renewed_until_the_talk_is_over(
    tell: Tell, monkeypatch: pytest.MonkeyPatch
) -> None:
    put = Ari._put

    async def refusing(self: Ari, request: Request) -> tuple[int, object]:
        if request.values.get("variable") == "TIMEOUT(absolute)" and request.values["value"] == "0":
            return 500, {"message": "Internal Server Error"}
        return await put(self, request)

    monkeypatch.setattr(Ari, "_put", refusing)
    story = tell(Story(talk=60.0))
    assert story.heard(TALKING_AT) == [""]


def test_who_hangs_up_while_we_are_dead_leaves_no_agent_and_no_bridge_behind(tell: Tell) -> None:
    story = tell(Story((TALKING_AT, crash), (TALKING_AT + 0.1, caller_leaves)))
    ring = story.rings[0][1]
    assert ring.ended_how == "command"
    assert ring.ended_at is not None
    assert ring.ended_at < TALKING_AT + 3


def test_a_leg_has_a_name_of_its_own_in_every_life(tell: Tell) -> None:
    story = tell(Story((3.35, crash), (5.6, crash), (8.0, crash), talk=10.0))
    assert len(story.legs()) == 4
    assert len(set(story.legs())) == len(story.legs())


def test_an_agent_who_hangs_up_after_a_talk_was_half_ended_leaves_no_silence(tell: Tell) -> None:
    def half_end_and_crash(world: World) -> None:
        for channel in world.engine.channels.values():
            channel.variables.pop("FIL_CALLER", None)
        crash(world)

    story = tell(Story((TALKING_AT, half_end_and_crash), (TALKING_AT + 12, agent_hangs_up)))
    assert story.sound_at(TALKING_AT + 13) != "silence"


def test_a_goodbye_that_the_engine_refuses_is_said_again(tell: Tell) -> None:
    def refuse(world: World) -> None:
        world.engine.faults.failing = 1.0
        world.later(1.5, setattr, world.engine.faults, "failing", 0.0)

    class Refused(Story):
        """The engine fails as the goodbye is to be said."""

        def _begin(self) -> None:
            super()._begin()
            self.later(TALKING_AT + 12, agent_hangs_up, self)
            # The question after a talk, five seconds for an answer, then the goodbye.
            self.later(TALKING_AT + 12 + 5.1 + 4.9, refuse, self)

    story = tell(Refused())
    assert story.heard()[-3:-1] == ["prompt:/sounds/fr/au-revoir", "music"]
