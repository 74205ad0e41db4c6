"""A newcomer who leaves again, and an agent who left while we were dead: in simulated worlds."""

from __future__ import annotations

from dataclasses import replace

import pytest

from cti.calls.aside import MUTED_SECONDS_MAX
from cti.people.agents import End, Hold, Mute, Orient, Presence
from cti.records.journey import journey
from cti.records.models import DANGER_HARD
from cti.records.record import event_row
from cti.simulation.checker import timeline
from cti.simulation.world import World
from tests.handing import ORDER_AT, Handing, both, hangs_up, loses_the_line
from tests.stories import Story, Tell, Wire, crash, decides, live, refused


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


# -- mute, hold, three together: whatever the engine or the agent insists on ------------


def told(story: Story, name: str, type_: str) -> list[dict[str, object]]:
    """What this agent's screens were told of that kind."""
    kept = story.lives[-1].house.team.agents[name].outbox._kept
    return [message.data for message in kept if message.type == type_]


def test_a_mute_asked_for_again_lasts_no_longer() -> None:
    story = Handing("hold", "", None)
    story.script = tuple((ORDER_AT + 30.0 * n, decides(Mute(True))) for n in range(3))
    live(story)
    assert story.sound_at(ORDER_AT + MUTED_SECONDS_MAX + 2) == "people:rosa", timeline(story)


def test_an_engine_that_will_not_end_a_mute_is_asked_now_and_then(wire: Wire) -> None:
    asked: list[str] = []

    def unmutes(method: str, path: str, _: object) -> bool:
        if method == "DELETE" and path.endswith("/mute"):
            asked.append(path)
            return True
        return False

    wire.times = 10_000
    wire.meddles(unmutes, refused(409))
    story = Handing("hold", "", None)
    story.script = ((ORDER_AT, decides(Mute(True))),)
    live(story)
    assert 2 < len(asked) < 200


def test_three_whom_the_engine_joins_late_are_told_of_each_other(wire: Wire) -> None:
    def arm(_: World) -> None:
        wire.armed = True

    wire.armed, wire.times = False, 3
    wire.meddles(lambda _, path, __: "talk-" in path and path.endswith("addChannel"), refused())
    story = live(Handing("together", "", None, (ORDER_AT - 0.1, arm)))
    assert story.sound_at(40.0) == "people:lea,rosa", timeline(story)
    assert told(story, "rosa", "call.joined") != []
    assert told(story, "lea", "call.updated") != []


def test_a_sheet_says_until_when_a_hold_lasts_even_after_a_restart(tell: Tell) -> None:
    seen: list[object] = []

    def look(world: World) -> None:
        assert world.controller is not None
        engagement = world.controller.house.team.agents["rosa"].engagement
        assert engagement is not None
        seen.append(engagement.view["held_until"])

    back = (30.0, decides(Hold(False)))
    tell(Handing("hold", "", None, (20.0, look), (21.0, crash), (28.0, look), back, (33.0, look)))
    assert seen[0] is not None
    assert seen[1] is not None
    assert seen[2] is None


def test_who_speaks_with_one_colleague_brings_in_no_other() -> None:
    answers: list[str | None] = []

    def deed(world: World) -> None:
        desk = world.desks["rosa"]
        assert desk.controller is not None
        assert desk.agent is not None
        agent, call = desk.agent, desk.call or ""
        to_remy = Orient(agent="remy", together=True)
        desk.controller.tell(lambda: answers.append(agent.decide(call, to_remy)))

    live(Handing("consult", "", None, (25.0, deed)))
    assert answers == ["consulting"]


def test_nobody_is_oriented_to_who_does_not_speak_their_language() -> None:
    story, answers = Handing("hold", "", None), list[str | None]()

    def deed(world: World) -> None:
        desk = world.desks["rosa"]
        assert desk.controller is not None
        assert desk.agent is not None
        agent, call = desk.agent, desk.call or ""
        to_lea = Orient(agent="lea")
        desk.controller.tell(lambda: answers.append(agent.decide(call, to_lea)))

    english = frozenset({"en"})
    agents = [replace(a, languages=english) if a.id == "lea" else a for a in story.plan.agents]
    story.plan, story.script = replace(story.plan, agents=tuple(agents)), ((ORDER_AT, deed),)
    live(story)
    assert answers == ["does_not_fit"]
    assert story.sound_at(40.0) == "people:rosa"
