"""What a flow is, and the loading that refuses a bad one before a caller can hear it.

A flow is a YAML file: what callers hear from the first ring until a person
takes the call. A mistake is shown with its line, its column and the fix.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails

from ivr.hours import Calendar
from ivr.proof import prove
from ivr.reading import FlowError, Loc, Source, Wrong, read, text, write_instead
from ivr.steps import (
    LANGUAGES,
    LINES,
    VERBS,
    AnyStep,
    Hours,
    Language,
    Line,
    LineStep,
    Menu,
    Say,
    SetAttributes,
    targets,
)

__all__ = ["FLOW_STEPS_MAX", "Flow", "FlowError", "LineStep", "load_flow"]

FLOW_STEPS_MAX = 200

_NAME = re.compile(r"\w[\w-]{0,39}")

Model = TypeVar("Model", bound=BaseModel)


class Flow(BaseModel):
    """What callers hear until a person takes the call. Loaded flows are proved: see ``proof.py``.

    The first of ``languages`` is the one spoken until the caller chooses.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    languages: tuple[Language, ...]
    start: str
    calendars: Mapping[str, Calendar]
    steps: Mapping[str, AnyStep]

    def line(self, line: Line) -> LineStep:
        """What callers hear in a line. A loaded flow has exactly one step for every line."""
        return next(
            step for step in self.steps.values() if isinstance(step, LineStep) and step.line == line
        )


def load_flow(path: Path, prompts: Collection[tuple[str, str]] | None) -> Flow:
    """Read, check and prove a flow.

    ``prompts`` holds the (language, prompt id) that exist; None skips that check.
    Raises FlowError, whose text lists every problem as
    ``file:line:column: what is wrong ; what to write instead``.
    """
    source = read(path)
    top = _checked(source, (), _Top, source.data)
    calendars = _calendars(source)
    steps = _steps(source)
    if top is not None:
        _check_names(source, top, steps)
        _check_prompts(source, top, steps, prompts)
    _check_lines(source, steps)
    if top is None or source.problems:
        raise source.error()
    prove(source, top.start, steps)
    if source.problems:
        raise source.error()
    return Flow(
        name=top.name,
        languages=top.languages,
        start=top.start,
        calendars=calendars,
        steps=steps,
    )


def _title(value: object) -> str:
    words = text(value)
    if len(words) > 80:
        raise Wrong("le nom dépasse 80 caractères", "raccourcissez-le")
    return words


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


class _Top(BaseModel):
    """The file as a whole, its calendars and steps not yet looked into."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Annotated[str, BeforeValidator(_title)] = Field(examples=["name: Notre ligne"])
    languages: Annotated[tuple[Language, ...], BeforeValidator(_languages)] = Field(
        examples=["languages: [fr, en]"]
    )
    start: Annotated[str, BeforeValidator(text)] = Field(
        examples=["start: nom-de-la-première-étape"]
    )
    calendars: dict[str, Any] = {}
    steps: dict[str, Any] = Field(examples=["steps:"])


def _calendars(source: Source) -> dict[str, Calendar]:
    found = {
        name: _checked(source, ("calendars", name), Calendar, written)
        for name, written in _named(source, "calendars")
    }
    return {name: calendar for name, calendar in found.items() if calendar is not None}


def _steps(source: Source) -> dict[str, AnyStep]:
    steps = {name: _step(source, name, written) for name, written in _named(source, "steps")}
    if len(steps) > FLOW_STEPS_MAX:
        what = f"plus de {FLOW_STEPS_MAX} étapes"
        source.wrong_key(("steps",), what, "gardez seulement les étapes utiles")
    return {name: step for name, step in steps.items() if step is not None}


def _named(source: Source, section: str) -> Iterator[tuple[str, object]]:
    for name, value in _written(source, section).items():
        if not _NAME.fullmatch(name):
            what = f"`{name[:40]}` ne peut pas servir de nom"
            fix = "écrivez un nom sans espace, 40 lettres au plus : `message-du-soir`"
            source.wrong_key((section, name), what, fix)
        yield name, value


def _written(source: Source, section: str) -> dict[str, object]:
    written = source.data.get(section) if isinstance(source.data, dict) else None
    return written if isinstance(written, dict) else {}


def _step(source: Source, name: str, written: object) -> AnyStep | None:
    loc: Loc = ("steps", name)
    if not isinstance(written, dict):
        what = f"l'étape `{name}` n'est pas un bloc"
        source.wrong_key(loc, what, "écrivez en dessous, en retrait : `say: accueil`")
        return None
    verbs = [word for word in written if word in VERBS]
    if len(verbs) == 1:
        return _checked(source, loc, VERBS[verbs[0]], written)
    if verbs:
        what = f"deux actions dans une étape : `{verbs[0]}` et `{verbs[1]}`"
        source.wrong_key((*loc, verbs[1]), what, "faites-en deux étapes, liées par `then`")
        return None
    for word in written:
        instead = write_instead(word, VERBS)
        if instead.startswith("écrivez"):
            source.wrong_key((*loc, word), f"action inconnue `{word}`", instead)
            return None
    source.wrong_key(loc, f"l'étape `{name}` ne fait rien", write_instead("", VERBS))
    return None


def _checked(source: Source, loc: Loc, model: type[Model], written: object) -> Model | None:
    try:
        return model.model_validate(written)
    except ValidationError as error:
        for detail in error.errors(include_url=False):
            _explain(source, loc, model, detail)
        return None


def _explain(source: Source, loc: Loc, model: type[BaseModel], detail: ErrorDetails) -> None:
    """Turn one refusal of pydantic's into a place, what is wrong and what to write instead."""
    path = detail["loc"]
    at_key = path[-1:] == ("[key]",)
    at = (*loc, *(path[:-1] if at_key else path))
    words = {field.alias or name: field for name, field in model.model_fields.items()}
    match detail["type"]:
        case "value_error":
            wrong = detail["ctx"]["error"]
            (source.wrong_key if at_key else source.wrong)(at, wrong.what, wrong.fix)
        case "extra_forbidden":
            word = str(path[-1])
            source.wrong_key(at, f"clé inconnue `{word}`", write_instead(word, words))
        case "missing":
            example = (words[str(path[-1])].examples or [""])[0]
            source.wrong_key(loc, f"il manque `{path[-1]}`", f"ajoutez `{example}`")
        case "tuple_type":
            source.wrong(at, "une liste est attendue ici", "écrivez-la entre crochets : `[a, b]`")
        case _:
            fix = "écrivez en dessous, en retrait, des lignes `clé: valeur`"
            source.wrong(at, "un bloc est attendu ici", fix)


def _check_names(source: Source, top: _Top, steps: Mapping[str, AnyStep]) -> None:
    """Every step, calendar and language that is named must exist in this file."""
    # Names as written, even of steps refused on their own: one mistake, one line.
    if top.start not in top.steps:
        source.wrong(("start",), f"étape inconnue `{top.start}`", _instead(top.start, top.steps))
    for name, step in steps.items():
        at: Loc = ("steps", name)
        for loc, target in targets(step):
            if target not in top.steps:
                what = f"étape inconnue `{target}`"
                source.wrong((*at, *loc), what, _instead(target, top.steps))
        if isinstance(step, Hours) and step.calendar not in top.calendars:
            what = f"calendrier inconnu `{step.calendar}`"
            source.wrong((*at, "hours"), what, _instead(step.calendar, top.calendars))
        if isinstance(step, SetAttributes):
            language = step.attributes.get("language")
            if language and language not in top.languages:
                what = f"la langue `{language}` n'est pas parlée par ce fichier"
                fix = f"ajoutez `{language}` à `languages`, en haut"
                source.wrong((*at, "set", "language"), what, fix)


def _instead(word: str, names: Mapping[str, object]) -> str:
    return write_instead(word, names) if names else "ajoutez-le plus bas dans le fichier"


def _check_prompts(
    source: Source,
    top: _Top,
    steps: Mapping[str, AnyStep],
    prompts: Collection[tuple[str, str]] | None,
) -> None:
    if prompts is None:
        return
    ids = {prompt for _, prompt in prompts}
    for name, step in steps.items():
        if not isinstance(step, Say | Menu):
            continue
        at: Loc = ("steps", name, "say" if isinstance(step, Say) else "menu")
        if step.prompt not in ids:
            what = f"message inconnu `{step.prompt}`"
            source.wrong(at, what, write_instead(step.prompt, ids))
            continue
        for language in top.languages:
            if (language, step.prompt) not in prompts:
                what = f"le message `{step.prompt}` n'existe pas en `{language}`"
                fix = f"enregistrez-le, ou retirez `{language}` de `languages`"
                source.wrong(at, what, fix)


def _check_lines(source: Source, steps: Mapping[str, AnyStep]) -> None:
    """One step for every line: where a caller waits for it, whoever sent them there."""
    first: dict[str, str] = {}
    for name, step in steps.items():
        if not isinstance(step, LineStep):
            continue
        if step.line in first:
            what = f"la ligne `{step.line}` a déjà l'étape `{first[step.line]}`"
            source.wrong(("steps", name, "line"), what, f"allez à `{first[step.line]}` à la place")
        first.setdefault(step.line, name)
    # A refused line step is already shown; saying that its line is missing would mislead.
    refused = any(
        isinstance(written, dict) and "line" in written and name not in steps
        for name, written in _written(source, "steps").items()
    )
    for line in LINES:
        if line not in first and not refused:
            what = f"aucune étape ne mène à la ligne `{line}`"
            source.wrong_key(("steps",), what, f"ajoutez une étape `line: {line}`")
