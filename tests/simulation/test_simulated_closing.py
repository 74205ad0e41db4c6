"""Abusive and silent calls, closed kindly with one key: in simulated worlds."""

from __future__ import annotations

from typing import Any

import pytest

from cti.people.agents import Close, Presence
from cti.simulation import run
from cti.simulation.checker import Checker
from cti.simulation.world import World
from sounds.catalogue import Catalogue, UnknownPrompt
from tests.stories import (
    TOGETHER,
    Deed,
    Oriented,
    Story,
    Wire,
    decides,
    live,
    refused,
)

ABUSIVE, SILENT = Close("abusive"), Close("silent")
KIND, STAYS = "prompt:/sounds/fr/fermeture-bienveillante", "prompt:/sounds/fr/fermeture-silencieuse"
CLOSED_AT = 20.0


def judged(story: Story) -> Story:
    """Live through a story that the judge must like."""
    with run.unhurried():
        story.run()
    wrong = Checker(story).check()
    story.close()
    assert not wrong
    return story


def events(story: Story, type_: str) -> list[dict[str, Any]]:
    return [e.data for e in story.journal.entries if e.op == "event" and e.data["type"] == type_]


def dispositions(story: Story) -> list[str]:
    return [e.data["disposition"] for e in story.journal.entries if e.op == "call.disposition"]


def closed(story: Story) -> tuple[str, str]:
    (entry,) = [e for e in story.journal.entries if e.op == "call.closed"]
    return entry.data["outcome"], entry.data["ended_by"]


def presses(world: World) -> None:
    end = world.callers[0].end
    assert end is not None
    end.press("5")


def words(story: Story, since: float) -> list[str]:
    """What the line said to the caller since then."""
    return [sound for sound in story.heard(since) if sound.startswith("prompt:")]


class Rosa:
    """What rosa has, looked at now and then."""

    def __init__(self) -> None:
        self.seen: list[tuple[Presence, bool, float, float]] = []

    def look(self, world: World) -> None:
        agent = world.desks["rosa"].agent
        assert agent is not None
        form = agent.rest is not None and agent.rest.form
        now = world.loop.time()
        left = 0.0 if agent.rest is None else agent.rest.ends_at - now
        self.seen.append((agent.presence, form, left, agent.exposure.load_minutes(now)))


@pytest.mark.parametrize(
    ("close", "sentence", "disposition"),
    [(ABUSIVE, KIND, "hors-sujet"), (SILENT, STAYS, "silencieux")],
)
def test_closed_kindly_the_agent_is_free_at_once_and_the_caller_is_told(
    close: Close, sentence: str, disposition: str
) -> None:
    rosa = Rosa()
    story = judged(Story((CLOSED_AT, decides(close)), (CLOSED_AT + 0.5, rosa.look)))
    (ring,) = [ring for _, ring in story.rings]
    assert ring.ended_at is not None
    assert ring.ended_at - CLOSED_AT < 0.5
    presence, form, _, minutes = rosa.seen[0]
    assert (presence, form) == (Presence.WRAP_UP, False)
    assert minutes > 0
    assert words(story, CLOSED_AT) == [sentence]
    assert closed(story) == ("talked", "agent")
    assert [event["why"] for event in events(story, "call.closed_kindly")] == [close.why]
    assert dispositions(story) == [disposition]


def test_a_line_whose_sounds_are_older_says_goodbye(monkeypatch: pytest.MonkeyPatch) -> None:
    seconds = Catalogue.seconds

    def older(catalogue: Catalogue, prompt: str, language: str) -> float:
        if prompt.startswith("fermeture"):
            raise UnknownPrompt(prompt, language)
        return seconds(catalogue, prompt, language)

    monkeypatch.setattr(Catalogue, "seconds", older)
    story = judged(Story((CLOSED_AT, decides(ABUSIVE))))
    assert words(story, CLOSED_AT) == ["prompt:/sounds/fr/au-revoir"]


def test_what_was_endured_counts_twice_and_is_rested_from_twice_as_long() -> None:
    looks = {}
    for close in (ABUSIVE, SILENT):
        looks[close] = Rosa()
        live(Story((CLOSED_AT, decides(close)), (CLOSED_AT + 0.5, looks[close].look)))
    (_, _, long, much), (_, _, short, little) = (looks[one].seen[0] for one in (ABUSIVE, SILENT))
    assert long > short + 5
    assert much == pytest.approx(2 * little, rel=0.1)


def test_a_key_in_the_silent_sentence_brings_somebody_again_at_the_head_of_the_line() -> None:
    story = judged(Story((CLOSED_AT, decides(SILENT)), (CLOSED_AT + 5, presses)))
    heard = story.heard(CLOSED_AT)
    assert len(events(story, "call.stays")) == 1
    assert "people:rosa" in heard[heard.index(STAYS) :]
    assert closed(story) == ("talked", "caller")


def test_a_key_in_the_sentence_to_who_was_abusive_changes_nothing() -> None:
    story = judged(Story((CLOSED_AT, decides(ABUSIVE)), (CLOSED_AT + 5, presses)))
    assert words(story, CLOSED_AT)[-1] == KIND
    assert len(story.rings) == 1


@pytest.mark.parametrize("close", [ABUSIVE, SILENT])
def test_a_call_in_which_danger_was_told_is_not_closed_so(close: Close) -> None:
    answers: list[str | None] = []

    def tells_danger(world: World) -> None:
        assert world.controller is not None
        (call,) = world.controller.house.calls.values()

        async def tell() -> None:
            await call.caller.tell_danger()

        world.controller.start(tell)

    def tries(world: World) -> None:
        agent = world.desks["rosa"].agent
        assert agent is not None
        assert agent.engagement is not None
        answers.append(agent.decide(agent.engagement.call_id, close))

    story = judged(Story((15.0, tells_danger), (CLOSED_AT, tries)))
    assert answers == ["in_danger"]
    assert story.sound_at(CLOSED_AT + 5) == "people:rosa"
    assert not events(story, "call.closed_kindly")


def test_an_engine_that_does_not_obey_does_not_bring_the_caller_to_another_agent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    wire = Wire(monkeypatch)
    wire.armed, wire.times = False, 10
    wire.meddles(lambda _m, path, _v: path == "/bridges/line-regulators/addChannel", refused())

    def arms(_world: World) -> None:
        wire.armed = True

    story = judged(Story((CLOSED_AT - 0.1, arms), (CLOSED_AT, decides(ABUSIVE))))
    assert wire.times == 0
    assert words(story, CLOSED_AT)[-1] == KIND
    assert len(story.rings) == 1


class Three(Oriented):
    """Rosa asks lea to come; the rest is for the script."""

    def __init__(self, *script: tuple[float, Deed], rings: bool = False) -> None:
        super().__init__((12.0, decides(TOGETHER)), *script, rings=rings)


def test_while_a_third_is_being_rung_a_call_is_closed_all_the_same() -> None:
    story = judged(Three((CLOSED_AT, decides(ABUSIVE)), rings=True))
    assert words(story, CLOSED_AT)[-1] == KIND
    at_lea = next(ring for _, ring in story.rings if ring.name == "lea")
    assert at_lea.ended_at is not None
    assert at_lea.ended_at - CLOSED_AT < 1.5


def test_of_three_the_one_who_owns_the_caller_closes_for_both() -> None:
    story = judged(Three((30.0, decides(SILENT, "lea"))))
    assert words(story, 30.0)[-1] == STAYS
    assert all(ring.ended_at is not None and ring.ended_at < 31.0 for _, ring in story.rings)
    assert dispositions(story) == ["silencieux"]


def test_of_three_the_one_who_stays_leaves_the_closing_to_the_other() -> None:
    story = judged(Three((30.0, decides(SILENT, "rosa"))))
    assert "rosa" in story.sound_at(31.5)  # refused; they leave two seconds later
    assert not events(story, "call.closed_kindly")
