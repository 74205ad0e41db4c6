"""A newcomer who leaves again, and an agent who left while we were dead: in simulated worlds."""

from __future__ import annotations

import pytest

from cti.calls.state import DANGER_HARD
from cti.people.agents import End, Presence
from cti.records.journey import journey
from cti.records.record import event_row
from cti.simulation.checker import timeline
from cti.simulation.world import World
from tests.handing import Handing, both, hangs_up, loses_the_line
from tests.stories import Story, Tell, crash, decides


def presses(world: World) -> None:
    end = world.callers[0].end
    assert end is not None
    end.press("5")


def rung(story: Story, since: float) -> list[str]:
    """Whose phones rang since then."""
    return [ring.name for at, ring in story.rings if at >= since]


def sentences(story: Story) -> list[str]:
    rows = [event_row("one", entry) for entry in story.journal.entries if "call_id" in entry.data]
    return [line.text for line in journey(rows, "en").lines]


def test_back_with_the_regulator_a_caller_who_asks_again_has_a_regulator(tell: Tell) -> None:
    ends = ((24.0, decides(End(), "lea")), (30.0, decides(End())), (32.5, presses))
    story = tell(Handing("together", "", None, *ends))
    assert rung(story, 30.0) == ["remy"], timeline(story)


def test_the_talk_of_who_left_while_we_were_dead_counts_and_is_over(tell: Tell) -> None:
    seen: list[tuple[Presence, int]] = []

    def look(world: World) -> None:
        assert world.controller is not None
        rosa = world.controller.house.team.agents["rosa"]
        seen.append((rosa.presence, rosa.exposure.talks(world.loop.time())))

    story = Handing("hold", "", None)
    story.script = ((20.0, both(crash, hangs_up("rosa"))), (24.0, look))
    tell(story)
    assert seen == [(Presence.READY, 1)], timeline(story)
    told = sentences(story)
    assert not [text for text in told if "three together" in text]
    assert len([text for text in told if text.startswith("The line with rosa is lost")]) == 1


def test_a_talk_whose_phone_was_lost_counts_and_a_hard_one_twice(tell: Tell) -> None:
    minutes: list[float] = []

    def look(world: World) -> None:
        assert world.controller is not None
        rosa = world.controller.house.team.agents["rosa"]
        minutes.append(rosa.exposure.load_minutes(world.loop.time()))

    def is_in_danger(world: World) -> None:
        assert world.controller is not None
        for call in world.controller.house.calls.values():
            call.danger = DANGER_HARD

    lost = ((25.0, loses_the_line("rosa")), (60.0, look))
    for script in (lost, ((20.0, is_in_danger), *lost)):
        story = Handing("hold", "", None)
        story.script = script
        tell(story)
    assert 0.3 < minutes[0] < 0.7
    assert minutes[1] == pytest.approx(2 * minutes[0], rel=0.1)
