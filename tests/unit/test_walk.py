"""Whatever a caller presses, they are led to a person, kept waiting kindly, or told goodbye."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import ivr
from ivr.flow import Flow, FlowError, load_flow
from ivr.leg import DangerPressed, Ended, HungUp, Leg, Outcome, ToLine
from ivr.situation import Situation
from ivr.steps import Language, Line
from ivr.walk import Outlook, Surroundings, Where, walk
from tests.unit.test_flow import GOOD

FLOWS = Path(ivr.__file__).parent / "flows"
NOON = datetime(2026, 3, 10, 11, 0, tzinfo=UTC)
MIDNIGHT = datetime(2026, 3, 10, 23, 0, tzinfo=UTC)


class ScriptedLeg:
    """A caller who presses these keys (None: nothing) and hangs up after so many prompts.

    Each question takes the next press; the danger key counts at any moment.
    """

    def __init__(
        self,
        presses: Sequence[str | None] = (),
        stays_for: int = 1000,
        rests_max: int = 1000,
    ) -> None:
        self.language = "fr"
        self.told: dict[str, str] = {}
        self.danger_key: str | None = None
        self.in_danger = False
        self.heard: list[str] = []
        self.rested: list[float] = []
        self._presses = deque(presses)
        self._stays_for = stays_for
        self._rests_max = rests_max

    async def play(self, prompt: str, whole: bool = False) -> None:
        if len(self.heard) >= self._stays_for:
            raise HungUp(16)
        self.heard.append(f"{self.language}/{prompt}" + (" whole" if whole else ""))
        self._look_for_danger()

    def _look_for_danger(self) -> None:
        if self.danger_key and self._presses and self._presses[0] == self.danger_key:
            self._presses.popleft()
            raise DangerPressed

    async def ask(
        self, prompt: str, keys: str, seconds_max: float, whole: bool = False
    ) -> str | None:
        await self.play(prompt, whole)
        pressed = self._presses.popleft() if self._presses else None
        return pressed if pressed is not None and pressed in keys else None

    async def gather(self, prompt: str, keys_max: int, seconds_max: float) -> str:
        await self.play(prompt)
        pressed = ""
        while self._presses and len(pressed) < keys_max:
            key = self._presses.popleft()
            if key is None or key == "#":
                break
            pressed += key
        return pressed

    async def rest(self, seconds: float) -> None:
        self.rested.append(seconds)
        if len(self.rested) >= self._rests_max:
            raise Enough
        self._look_for_danger()

    async def set_language(self, language: Language) -> None:
        self.language = language

    async def tell(self, name: str, value: str) -> None:
        self.told[name] = value

    async def tell_danger(self) -> None:
        self.in_danger = True


class Enough(Exception):
    """The test has seen enough waiting."""


def flow(name: str = "accueil") -> Flow:
    return load_flow(FLOWS / f"{name}.yaml", None)


def hand_made(start: str, **steps: Any) -> Flow:
    """A flow that was not loaded, so nothing in it is proved."""
    return Flow.model_validate(
        {"name": "x", "languages": ["fr"], "start": start, "calendars": {}, "steps": steps}
    )


def around(at: datetime = NOON, situation: Situation | None = None) -> Surroundings:
    return Surroundings(lambda: at, lambda: situation or Situation())


async def walked(flow: Flow, leg: Leg, at: datetime = NOON, start: str | None = None) -> Outcome:
    return await walk(flow, start or flow.start, leg, around(at))


async def waited(flow: Flow, line: Line, leg: Leg, crowded: bool = False) -> Outcome | None:
    """Wait in a line until the leg has rested enough (None), or the flow leads elsewhere."""
    step = flow.line(line)
    root = (crowded and step.while_crowded) or step.while_waiting
    with suppress(Enough):
        return await walk(flow, root, leg, around(), Where.WAITING)
    return None


async def test_an_open_line_is_joined_at_once_with_no_key_and_no_prompt() -> None:
    leg = ScriptedLeg()

    outcome = await walked(flow(), leg)

    assert outcome == ToLine("regulation", flow().line("regulators"))
    assert leg.heard == []


async def test_a_closed_line_says_so_before_it_ends() -> None:
    leg = ScriptedLeg()

    outcome = await walked(flow(), leg, at=MIDNIGHT)

    assert outcome == Ended("goodbye")
    assert leg.heard == ["fr/ferme"]


@pytest.mark.parametrize("at", [NOON, MIDNIGHT], ids=["noon", "midnight"])
async def test_the_demo_is_open_at_all_hours_and_its_twin_closed(at: datetime) -> None:
    assert isinstance(await walked(flow("demo"), ScriptedLeg(), at), ToLine)
    assert await walked(flow("demo-ferme"), ScriptedLeg(), at) == Ended("goodbye")


@pytest.mark.parametrize("line", ["regulators", "listeners"])
async def test_when_nobody_is_here_the_caller_is_told_so(line: Line) -> None:
    leg = ScriptedLeg()

    outcome = await walked(flow(), leg, start=flow().line(line).on_no_staff)

    assert outcome == Ended("goodbye")
    assert leg.heard == ["fr/personne-disponible"]


async def test_a_waiting_caller_hears_the_welcome_then_music_and_a_word_in_turn() -> None:
    leg = ScriptedLeg(rests_max=3)

    await waited(flow(), "regulators", leg)

    assert leg.heard == [
        "fr/accueil whole",
        "fr/choix-langue",
        "fr/patience",
        "fr/choix-attente",
        "fr/patience-encore",
    ]
    assert leg.rested == [20.0, 40.0, 40.0]


async def test_who_joins_a_crowd_is_told_so_with_the_notice_and_then_waits_as_all_do() -> None:
    leg = ScriptedLeg(rests_max=3)

    await waited(flow(), "regulators", leg, crowded=True)

    assert leg.heard == [
        "fr/accueil whole",
        "fr/choix-langue",
        "fr/forte-affluence",
        "fr/affluence-encore",
        "fr/patience-encore",
    ]
    assert max(leg.rested) <= 40.0


async def test_a_caller_in_a_crowd_who_presses_2_is_told_of_it_in_english() -> None:
    leg = ScriptedLeg(["2"], rests_max=2)

    await waited(flow(), "regulators", leg, crowded=True)

    assert leg.heard[2:] == ["en/forte-affluence", "en/affluence-encore"]


async def test_a_caller_who_presses_2_goes_on_in_english_and_keeps_waiting() -> None:
    leg = ScriptedLeg(["2"], rests_max=2)

    await waited(flow(), "regulators", leg)

    assert leg.heard[2:] == ["en/patience", "en/choix-attente"]


async def test_a_caller_oriented_to_listeners_hears_the_orientation_first() -> None:
    leg = ScriptedLeg(rests_max=2)

    await waited(flow(), "listeners", leg)

    assert leg.heard == ["fr/orientation", "fr/patience-encore"]
    assert leg.rested == [30.0, 30.0]


async def test_a_menu_asks_again_before_it_goes_on_without_a_key() -> None:
    menu = {"menu": "choix-langue", "keys": {"1": "b"}, "tries": "2", "otherwise": "c"}
    bye = {"hang_up": "true"}
    tried = hand_made("a", a=menu, b={"say": "oui", "then": "fin"}, c=bye, fin=bye)

    second, none = ScriptedLeg([None, "1"]), ScriptedLeg()
    await walked(tried, second)
    await walked(tried, none)

    assert second.heard == ["fr/choix-langue", "fr/choix-langue", "fr/oui"]
    assert none.heard == ["fr/choix-langue", "fr/choix-langue"]


async def test_the_hours_are_read_when_the_caller_gets_there() -> None:
    times = iter([MIDNIGHT, NOON])
    passing = Surroundings(lambda: next(times))

    first = await walk(flow(), "ouverture", ScriptedLeg(), passing)
    second = await walk(flow(), "ouverture", ScriptedLeg(), passing)

    assert (first, isinstance(second, ToLine)) == (Ended("goodbye"), True)


async def test_a_caller_who_leaves_during_a_prompt_is_known_to_have_left() -> None:
    with pytest.raises(HungUp) as left:
        await walked(flow(), ScriptedLeg(stays_for=0), at=MIDNIGHT)
    with pytest.raises(HungUp):
        await waited(flow(), "regulators", ScriptedLeg(stays_for=2))

    assert left.value.cause == 16


async def test_an_answer_stops_the_waiting_at_once() -> None:
    resting = asyncio.Event()

    class Resting(ScriptedLeg):
        async def rest(self, seconds: float) -> None:
            resting.set()
            await asyncio.Event().wait()

    leg = Resting()
    task = asyncio.create_task(waited(flow(), "listeners", leg))
    await resting.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert leg.heard == ["fr/orientation"]
    assert leg.danger_key is None  # in a talk, no key means danger


async def test_a_flow_that_was_never_proved_still_ends() -> None:
    loop = hand_made("a", a={"say": "accueil", "then": "a"})
    stops = hand_made("a", a={"say": "accueil"})

    assert await walked(loop, ScriptedLeg()) == Ended("too_many_steps")
    assert await walked(stops, ScriptedLeg()) == Ended("nothing_follows")


KEYS = st.lists(st.one_of(st.none(), st.sampled_from("0123456789*#")), max_size=12)


@settings(max_examples=40, deadline=None)
@given(
    presses=KEYS,
    name=st.sampled_from(["accueil", "demo", "demo-ferme"]),
    at=st.datetimes(datetime(2026, 1, 1), datetime(2027, 1, 1), timezones=st.just(UTC)),
    line=st.sampled_from(["regulators", "listeners"]),
    crowded=st.booleans(),
)
async def test_no_key_sequence_takes_a_caller_out_of_the_templates(
    presses: list[str | None], name: str, at: datetime, line: Line, crowded: bool
) -> None:
    leg = ScriptedLeg(presses, rests_max=40)

    outcome = await walked(flow(name), leg, at)
    left = await waited(flow(name), line, leg, crowded)

    assert outcome in (ToLine("regulation", flow(name).line("regulators")), Ended("goodbye"))
    assert left is None
    assert len(leg.rested) == 40


# The two lines, a goodbye and a loop of music are there, so that many drawn flows load.
FRAME = """\
name: x
languages: [fr, en]
start: {start}
calendars: {{c: {{open: {{tous les jours: 09:00-19:00}}}}}}
steps:
  regulation: {{line: regulators, while_waiting: {waiting}, on_no_staff: bye,
    on_wait_longer_than: {{after: 5 min, then: bye}}}}
  ecoute: {{line: listeners, while_waiting: music, on_no_staff: bye,
    on_wait_longer_than: {{after: 5 min, then: bye}}}}
  bye: {{say: p, then: fin}}
  fin: {{hang_up: true}}
  music: {{wait: 5 s, then: music}}
"""
SHAPES = (
    "{{say: p, then: {}}}",
    "{{menu: p, keys: {{'1': {}, '2': {}}}, otherwise: {}}}",
    "{{set: {{language: en}}, then: {}}}",
    "{{hours: c, open: {}, closed: {}}}",
    "{{wait: 5 s, then: {}}}",
    "{{say: p}}",
    "{{hang_up: true}}",
)


def drawn_steps(draw: st.DrawFn, names: list[str], ends: list[str], shapes: int) -> dict[str, str]:
    """Steps that mostly go forward, to one of ``ends``; now and then they go back."""
    steps = {}
    for place, name in enumerate(names):
        onward = st.sampled_from([*names[place + 1 :], *ends])
        anywhere = st.sampled_from([*names, *ends])
        goes_back = draw(st.integers(0, 9)) == 9
        shape = draw(st.sampled_from(SHAPES if goes_back else SHAPES[:shapes]))
        targets = [draw(anywhere if goes_back else onward) for _ in range(3)]
        steps[name] = shape.format(*targets)
    return steps


@st.composite
def drawn_flows(draw: st.DrawFn) -> str:
    """A flow drawn at random; only the steps that the start or the waiting reach are kept."""
    steps = drawn_steps(draw, ["a0", "a1", "a2"], ["regulation", "bye"], shapes=4)
    steps |= drawn_steps(draw, ["w0", "w1", "w2"], ["music", "w0"], shapes=6)
    text = FRAME.format(start="a0", waiting="w0")
    kept: set[str] = set()
    while new := {name for name in steps.keys() - kept if name in text}:
        text += "".join(f"  {name}: {steps[name]}\n" for name in sorted(new))
        kept |= new
    return text


@settings(
    max_examples=120,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(text=drawn_flows(), presses=KEYS, at=st.sampled_from([NOON, MIDNIGHT]))
async def test_any_flow_that_loads_is_kind_to_any_caller(
    tmp_path: Path, text: str, presses: list[str | None], at: datetime
) -> None:
    path = tmp_path / "flow.yaml"
    path.write_text(text)
    try:
        drawn = load_flow(path, {("fr", "p"): 1.0, ("en", "p"): 1.0})
    except FlowError:
        return
    leg = ScriptedLeg(presses)

    outcome = await walked(drawn, leg, at)

    assert isinstance(outcome, ToLine) or (outcome == Ended("goodbye") and leg.heard)
    waiting = ScriptedLeg(presses, rests_max=20)
    left = await waited(drawn, "regulators", waiting)

    # Whoever presses nothing is never led out of the line.
    assert left is None or any(presses)
    assert waiting.rested or len(waiting.heard) < 20


async def test_who_presses_on_and_on_at_one_question_is_led_further(tmp_path: Path) -> None:
    text = GOOD.replace(
        "    set: {language: en}\n    then: musique", "    set: {language: en}\n    then: langue"
    )
    path = tmp_path / "flow.yaml"
    path.write_text(text)
    leg = ScriptedLeg(["2"] * 20, rests_max=1)

    with suppress(Enough):
        await walk(load_flow(path, None), "langue", leg, Surroundings(lambda: NOON), Where.WAITING)

    assert leg.heard == ["fr/choix-langue", *["en/choix-langue"] * 4]
    assert leg.rested == [20.0]


# -- the estimated wait


async def told(outlook: Outlook, *, position: bool = False) -> list[str]:
    """What is heard at an estimate, then at what follows it."""
    leg = ScriptedLeg()
    steps = hand_made(
        "estimee",
        estimee={"wait_estimate": "true", "position": str(position).lower(), "then": "suite"},
        suite={"say": "suite", "then": None},
    )
    await walk(steps, "estimee", leg, replace(around(), outlook=lambda: outlook), Where.WAITING)
    assert leg.heard.pop() == "fr/suite"
    return leg.heard


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0, "attente-moins-de-2"),
        (119, "attente-moins-de-2"),
        (120, "attente-3"),
        (239, "attente-3"),
        (240, "attente-5"),
        (449, "attente-5"),
        (450, "attente-10"),
        (749, "attente-10"),
        (750, "attente-15"),
        (1049, "attente-15"),
        (1050, "attente-20"),
        (1349, "attente-20"),
        (1350, "attente-plus-de-20"),
        (99999, "attente-plus-de-20"),
    ],
)
async def test_the_estimated_wait_is_told_by_the_nearest_that_can_be_said(
    seconds: float, said: str
) -> None:
    assert await told(Outlook(seconds, 1)) == [f"fr/{said}"]


async def test_where_nobody_knows_nothing_is_said() -> None:
    assert await told(Outlook()) == []
    assert await told(Outlook(None, 4), position=True) == []


@pytest.mark.parametrize("place", [1, 2, 3])
async def test_their_place_is_told_to_the_next_three(place: int) -> None:
    assert await told(Outlook(300, place), position=True) == [f"fr/place-{place}", "fr/attente-5"]
    assert await told(Outlook(None, place), position=True) == [f"fr/place-{place}"]
    assert await told(Outlook(300, place)) == ["fr/attente-5"]


async def test_a_place_further_back_is_not_told() -> None:
    assert await told(Outlook(300, 4), position=True) == ["fr/attente-5"]
