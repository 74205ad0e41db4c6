"""What a flow is, and the loading that refuses a bad one before a caller can hear it.

A flow is a YAML file: what callers hear from the first ring until a person
takes the call. A mistake is shown with its line, its column and the fix.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from ivr.checking import check_prompts, checked, names
from ivr.hours import Calendar
from ivr.parts import unfolded
from ivr.proof import prove
from ivr.reading import FlowError, Loc, Source, Wrong, read, text, write_instead
from ivr.relays import Relay
from ivr.steps import (
    LANGUAGES,
    LINES,
    AnyStep,
    Back,
    Branch,
    ChooseLanguage,
    Consent,
    Gather,
    Hours,
    Language,
    Line,
    LineStep,
    RelayStep,
    SetAttributes,
    keys_of,
    prompts_of,
)
from ivr.values import Key, Prompt, StepName, Word, duration, one_of, some, title

__all__ = ["Flow", "FlowError", "LineStep", "Prompts", "load_flow"]

FLOW_STEPS_MAX = 200
RINGS_WITHIN_SECONDS = 12.0  # the mission's measure, until a flow promises another
RINGS_WITHIN_SECONDS_MAX = 60.0

Prompts = Mapping[tuple[str, str], float]  # (language, id) -> seconds
Supervision = Literal["recording", "double_listening"]
# Words, words with what the sheet shows for each, or what is typed or agreed to.
Kind = tuple[str, ...] | dict[str, str] | Literal["chiffres", "accord"]


def _languages(value: object) -> object:
    known = ", ".join(LANGUAGES)
    if not isinstance(value, list) or not value:
        raise Wrong("une liste de langues est attendue", f"écrivez par exemple `[{known}]`")
    for word in value:
        if text(word) not in LANGUAGES:
            raise Wrong(f"langue inconnue `{word}`", write_instead(word, LANGUAGES))
        if value.count(word) > 1:
            raise Wrong(f"la langue `{word}` est citée deux fois", "gardez-la une seule fois")
    return value


def _number(value: object) -> str:
    written = re.sub(r"[ .]", "", text(value))
    if not re.fullmatch(r"\+?\d{2,15}", written):
        what = f"`{written[:20]}` n'est pas un numéro de téléphone"
        raise Wrong(what, 'écrivez des chiffres entre guillemets : `"0800190000"`')
    return written


def _kind(value: object) -> object:
    if isinstance(value, list | dict):
        for one in value.values() if isinstance(value, dict) else value:
            text(one)
        return some(value)
    word = text(value)
    if word not in ("chiffres", "accord"):
        fix = "écrivez `chiffres`, `accord`, ou une liste de mots : `[violences, deuil]`"
        raise Wrong(f"`{word}` ne dit pas ce qui peut être noté", fix)
    return word


def _danger_key(value: object) -> object:
    if value == "#":
        raise Wrong("`#` termine un nombre, et ne peut pas dire le danger", 'écrivez `"0"`')
    return value


def _own_word(value: object) -> object:
    if value in ("language", "profile"):
        what = f"`{value}` est déjà connu de chaque appel, sous ce nom"
        raise Wrong(what, "choisissez un autre nom")
    return value


class Danger(BaseModel):
    """La touche « danger maintenant », écoutée à tout moment."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    key: Annotated[Key, BeforeValidator(_danger_key)] = Field(
        default="0", description="La touche ; `#` n'en est pas une : elle termine un nombre."
    )
    prompt: Prompt = Field(
        alias="say",
        examples=["say: danger"],
        description="Le message dit aussitôt : il rappelle le 15 et le 112.",
    )
    then: StepName = Field(
        examples=["then: nom-d-une-étape-line"],
        description="La ligne dont cet appelant prend la tête.",
    )


class Top(BaseModel):
    """The file as a whole, its calendars and steps not yet looked into."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Annotated[str, title(80)] = Field(
        examples=["name: Notre ligne"], description="Le nom de la ligne, pour vous."
    )
    numbers: tuple[Annotated[str, BeforeValidator(_number)], ...] = Field(
        default=(), description="Les numéros composés qui mènent à ce fichier."
    )
    languages: Annotated[tuple[Language, ...], BeforeValidator(_languages)] = Field(
        examples=["languages: [fr, en]"], description="La première est celle de l'accueil."
    )
    start: StepName = Field(
        examples=["start: nom-de-la-première-étape"], description="La première étape."
    )
    rings_within_seconds: Annotated[float, duration(1.0, RINGS_WITHIN_SECONDS_MAX)] = Field(
        default=RINGS_WITHIN_SECONDS,
        alias="rings_within",
        description="La promesse : un téléphone sonne avant, sans aucune touche.",
    )
    supervision: tuple[
        Annotated[Supervision, one_of(("recording", "double_listening"), "pratique inconnue")], ...
    ] = Field(
        default=(),
        description="Ce que la ligne pratique et doit annoncer par un `notice`.",
    )
    danger: Danger | None = Field(
        default=None, description="La touche « danger maintenant », à tout moment."
    )
    attributes: dict[
        Annotated[Word, BeforeValidator(_own_word)], Annotated[Kind, BeforeValidator(_kind)]
    ] = Field(default={}, description="Ce que l'appelant peut dire par une touche, pour la fiche.")
    profiles: dict[Word, Annotated[str, title(80)]] = Field(
        default={}, description="Les modes de crise prévus d'avance : nom → intitulé."
    )
    calendars: dict[str, Any] = Field(default={}, description="Les horaires, par leur nom.")
    steps: dict[str, Any] = Field(examples=["steps:"], description="Les étapes, par leur nom.")


class Flow(BaseModel):
    """What callers hear until a person takes the call. Loaded flows are proved: see ``proof.py``.

    The first of ``languages`` is the one spoken until the caller chooses.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    numbers: tuple[str, ...] = ()
    languages: tuple[Language, ...]
    start: str
    rings_within_seconds: float = RINGS_WITHIN_SECONDS
    supervision: tuple[str, ...] = ()
    danger: Danger | None = None
    attributes: Mapping[str, Kind] = {}
    profiles: Mapping[str, str] = {}
    calendars: Mapping[str, Calendar]
    steps: Mapping[str, AnyStep]

    def shown(self, name: str, value: str) -> str:
        """What the agent's sheet shows for something the caller told."""
        kind = self.attributes.get(name)
        return kind.get(value, value) if isinstance(kind, dict) else value

    def prompts(self) -> set[str]:
        """Every prompt that it may play, the message of the day left aside."""
        said = {prompt for step in self.steps.values() for _, prompt in prompts_of(step)}
        return said | ({self.danger.prompt} if self.danger else set())

    def line(self, line: Line) -> LineStep:
        """Where an oriented caller waits: the step of this line that asks for no skill."""
        return next(
            step
            for step in self.steps.values()
            if isinstance(step, LineStep) and step.line == line and not step.skills
        )


def load_flow(
    path: Path, prompts: Prompts | None, relays: Mapping[str, Relay] | None = None
) -> Flow:
    """Read, check and prove a flow.

    ``prompts`` are those that exist, with how long they last; ``relays`` those of the directory.
    None skips what needs them. Raises FlowError, whose text lists every problem as
    ``file:line:column: what is wrong ; what to write instead``, and how a caller would meet it.
    """
    source = read(path)
    top = checked(source, (), Top, source.data)
    calendars = _calendars(source)
    steps = unfolded(source)
    if len(steps) > FLOW_STEPS_MAX:
        what = f"plus de {FLOW_STEPS_MAX} étapes"
        source.wrong_key(("steps",), what, "gardez seulement les étapes utiles")
    if top is not None:
        _check_start(source, top, steps)
        for name, step in steps.items():
            _check_words(source, top, name, step, relays)
        if prompts is not None:
            check_prompts(source, _prompts_named(top, steps), top.languages, prompts)
    _check_lines(source, steps)
    if top is None or source.problems:
        raise source.error()
    flow = Flow.model_construct(
        **{name: getattr(top, name) for name in Top.model_fields} | {"calendars": calendars},
    ).model_copy(update={"steps": steps})
    prove(source, flow, prompts)
    if source.problems:
        raise source.error()
    return flow


def _prompts_named(top: Top, steps: Mapping[str, AnyStep]) -> Iterator[tuple[Loc, str]]:
    for name, step in steps.items():
        for loc, prompt in prompts_of(step):
            yield ("steps", name, *loc), prompt
    if top.danger is not None:
        yield ("danger", "say"), top.danger.prompt


def _calendars(source: Source) -> dict[str, Calendar]:
    found = {
        name: checked(source, ("calendars", name), Calendar, written)
        for name, written in names(source, "calendars")
    }
    return {name: calendar for name, calendar in found.items() if calendar is not None}


def _check_start(source: Source, top: Top, steps: Mapping[str, AnyStep]) -> None:
    if top.start not in top.steps:
        source.wrong(("start",), f"étape inconnue `{top.start}`", _instead(top.start, top.steps))
    if top.danger is None:
        return
    target = steps.get(top.danger.then)
    if top.danger.then not in top.steps:
        what = f"étape inconnue `{top.danger.then}`"
        source.wrong(("danger", "then"), what, _instead(top.danger.then, top.steps))
    elif target is not None and not isinstance(target, LineStep):
        what = f"en danger, l'appelant doit attendre une personne : `{top.danger.then}` n'est pas"
        lines = [name for name, step in steps.items() if isinstance(step, LineStep)]
        source.wrong(("danger", "then"), f"{what} une ligne", write_instead("", lines))


def _check_words(
    source: Source, top: Top, name: str, step: AnyStep, relays: Mapping[str, Relay] | None
) -> None:
    """Every calendar, attribute, language, profile and relay that is named must exist."""
    at: Loc = ("steps", name)
    for loc, word, known, what in _named(top, step, relays):
        if word not in known and what == _NOT_SPOKEN:
            fix = f"ajoutez `{word}` à `languages`, en haut"
            source.wrong((*at, *loc), f"{what} : `{word}`", fix)
        elif word not in known:
            say = source.wrong_key if loc[-1] == word else source.wrong
            say((*at, *loc), f"{what} `{word}`", _instead(word, known))
    if isinstance(step, Back) and "/" not in name:
        what = "`back` n'a de sens que dans un fichier de `parts/`"
        source.wrong_key((*at, "back"), what, "finissez par `line`, ou un au revoir et `hang_up`")
    for loc, pressed in keys_of(step):
        if top.danger is not None and pressed == top.danger.key:
            what = f"la touche `{pressed}` est celle du danger, écoutée à tout moment"
            say = source.wrong_key if loc[0] == "keys" else source.wrong
            say((*at, *loc), what, "choisissez une autre touche")


_NOT_SPOKEN = "une langue n'est pas parlée par ce fichier"


def _named(
    top: Top, step: AnyStep, relays: Mapping[str, Relay] | None
) -> Iterator[tuple[Loc, str, Mapping[str, object], str]]:
    """What a step names beside other steps: (place, word, those that exist, what it is not)."""
    attributes = top.attributes.items()
    lists = {name: tuple(kind) for name, kind in attributes if isinstance(kind, tuple | dict)}
    languages: Mapping[str, object] = dict.fromkeys(top.languages)
    match step:
        case Hours():
            yield ("hours",), step.calendar, top.calendars, "calendrier inconnu"
        case ChooseLanguage():
            for key, language in step.keys.items():
                yield ("keys", key), language, languages, _NOT_SPOKEN
        case SetAttributes():
            for word, value in step.attributes.items():
                settable = {"language": top.languages} | lists
                yield ("set", word), word, settable, "on ne peut pas changer"
                values = dict.fromkeys(settable.get(word, (value,)))
                unknown = f"valeur inconnue pour `{word}` :"
                spoken = value in LANGUAGES and word == "language"
                yield ("set", word), value, values, _NOT_SPOKEN if spoken else unknown
        case Branch():
            accords = dict.fromkeys(_of_kind(top, "accord"), ("oui", "non"))
            words = {"language": top.languages, "profile": tuple(top.profiles)} | lists | accords
            known = [*words, *_of_kind(top, "chiffres")]
            yield ("branch",), step.attribute, dict.fromkeys(known), "rien ne s'appelle"
            if step.attribute in words:
                what = f"valeur inconnue pour `{step.attribute}` :"
                for value in step.cases:
                    yield ("cases", value), value, dict.fromkeys(words[step.attribute]), what
        case Gather():
            yield (
                ("into",),
                step.into,
                _of_kind(top, "chiffres"),
                "`attributes` n'a pas de `chiffres` nommé",
            )
        case Consent():
            yield ("to",), step.to, _of_kind(top, "accord"), "`attributes` n'a pas d'`accord` nommé"
        case RelayStep() if relays is not None:
            yield ("relay",), step.relay, relays, "relais inconnu"
        case _:
            pass


def _of_kind(top: Top, wanted: str) -> Mapping[str, Kind]:
    return {name: kind for name, kind in top.attributes.items() if kind == wanted}


def _instead(word: str, names: Mapping[str, object]) -> str:
    return write_instead(word, names) if names else "ajoutez-le plus bas dans le fichier"


def _check_lines(source: Source, steps: Mapping[str, AnyStep]) -> None:
    """One step for every line: where a caller waits for it, whoever sent them there."""
    first: dict[tuple[str, frozenset[str]], str] = {}
    for name, step in steps.items():
        if not isinstance(step, LineStep):
            continue
        wanted = (step.line, frozenset(step.skills))
        if wanted in first:
            what = f"la ligne `{step.line}` a déjà l'étape `{first[wanted]}`"
            source.wrong(("steps", name, "line"), what, f"allez à `{first[wanted]}` à la place")
        first.setdefault(wanted, name)
    # A refused line step is already shown; saying that its line is missing would mislead.
    refused = any(
        isinstance(written, dict) and "line" in written and name not in steps
        for name, written in names(source, "steps", quietly=True)
    )
    for line in LINES:
        if (line, frozenset()) not in first and not refused:
            what = f"aucune étape ne mène à la ligne `{line}`"
            source.wrong_key(("steps",), what, f"ajoutez une étape `line: {line}`")
