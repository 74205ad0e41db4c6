"""Whatever a caller presses, they are led to a person, kept waiting kindly, or told goodbye."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import ivr
from ivr.flow import Flow, FlowError, load_flow
from ivr.leg import Ended, HungUp, Leg, Outcome, ToLine
from ivr.steps import Language, Line
from ivr.walk import walk, walk_waiting

FLOWS = Path(ivr.__file__).parent / "flows"
NOON = datetime(2026, 3, 10, 11, 0, tzinfo=UTC)
MIDNIGHT = datetime(2026, 3, 10, 23, 0, tzinfo=UTC)


class ScriptedLeg:
    """A caller who presses these keys (None: nothing) and hangs up after so many prompts."""

    def __init__(self, presses: Sequence[str | None] = (), stays_for: int = 1000) -> None:
        self.language = "fr"
        self.heard: list[str] = []
        self._presses = deque(presses)
        self._stays_for = stays_for

    async def play(self, prompt: str, whole: bool = False) -> None:
        if len(self.heard) >= self._stays_for:
            raise HungUp(16)
        self.heard.append(f"{self.language}/{prompt}" + (" whole" if whole else ""))

    async def ask(self, prompt: str, keys: str, seconds_max: float) -> str | None:
        await self.play(prompt)
        pressed = self._presses.popleft() if self._presses else None
        return pressed if pressed is not None and pressed in keys else None

    async def set_language(self, language: Language) -> None:
        self.language = language


class Enough(Exception):
    """The test has seen enough waiting."""


class Rests:
    """Counts the seconds of music, and stops the wait after so many rests."""

    def __init__(self, stop_after: int) -> None:
        self.seconds: list[float] = []
        self._stop_after = stop_after

    async def __call__(self, seconds: float) -> None:
        self.seconds.append(seconds)
        if len(self.seconds) >= self._stop_after:
            raise Enough


def flow(name: str = "accueil") -> Flow:
    return load_flow(FLOWS / f"{name}.yaml", None)


def hand_made(start: str, **steps: Any) -> Flow:
    """A flow that was not loaded, so nothing in it is proved."""
    return Flow.model_validate(
        {"name": "x", "languages": ["fr"], "start": start, "calendars": {}, "steps": steps}
    )


async def walked(flow: Flow, leg: Leg, at: datetime = NOON, start: str | None = None) -> Outcome:
    return await walk(flow, start or flow.start, leg, lambda: at)


async def waited(flow: Flow, line: Line, leg: Leg, rests: Rests, crowded: bool = False) -> None:
    with pytest.raises(Enough):
        await walk_waiting(flow, flow.line(line), leg, lambda: NOON, rests, crowded)


async def test_an_open_line_is_joined_at_once_with_no_key_and_no_prompt() -> None:
    leg = ScriptedLeg()

    outcome = await walked(flow(), leg)

    assert outcome == ToLine(flow().line("regulators"))
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
    leg, rests = ScriptedLeg(), Rests(3)

    await waited(flow(), "regulators", leg, rests)

    assert leg.heard == [
        "fr/accueil whole",
        "fr/choix-langue",
        "fr/patience",
        "fr/patience-encore",
        "fr/patience-encore",
    ]
    assert rests.seconds == [20.0, 40.0, 40.0]


async def test_who_joins_a_crowd_is_told_so_with_the_notice_and_then_waits_as_all_do() -> None:
    leg, rests = ScriptedLeg(), Rests(3)

    await waited(flow(), "regulators", leg, rests, crowded=True)

    assert leg.heard == [
        "fr/accueil whole",
        "fr/choix-langue",
        "fr/forte-affluence",
        "fr/affluence-encore",
        "fr/patience-encore",
    ]
    assert max(rests.seconds) <= 40.0


async def test_a_caller_in_a_crowd_who_presses_2_is_told_of_it_in_english() -> None:
    leg, rests = ScriptedLeg(["2"]), Rests(2)

    await waited(flow(), "regulators", leg, rests, crowded=True)

    assert leg.heard[2:] == ["en/forte-affluence", "en/affluence-encore"]


async def test_a_line_that_says_nothing_of_a_crowd_says_the_same_in_one() -> None:
    leg = ScriptedLeg()

    await waited(flow(), "listeners", leg, Rests(2), crowded=True)

    assert leg.heard == ["fr/orientation", "fr/patience-encore"]


async def test_a_caller_who_presses_2_goes_on_in_english_and_keeps_waiting() -> None:
    leg, rests = ScriptedLeg(["2"]), Rests(2)

    await waited(flow(), "regulators", leg, rests)

    assert leg.heard[2:] == ["en/patience", "en/patience-encore"]


async def test_a_caller_oriented_to_listeners_hears_the_orientation_first() -> None:
    leg, rests = ScriptedLeg(), Rests(2)

    await waited(flow(), "listeners", leg, rests)

    assert leg.heard == ["fr/orientation", "fr/patience-encore"]
    assert rests.seconds == [30.0, 30.0]


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

    first = await walk(flow(), "ouverture", ScriptedLeg(), lambda: next(times))
    second = await walk(flow(), "ouverture", ScriptedLeg(), lambda: next(times))

    assert (first, isinstance(second, ToLine)) == (Ended("goodbye"), True)


async def test_a_caller_who_leaves_during_a_prompt_is_known_to_have_left() -> None:
    with pytest.raises(HungUp) as left:
        await walked(flow(), ScriptedLeg(stays_for=0), at=MIDNIGHT)
    with pytest.raises(HungUp):
        await waited(flow(), "regulators", ScriptedLeg(stays_for=2), Rests(9))

    assert left.value.cause == 16


async def test_an_answer_stops_the_waiting_at_once() -> None:
    resting = asyncio.Event()

    async def rest(seconds: float) -> None:
        resting.set()
        await asyncio.Event().wait()

    leg = ScriptedLeg()
    task = asyncio.create_task(
        walk_waiting(flow(), flow().line("listeners"), leg, lambda: NOON, rest)
    )
    await resting.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert leg.heard == ["fr/orientation"]


async def test_a_waiting_that_ends_leaves_the_music_alone() -> None:
    line = {"line": "listeners", "while_waiting": "b", "on_no_staff": "b"}
    short = hand_made("a", a=line, b={"say": "orientation"})
    rests = Rests(1)

    await walk_waiting(short, short.line("listeners"), ScriptedLeg(), lambda: NOON, rests)

    assert rests.seconds == []


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
    leg, rests = ScriptedLeg(presses), Rests(6)

    outcome = await walked(flow(name), leg, at)
    await waited(flow(name), line, leg, rests, crowded)

    assert outcome in (ToLine(flow(name).line("regulators")), Ended("goodbye"))
    assert len(rests.seconds) == 6


# The two lines, a goodbye and a loop of music are there, so that many drawn flows load.
FRAME = """\
name: x
languages: [fr, en]
start: {start}
calendars: {{c: {{open: {{tous les jours: 09:00-19:00}}}}}}
steps:
  regulation: {{line: regulators, while_waiting: {waiting}, on_no_staff: bye}}
  ecoute: {{line: listeners, while_waiting: music, on_no_staff: bye}}
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
        drawn = load_flow(path, {("fr", "p"), ("en", "p")})
    except FlowError:
        return
    leg = ScriptedLeg(presses)

    outcome = await walked(drawn, leg, at)

    assert isinstance(outcome, ToLine) or (outcome == Ended("goodbye") and leg.heard)
    rests = Rests(20)
    with suppress(Enough):
        await walk_waiting(drawn, drawn.line("regulators"), leg, lambda: at, rests)

    assert rests.seconds or len(leg.heard) < 20
