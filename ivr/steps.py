"""The steps a flow is made of: say, menu, set, hours, line, wait, hang up.

Field names are the program's, with their units; ``alias`` is the word people write.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationInfo,
    field_validator,
)

from ivr.reading import Loc, Wrong, text, write_instead

Language = Literal["fr", "en"]
Line = Literal["regulators", "listeners"]

LANGUAGES: tuple[Language, ...] = ("fr", "en")
LINES: tuple[Line, ...] = ("regulators", "listeners")
ATTRIBUTES = ("language",)  # what a flow may set on a call

RING_AFTER_SECONDS_MAX = 30.0
MENU_SECONDS_MAX = 30.0
MENU_TRIES_MAX = 3
WAIT_SECONDS_MIN = 1.0  # a shorter rest could make a waiting loop spin
WAIT_SECONDS_MAX = 300.0  # music alone for longer feels like being forgotten
CROWD_PER_AGENT_MAX = 50  # callers waiting for each agent on duty

_DURATION = re.compile(r"(\d{1,4})(?:[.,](\d{1,3}))? ?(s|min)")


def _one_of(choices: tuple[str, ...], what: str) -> BeforeValidator:
    def check(value: object) -> str:
        word = text(value)
        if word not in choices:
            raise Wrong(f"{what} `{word}`", write_instead(word, choices))
        return word

    return BeforeValidator(check)


def _duration(seconds_min: float, seconds_max: float) -> BeforeValidator:
    def check(value: object) -> float:
        word = text(value)
        found = _DURATION.fullmatch(word)
        if found is None:
            raise Wrong(f"durée illisible `{word}`", "écrivez par exemple `12 s` ou `3 min`")
        whole, part, unit = found.groups()
        seconds = float(f"{whole}.{part or 0}") * (60 if unit == "min" else 1)
        if not seconds_min <= seconds <= seconds_max:
            limits = f"entre `{seconds_min:g} s` et `{seconds_max:g} s`"
            raise Wrong(f"`{word}` est hors limites ici", f"écrivez une durée {limits}")
        return seconds

    return BeforeValidator(check)


def _yes_no(value: object) -> bool:
    word = text(value)
    if word not in ("true", "false"):
        raise Wrong(f"`{word}` n'est ni oui ni non", "écrivez `true` (oui) ou `false` (non)")
    return word == "true"


def _yes(value: object) -> bool:
    if text(value) != "true":
        raise Wrong("`hang_up` ne sait que raccrocher", "écrivez `hang_up: true`")
    return True


def _number(most: int, of_what: str) -> BeforeValidator:
    def check(value: object) -> int:
        word = text(value)
        if word not in [str(number) for number in range(1, most + 1)]:
            what = f"`{word}` n'est pas un nombre {of_what}"
            raise Wrong(what, f"écrivez un nombre de 1 à {most}")
        return int(word)

    return BeforeValidator(check)


def _key(value: object) -> str:
    word = text(value)
    if not re.fullmatch(r"[0-9*#]", word):
        what = f"`{word}` n'est pas une touche du téléphone"
        raise Wrong(what, 'écrivez un chiffre, `"*"` ou `"#"`, entre guillemets')
    return word


def _some(value: object) -> object:
    if isinstance(value, dict) and not value:
        raise Wrong("ce bloc est vide", "écrivez au moins une ligne `clé: valeur`")
    return value


def _prompt(value: object) -> str:
    word = text(value)
    if not re.fullmatch(r"[a-z0-9][a-z0-9_-]{0,63}", word):
        what = f"`{word}` ne peut pas nommer un message"
        raise Wrong(what, "écrivez en minuscules sans accent, avec des tirets : `ne-quittez-pas`")
    return word


Prompt = Annotated[str, BeforeValidator(_prompt)]
StepName = Annotated[str, BeforeValidator(text)]

_THEN = ["then: nom-de-l-étape-suivante"]


class Step(BaseModel):
    """What all steps have in common: they never change, and know no other key."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Say(Step):
    """Play a prompt. ``whole``: an agent who answers waits for its end."""

    prompt: Prompt = Field(alias="say")
    whole: Annotated[bool, BeforeValidator(_yes_no)] = False
    then: StepName | None = None


class Menu(Step):
    """Play a prompt and follow the key pressed; ``otherwise`` after ``tries`` without one."""

    prompt: Prompt = Field(alias="menu")
    keys: Annotated[
        dict[Annotated[str, BeforeValidator(_key)], StepName], BeforeValidator(_some)
    ] = Field(examples=['keys: {"2": nom-d-une-étape}'])
    seconds_max: Annotated[float, _duration(1.0, MENU_SECONDS_MAX)] = Field(
        default=5.0, alias="seconds"
    )
    tries: Annotated[int, _number(MENU_TRIES_MAX, "d'essais")] = 1
    otherwise: StepName = Field(examples=["otherwise: nom-d-une-étape"])


class SetAttributes(Step):
    """Change what is known of the call: only its language so far."""

    attributes: Annotated[
        dict[
            Annotated[str, _one_of(ATTRIBUTES, "on ne peut pas changer")],
            Annotated[Language, _one_of(LANGUAGES, "langue inconnue")],
        ],
        BeforeValidator(_some),
    ] = Field(alias="set")
    then: StepName = Field(examples=_THEN)


class Hours(Step):
    """Go one way when a calendar says open, the other when it says closed."""

    calendar: Annotated[str, BeforeValidator(text)] = Field(alias="hours")
    open: StepName = Field(examples=["open: nom-d-une-étape"])
    closed: StepName = Field(examples=["closed: nom-d-une-étape"])


class LineStep(Step):
    """Wait in a line for a person, hearing ``while_waiting``; ``on_no_staff`` when nobody is here.

    ``while_crowded`` replaces ``while_waiting`` for who joins when more callers wait than
    ``crowd_per_agent_max`` for each agent on duty. These three name steps.
    """

    line: Annotated[Line, _one_of(LINES, "ligne inconnue")]
    ring_after_seconds: Annotated[float, _duration(0.0, RING_AFTER_SECONDS_MAX)] = Field(
        default=2.0, alias="ring_after"
    )
    while_waiting: StepName = Field(examples=["while_waiting: nom-d-une-étape"])
    on_no_staff: StepName = Field(examples=["on_no_staff: nom-d-une-étape"])
    while_crowded: StepName | None = None
    crowd_per_agent_max: Annotated[int, _number(CROWD_PER_AGENT_MAX, "d'appelants")] = Field(
        default=2, alias="crowded_above"
    )

    @field_validator("crowd_per_agent_max")
    @classmethod
    def _is_of_use(cls, number: int, step: ValidationInfo) -> int:
        if "while_crowded" in step.data and step.data["while_crowded"] is None:
            what = "`crowded_above` ne sert à rien sans `while_crowded`"
            raise Wrong(what, "ajoutez `while_crowded: nom-d-une-étape`, ou retirez-le")
        return number


class Wait(Step):
    """Leave the caller with the music for a while. Only in ``while_waiting``."""

    seconds: Annotated[float, _duration(WAIT_SECONDS_MIN, WAIT_SECONDS_MAX)] = Field(alias="wait")
    then: StepName = Field(examples=_THEN)


class HangUp(Step):
    """End the call; a goodbye has been said before."""

    hang_up: Annotated[bool, BeforeValidator(_yes)]


AnyStep = Say | Menu | SetAttributes | Hours | LineStep | Wait | HangUp

# The word that begins a step -> what the step is.
VERBS: dict[str, type[AnyStep]] = {
    "say": Say,
    "menu": Menu,
    "set": SetAttributes,
    "hours": Hours,
    "line": LineStep,
    "wait": Wait,
    "hang_up": HangUp,
}


def targets(step: AnyStep) -> Iterator[tuple[Loc, str]]:
    """The steps that a step names, each with its place inside the step."""
    match step:
        case Say(then=None) | HangUp():
            return
        case Say(then=str(then)) | SetAttributes(then=then) | Wait(then=then):
            yield ("then",), then
        case Menu():
            for key, target in step.keys.items():
                yield ("keys", key), target
            yield ("otherwise",), step.otherwise
        case Hours():
            yield ("open",), step.open
            yield ("closed",), step.closed
        case LineStep():
            yield ("while_waiting",), step.while_waiting
            yield ("on_no_staff",), step.on_no_staff
            if step.while_crowded:
                yield ("while_crowded",), step.while_crowded
