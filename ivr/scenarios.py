"""Scenarios of a flow: given a time, who is there and what a caller does, what they must meet.

``accueil.scenarios.yaml`` stands beside ``accueil.yaml``. The same file is played in virtual
time in a moment, and as real calls.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from ivr.checking import checked
from ivr.flow import Flow, Prompts
from ivr.reading import Loc, Place, Source, Wrong, read, text, write_instead
from ivr.relays import Relay
from ivr.steps import LINES, Line
from ivr.values import Word, duration, number, one_of, some

STAFF_MAX = 20
WAITS_SECONDS_MAX = 3600.0
ANSWERS_AFTER_SECONDS_MAX = 15.0  # later, the phone has stopped ringing
MUSIC = "musique"  # heard like a message, and written like one
YEARS = (2000, 2100)  # a day before or after the first or the last of all cannot be reckoned


def _moment(value: object) -> datetime:
    word = text(value)
    moment = None
    with contextlib.suppress(ValueError):
        if re.fullmatch(r"\d{4}-\d{2}-\d{2} \d{2}:\d{2}(:\d{2})?", word):
            moment = datetime.fromisoformat(word)
    if moment is None:
        what = f"moment illisible `{word}`"
        raise Wrong(what, "écrivez le jour et l'heure : `2026-03-10 23:30`")
    first, last = YEARS
    if not first <= moment.year <= last:
        what = f"`{word}` est hors limites ici"
        raise Wrong(what, f"écrivez une année entre {first} et {last}")
    return moment


def _heard(value: object) -> str:
    word = text(value)
    if not re.fullmatch(r"(?:[a-z]{2}/)?[a-z0-9][a-z0-9_-]{0,63}|musique", word):
        what = f"`{word}` n'est pas un message"
        raise Wrong(what, "écrivez son nom, ou sa langue et son nom : `en/patience`")
    return word


def _keys(value: object) -> str:
    word = text(value)
    if not re.fullmatch(r"[0-9*#]{1,10}", word):
        raise Wrong(f"`{word}` n'est pas une suite de touches", 'écrivez par exemple `"2"`')
    return word


class Moment(BaseModel):
    """Une chose qui arrive dans l'appel : exactement une de ces lignes."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    hears: Annotated[str, BeforeValidator(_heard)] | None = Field(
        default=None, description="L'appelant entend ce message (`en/…` : dans cette langue)."
    )
    presses: Annotated[str, BeforeValidator(_keys)] | None = Field(
        default=None, description="L'appelant appuie sur ces touches."
    )
    waits_seconds: Annotated[float, duration(0.5, WAITS_SECONDS_MAX)] | None = Field(
        default=None, alias="waits", description="L'appelant attend."
    )
    talks_to: Annotated[Line, one_of(LINES, "ligne inconnue")] | None = Field(
        default=None, description="L'appelant parle à quelqu'un de cette ligne."
    )
    talks_to_relay: Word | None = Field(
        default=None, description="L'appelant parle à ce relais, qui raccroche ensuite."
    )
    ends: Annotated[Literal["goodbye"], one_of(("goodbye",), "fin inconnue")] | None = Field(
        default=None, description="`goodbye` : la ligne raccroche, après un au revoir."
    )

    @model_validator(mode="after")
    def _is_one_thing(self) -> Moment:
        if sum(value is not None for _, value in self) != 1:
            what = "une ligne dit exactement une chose"
            raise Wrong(what, 'écrivez par exemple `- hears: accueil` puis `- presses: "2"`')
        return self

    def __str__(self) -> str:
        word, value = next((word, value) for word, value in self if value is not None)
        said = {"hears": "entendre", "presses": "appuyer sur", "waits_seconds": "attendre (s)"}
        said |= {"talks_to": "parler à", "talks_to_relay": "parler au relais", "ends": "finir par"}
        return f"{said[word]} {value}"


class Staff(BaseModel):
    """Qui est là, et répond."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    regulators: Annotated[int, number(STAFF_MAX, "de personnes", least=0)] = 0
    listeners: Annotated[int, number(STAFF_MAX, "de personnes", least=0)] = 0


class Scenario(BaseModel):
    """Un appel, et ce qui doit y arriver, dans l'ordre."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    at: Annotated[datetime, BeforeValidator(_moment)] = Field(
        examples=["at: 2026-03-10 14:00"], description="Quand l'appel arrive, à l'heure de Paris."
    )
    staff: Staff = Field(default=Staff(), description="Combien de personnes sont en service.")
    answers_after_seconds: Annotated[float, duration(0.5, ANSWERS_AFTER_SECONDS_MAX)] = Field(
        default=3.0, alias="answers_after", description="Après combien de sonnerie on décroche."
    )
    busy_for_seconds: Annotated[float, duration(1.0, WAITS_SECONDS_MAX)] | None = Field(
        default=None,
        alias="busy_for",
        description="Tout le monde est déjà en ligne, et le reste encore si longtemps.",
    )
    usual_talk_seconds: Annotated[float, duration(10.0, WAITS_SECONDS_MAX)] | None = Field(
        default=None,
        alias="usual_talk",
        description="Ce que durent d'habitude les conversations : l'attente estimée en est tirée. "
        "Sans elle, la ligne n'en sait rien.",
    )
    skills: tuple[Word, ...] = Field(default=(), description="Les compétences de qui est là.")
    languages: tuple[Word, ...] = Field(default=("fr", "en"), description="Leurs langues.")
    crisis: Word | None = Field(default=None, description="Le mode de crise en cours.")
    message: Word | None = Field(default=None, description="Le message du jour.")
    relays: Mapping[
        Word, Annotated[str, one_of(("answers", "no_answer", "closed"), "réponse inconnue")]
    ] = Field(default={}, description="Ce que font les relais : answers, no_answer, closed.")
    call: Annotated[tuple[Moment, ...], BeforeValidator(some)] = Field(
        examples=["call:"], description="Ce qui arrive, dans l'ordre."
    )
    never_hears: tuple[Annotated[str, BeforeValidator(_heard)], ...] = Field(
        default=(), description="Ce que l'appelant ne doit entendre à aucun moment."
    )

    def at_time(self, zone: str = "Europe/Paris") -> datetime:
        """When the call comes, aware."""
        return self.at.replace(tzinfo=ZoneInfo(zone))


@dataclass(frozen=True)
class Around:
    """What stands around the scenarios of a flow, and what they may name."""

    flow: Flow
    prompts: Prompts
    relays: Mapping[str, Relay]


class _File(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    scenarios: dict[str, Any] = Field(examples=["scenarios:"])


class Scenarios:
    """The scenarios of one file, by name, and where each moment of them is written."""

    def __init__(self, source: Source, scenarios: Mapping[str, Scenario]) -> None:
        self._source = source
        self.by_name = dict(scenarios)

    def place(self, name: str, moment: int) -> str:
        """Where a moment of a scenario is written: ``file:line:column``."""
        found = self._source.values.get(("scenarios", name, "call", moment), Place(1, 1))
        return f"{self._source.file}:{found.line}:{found.column}"


def scenarios_file(flow_file: Path) -> Path:
    """The file of a flow's scenarios."""
    return flow_file.with_name(f"{flow_file.stem}.scenarios.yaml")


def load_scenarios(path: Path, around: Around | None = None) -> Scenarios:
    """Read a file of scenarios. Raises FlowError, which lists every mistake with its place.

    ``around``: what its scenarios may name; without it, nobody looks whether that exists.
    """
    source = read(path)
    top = checked(source, (), _File, source.data)
    found = {
        name: checked(source, ("scenarios", name), Scenario, written)
        for name, written in (top.scenarios if top else {}).items()
    }
    scenarios = {name: one for name, one in found.items() if one is not None}
    if around is not None:
        for name, scenario in scenarios.items():
            _check_words(source, name, scenario, around)
    if source.problems:
        raise source.error()
    return Scenarios(source, scenarios)


def _check_words(source: Source, name: str, scenario: Scenario, around: Around) -> None:
    """What a scenario names must exist: a word that nobody ever says would guard nothing."""
    at: Loc = ("scenarios", name)
    prompts = {prompt for _, prompt in around.prompts}
    spoken = {f"{language}/{prompt}" for language, prompt in around.prompts}
    for loc, word in _heard_in(scenario):
        known = spoken if "/" in word else prompts | {MUSIC}
        if word not in known:
            source.wrong((*at, *loc), f"message inconnu `{word}`", write_instead(word, known))
    if scenario.message is not None and scenario.message not in prompts:
        what = f"message inconnu `{scenario.message}`"
        source.wrong((*at, "message"), what, write_instead(scenario.message, prompts))
    if scenario.crisis is not None and scenario.crisis not in around.flow.profiles:
        what = f"mode de crise inconnu `{scenario.crisis}`"
        fix = write_instead(scenario.crisis, around.flow.profiles)
        source.wrong((*at, "crisis"), what, fix)
    for relay in scenario.relays:
        if relay not in around.relays:
            fix = write_instead(relay, around.relays)
            source.wrong_key((*at, "relays", relay), f"relais inconnu `{relay}`", fix)
    for place, moment in enumerate(scenario.call):
        led_to = moment.talks_to_relay
        if led_to is not None and led_to not in around.relays:
            fix = write_instead(led_to, around.relays)
            at_relay: Loc = (*at, "call", place, "talks_to_relay")
            source.wrong(at_relay, f"relais inconnu `{led_to}`", fix)


def _heard_in(scenario: Scenario) -> Iterator[tuple[Loc, str]]:
    """The messages that a scenario names, each with its place inside the scenario."""
    for place, moment in enumerate(scenario.call):
        if moment.hears is not None:
            yield ("call", place, "hears"), moment.hears
    for place, word in enumerate(scenario.never_hears):
        yield ("never_hears", place), word
