"""What the simulator found in our own code, each as a story of one call that stays told."""

from __future__ import annotations

import pytest

from cti.asterisk.ari import Ari
from cti.asterisk.ari_base import Request
from cti.simulation.world import World
from tests.stories import (
    TALKING_AT,
    Story,
    Tell,
    agent_hangs_up,
    caller_channel,
    caller_leaves,
    crash,
    keep_dead,
)


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
