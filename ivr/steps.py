"""The steps a flow is made of, and the ways that lead from one to the next.

Field names are the program's, with their units; ``alias`` is the word people write.
``description`` is the help that an editor shows to who writes a flow, in French.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Annotated, Literal, NamedTuple, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationInfo, field_validator

from ivr.reading import Loc, Wrong, text
from ivr.values import (
    Key,
    Prompt,
    StepName,
    Word,
    YesNo,
    duration,
    number,
    one_of,
    only_true,
    some,
)

Language = Literal["fr", "en"]
Line = Literal["regulators", "listeners"]

LANGUAGES: tuple[Language, ...] = ("fr", "en")
LINES: tuple[Line, ...] = ("regulators", "listeners")
Strategy = Literal["longest_idle", "fewest_calls", "linear", "ring_all", "least_load"]
STRATEGIES: tuple[Strategy, ...] = get_args(Strategy)

RING_AFTER_SECONDS_MAX = 30.0
ANSWER_SECONDS_MAX = 30.0  # how long a question waits for a key
TRIES_MAX = 3
GATHER_DIGITS_MAX = 5  # a postcode; never so many that a caller could type who they are
WAIT_SECONDS_MIN = 1.0  # a shorter rest could make a waiting loop spin
WAIT_SECONDS_MAX = 300.0  # music alone for longer feels like being forgotten
GROUNDING_SECONDS_MAX = 1800.0
LINE_WAIT_SECONDS_MIN = 30.0
LINE_WAIT_SECONDS_MAX = 3600.0  # by then the line must have something better to offer
CROWD_PER_AGENT_MAX = 50  # callers waiting for each agent on duty
LINE_CALLERS_MAX = 500  # callers waiting in one line
SKILL_LEVEL_MAX = 3
RELAX_SECONDS_MAX = 1800.0
STAND_IN_SECONDS_MAX = 1800.0

# What is said of an estimated wait, each up to so many seconds: the nearest of what can be said.
ESTIMATES_SAID: tuple[tuple[float, str], ...] = (
    (120.0, "attente-moins-de-2"),
    (240.0, "attente-3"),
    (450.0, "attente-5"),
    (750.0, "attente-10"),
    (1050.0, "attente-15"),
    (1350.0, "attente-20"),
)
LONGEST_ESTIMATE_SAID = "attente-plus-de-20"
ESTIMATE_PROMPTS = (*(prompt for _, prompt in ESTIMATES_SAID), LONGEST_ESTIMATE_SAID)
POSITION_PROMPTS = ("place-1", "place-2", "place-3")  # further back, a number is no help

_THEN = ["then: nom-de-l-étape-suivante"]
_STEP = "nom-d-une-étape"
_Answer = Annotated[float, duration(1.0, ANSWER_SECONDS_MAX)]
Level = Annotated[int, number(SKILL_LEVEL_MAX, "pour un niveau")]


def _levels(value: object) -> object:
    """A list of skills is one of skills at any level."""
    some(value)
    return {text(word): "1" for word in value} if isinstance(value, list) else value


class Step(BaseModel):
    """What all steps have in common: they never change, and know no other key."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Say(Step):
    """Dire un message, puis passer à la suite."""

    prompt: Prompt = Field(alias="say", description="Le message à dire, par son nom.")
    whole: YesNo = Field(
        default=False,
        description="true : dit jusqu'au bout, même si quelqu'un a déjà répondu. Une seule fois "
        "par appel.",
    )
    then: StepName | None = Field(default=None, description="L'étape suivante.")


class Menu(Step):
    """Poser une question et suivre la touche choisie."""

    prompt: Prompt = Field(alias="menu", description="Le message qui pose la question.")
    keys: Annotated[dict[Key, StepName], BeforeValidator(some)] = Field(
        examples=[f'keys: {{"2": {_STEP}}}'], description="Touche → étape où elle mène."
    )
    seconds_max: _Answer = Field(
        default=5.0, alias="seconds", description="Combien de temps attendre une touche."
    )
    tries: Annotated[int, number(TRIES_MAX, "d'essais")] = Field(
        default=1, description="Combien de fois la question est posée."
    )
    otherwise: StepName = Field(
        examples=[f"otherwise: {_STEP}"], description="L'étape de qui n'appuie sur rien."
    )


class ChooseLanguage(Step):
    """Proposer une autre langue ; sans touche, rien ne change."""

    prompt: Prompt = Field(alias="language", description="Le message qui propose les langues.")
    keys: Annotated[
        dict[Key, Annotated[Language, one_of(LANGUAGES, "langue inconnue")]], BeforeValidator(some)
    ] = Field(examples=['keys: {"2": en}'], description="Touche → langue.")
    seconds_max: _Answer = Field(
        default=2.0, alias="seconds", description="Combien de temps attendre une touche."
    )
    then: StepName = Field(examples=_THEN, description="L'étape suivante, dans tous les cas.")


class Gather(Step):
    """Demander quelques chiffres, par exemple un département. `#` termine plus tôt."""

    prompt: Prompt = Field(alias="gather", description="Le message qui demande les chiffres.")
    into: Word = Field(
        examples=["into: departement"],
        description="Le nom sous lequel la fiche montre ces chiffres à l'intervenant.",
    )
    digits_max: Annotated[int, number(GATHER_DIGITS_MAX, "de chiffres")] = Field(
        alias="digits", examples=["digits: 2"], description="Combien de chiffres au plus."
    )
    seconds_max: _Answer = Field(
        default=5.0, alias="seconds", description="Combien de temps attendre chaque chiffre."
    )
    tries: Annotated[int, number(TRIES_MAX, "d'essais")] = Field(
        default=1, description="Combien de fois la question est posée."
    )
    then: StepName = Field(examples=_THEN, description="L'étape suivante, chiffres donnés.")
    otherwise: StepName = Field(
        examples=[f"otherwise: {_STEP}"], description="L'étape de qui n'appuie sur rien."
    )


class SetAttributes(Step):
    """Noter sur l'appel sa langue, un besoin."""

    attributes: Annotated[dict[Word, Word], BeforeValidator(some)] = Field(
        alias="set", description="Ce qui est noté : `language: en`, ou un mot de `attributes`."
    )
    then: StepName = Field(examples=_THEN, description="L'étape suivante.")


class Branch(Step):
    """Suivre un chemin selon ce qui est noté : `language`, `profile` ou un mot de `attributes`."""

    attribute: Word = Field(alias="branch", description="Ce qui est regardé.")
    cases: Annotated[dict[Word, StepName], BeforeValidator(some)] = Field(
        examples=[f"cases: {{en: {_STEP}}}"], description="Valeur → étape."
    )
    otherwise: StepName = Field(
        examples=[f"otherwise: {_STEP}"], description="L'étape de tous les autres."
    )


class Hours(Step):
    """Suivre un chemin quand un calendrier dit ouvert, l'autre quand il dit fermé."""

    calendar: Word = Field(alias="hours", description="Le nom d'un calendrier du fichier.")
    open: StepName = Field(examples=[f"open: {_STEP}"], description="L'étape quand c'est ouvert.")
    closed: StepName = Field(
        examples=[f"closed: {_STEP}"], description="L'étape quand c'est fermé."
    )


class LongWait(Step):
    """Ce qui est proposé après une longue attente ; l'appelant garde sa place en l'écoutant."""

    after_seconds: Annotated[float, duration(LINE_WAIT_SECONDS_MIN, LINE_WAIT_SECONDS_MAX)] = Field(
        alias="after", examples=["after: 10 min"], description="Après combien d'attente."
    )
    then: StepName = Field(examples=_THEN, description="L'étape qui propose mieux.")


class Full(Step):
    """Ce qui est dit à qui appelle quand trop de monde attend déjà."""

    callers_max: Annotated[int, number(LINE_CALLERS_MAX, "d'appelants")] = Field(
        alias="above", examples=["above: 20"], description="Au-delà de combien d'appelants."
    )
    then: StepName = Field(examples=_THEN, description="L'étape de qui ne peut pas attendre ici.")


class LineStep(Step):
    """Attendre une personne : les téléphones sonnent pendant que `while_waiting` se dit."""

    line: Annotated[Line, one_of(LINES, "ligne inconnue")] = Field(
        description="`regulators` (première voix) ou `listeners` (écoutants)."
    )
    skills: Annotated[
        Mapping[Word, Level],
        BeforeValidator(_levels, json_schema_input_type=list[Word] | dict[Word, Level]),
    ] = Field(
        default={},
        description="Seulement qui a ces compétences : `[aidants]`, ou `{violences: 2}` pour un "
        "niveau de 1 à 3.",
    )
    relax_every_seconds: Annotated[float, duration(10.0, RELAX_SECONDS_MAX)] | None = Field(
        default=None,
        alias="relax_every",
        description="Facultatif : le niveau demandé baisse d'un à chaque fois, jamais sous 1.",
    )
    strategy: Annotated[Strategy, one_of(STRATEGIES, "façon de choisir inconnue")] = Field(
        default="longest_idle",
        description="Qui est appelé d'abord : `longest_idle` (libre depuis le plus longtemps), "
        "`fewest_calls` (le moins d'appels), `linear` (toujours dans le même ordre), `ring_all` "
        "(tous ensemble) ou `least_load` (la journée la moins lourde).",
    )
    stand_in_after_seconds: Annotated[float, duration(0.0, STAND_IN_SECONDS_MAX)] = Field(
        default=60.0,
        alias="stand_in_after",
        description="Après cette attente, les écoutants qui y ont consenti sont appelés aussi, "
        "à défaut de régulateur.",
    )
    ring_after_seconds: Annotated[float, duration(0.0, RING_AFTER_SECONDS_MAX)] = Field(
        default=2.0,
        alias="ring_after",
        description="Beaucoup raccrochent aussitôt : avant, on ne dérange personne.",
    )
    while_waiting: StepName = Field(
        examples=[f"while_waiting: {_STEP}"], description="L'étape entendue en attendant."
    )
    on_no_staff: StepName = Field(
        examples=[f"on_no_staff: {_STEP}"], description="L'étape quand personne n'est là."
    )
    on_wait_longer_than: LongWait = Field(
        examples=["on_wait_longer_than: {after: 10 min, then: nom-d-une-étape}"],
        description="L'attente a une limite, après laquelle mieux est proposé.",
    )
    on_full: Full | None = Field(default=None, description="Facultatif : la ligne est pleine.")
    while_crowded: StepName | None = Field(
        default=None, description="Facultatif : entendu au lieu de `while_waiting`, en affluence."
    )
    crowd_per_agent_max: Annotated[int, number(CROWD_PER_AGENT_MAX, "d'appelants")] = Field(
        default=2,
        alias="crowded_above",
        description="L'affluence : au-delà de tant d'appelants par personne en service.",
    )

    @field_validator("crowd_per_agent_max")
    @classmethod
    def _is_of_use(cls, number: int, step: ValidationInfo) -> int:
        if "while_crowded" in step.data and step.data["while_crowded"] is None:
            what = "`crowded_above` ne sert à rien sans `while_crowded`"
            raise Wrong(what, "ajoutez `while_crowded: nom-d-une-étape`, ou retirez-le")
        return number


class RelayStep(Step):
    """Mettre en relation avec un relais du fichier relays.yaml, s'il est ouvert et vérifié."""

    relay: Word = Field(description="Le nom d'un relais de relays.yaml.")
    prompt: Prompt | None = Field(
        default=None, alias="say", description="Facultatif : dit pendant que le relais sonne."
    )
    otherwise: StepName = Field(
        examples=[f"otherwise: {_STEP}"],
        description="L'étape quand le relais est fermé, occupé ou ne répond pas.",
    )
    then: StepName = Field(
        examples=_THEN, description="L'étape entendue quand le relais a raccroché."
    )


class Wait(Step):
    """Laisser l'appelant avec la musique. Seulement pendant l'attente."""

    seconds: Annotated[float, duration(WAIT_SECONDS_MIN, WAIT_SECONDS_MAX)] = Field(
        alias="wait", description="Combien de temps."
    )
    then: StepName = Field(examples=_THEN, description="L'étape suivante.")


class WaitEstimate(Step):
    """Dire l'attente estimée, si elle est connue ; sinon ne rien dire. Seulement pendant l'attente.

    Elle n'est jamais devinée : sans assez de conversations passées, ou quand les dernières
    estimations étaient fausses, on passe à la suite sans un mot.
    """

    wait_estimate: Annotated[bool, only_true("wait_estimate", "dire l'attente estimée")]
    position: YesNo = Field(
        default=False,
        description="true : dire aussi leur place à qui sera servi bientôt, les trois premiers "
        "seulement.",
    )
    then: StepName = Field(examples=_THEN, description="L'étape suivante, dans tous les cas.")


class Ground(Step):
    """Apaiser : des messages dits en boucle, sur la musique. Seulement pendant l'attente."""

    prompts: Annotated[tuple[Prompt, ...], BeforeValidator(some)] = Field(
        alias="ground", description="Les messages, dits l'un après l'autre."
    )
    every_seconds: Annotated[float, duration(WAIT_SECONDS_MIN, WAIT_SECONDS_MAX)] = Field(
        default=8.0, alias="every", description="La musique entre deux messages."
    )
    seconds: Annotated[float, duration(WAIT_SECONDS_MIN, GROUNDING_SECONDS_MAX)] = Field(
        alias="for", examples=["for: 3 min"], description="Combien de temps en tout."
    )
    then: StepName = Field(examples=_THEN, description="L'étape suivante.")


class Probe(Step):
    """Demander à qui ne peut pas parler : une touche pour oui, deux pour non."""

    prompt: Prompt = Field(alias="probe", description="La question, qui dit comment répondre.")
    seconds_max: _Answer = Field(
        default=6.0, alias="seconds", description="Combien de temps attendre une touche."
    )
    yes: StepName = Field(examples=[f"yes: {_STEP}"], description="L'étape après une touche.")
    no: StepName = Field(examples=[f"no: {_STEP}"], description="L'étape après deux touches.")
    otherwise: StepName = Field(
        examples=[f"otherwise: {_STEP}"], description="L'étape de qui n'appuie sur rien."
    )


class Notice(Step):
    """L'avertissement de la loi, dit en entier ; une touche pour en savoir plus."""

    prompt: Prompt = Field(alias="notice", description="L'avertissement, court.")
    more: Prompt | None = Field(
        default=None, description="Facultatif : ce qu'entend qui appuie sur `key`."
    )
    key: Key = Field(default="9", description="La touche pour en savoir plus.")
    seconds_max: _Answer = Field(
        default=1.0, alias="seconds", description="Combien de temps attendre cette touche."
    )
    then: StepName = Field(examples=_THEN, description="L'étape suivante.")


class Consent(Step):
    """Demander un accord, noté sur l'appel : oui seulement avec la touche."""

    prompt: Prompt = Field(alias="consent", description="La question.")
    to: Word = Field(examples=["to: rappel"], description="À quoi l'appelant consent.")
    key: Key = Field(default="1", description="La touche qui dit oui.")
    seconds_max: _Answer = Field(
        default=5.0, alias="seconds", description="Combien de temps attendre la touche."
    )
    then: StepName = Field(examples=_THEN, description="L'étape suivante, dans les deux cas.")


class DayMessage(Step):
    """Dire le message du jour, s'il y en a un (`fil flow message`)."""

    day_message: Annotated[bool, only_true("day_message", "dire le message du jour")]
    then: StepName = Field(examples=_THEN, description="L'étape suivante.")


class SubFlow(Step):
    """Suivre un autre fichier, de `parts/`, puis revenir."""

    flow: Word = Field(description="Le nom du fichier dans `parts/`, sans `.yaml`.")
    then: StepName = Field(examples=_THEN, description="L'étape après son `back: true`.")


class Back(Step):
    """Revenir au fichier qui a appelé celui-ci. Seulement dans `parts/`."""

    back: Annotated[bool, only_true("back", "revenir")]


class HangUp(Step):
    """Raccrocher, après un au revoir."""

    hang_up: Annotated[bool, only_true("hang_up", "raccrocher")]


AnyStep = (
    Say
    | Menu
    | ChooseLanguage
    | Gather
    | SetAttributes
    | Branch
    | Hours
    | LineStep
    | RelayStep
    | Wait
    | WaitEstimate
    | Ground
    | Probe
    | Notice
    | Consent
    | DayMessage
    | SubFlow
    | Back
    | HangUp
)

# The word that begins a step -> what the step is.
VERBS: Mapping[str, type[AnyStep]] = {
    "say": Say,
    "menu": Menu,
    "language": ChooseLanguage,
    "gather": Gather,
    "set": SetAttributes,
    "branch": Branch,
    "hours": Hours,
    "line": LineStep,
    "relay": RelayStep,
    "wait": Wait,
    "wait_estimate": WaitEstimate,
    "ground": Ground,
    "probe": Probe,
    "notice": Notice,
    "consent": Consent,
    "day_message": DayMessage,
    "flow": SubFlow,
    "back": Back,
    "hang_up": HangUp,
}


class Way(NamedTuple):
    """One way out of a step: where it is written, where it leads, and what makes a caller take it.

    ``how``: ``then`` (nothing is asked of them), ``key`` (only by pressing), ``none`` (they were
    asked and pressed nothing), ``case`` (the time, the crisis mode, what is known of them), or
    what befalls who is in a line: ``waiting crowded no_staff long full``; ``relay`` of a relay.
    """

    loc: Loc
    target: str
    how: str
    caption: str


def ways(step: AnyStep) -> Iterator[Way]:
    """The ways out of a step, the one of a caller who does nothing first."""
    match step:
        case Menu() | Gather() | Probe():
            yield Way(("otherwise",), step.otherwise, "none", "ne touche à rien")
        case Branch():
            yield Way(("otherwise",), step.otherwise, "case", f"{step.attribute} : rien de prévu")
        case _:
            pass
    match step:
        case Menu():
            for key, target in step.keys.items():
                yield Way(("keys", key), target, "key", f"appuie sur {key}")
        case Gather():
            yield Way(("then",), step.then, "key", "donne les chiffres")
        case Probe():
            yield Way(("yes",), step.yes, "key", "appuie une fois (oui)")
            yield Way(("no",), step.no, "key", "appuie deux fois (non)")
        case Branch():
            for value, target in step.cases.items():
                yield Way(("cases", value), target, "case", f"{step.attribute} : {value}")
        case Hours():
            yield Way(("open",), step.open, "case", f"calendrier {step.calendar} : ouvert")
            yield Way(("closed",), step.closed, "case", f"calendrier {step.calendar} : fermé")
        case LineStep():
            yield from _ways_of_line(step)
        case RelayStep():
            yield Way(("otherwise",), step.otherwise, "relay", "le relais ne répond pas")
            yield Way(("then",), step.then, "relay", "le relais a répondu, puis raccroché")
        case HangUp() | Back() | Say(then=None):
            return
        case _:
            assert step.then is not None
            yield Way(("then",), step.then, "then", "")


def _ways_of_line(step: LineStep) -> Iterator[Way]:
    yield Way(("while_waiting",), step.while_waiting, "waiting", "attend")
    yield Way(("on_no_staff",), step.on_no_staff, "no_staff", "personne n'est là")
    long = step.on_wait_longer_than
    yield Way(("on_wait_longer_than", "then"), long.then, "long", "a longtemps attendu")
    if step.while_crowded:
        yield Way(("while_crowded",), step.while_crowded, "crowded", "attend, en affluence")
    if step.on_full:
        yield Way(("on_full", "then"), step.on_full.then, "full", "la ligne est pleine")


def keys_of(step: AnyStep) -> Iterator[tuple[Loc, str]]:
    """The keys that a step listens for, each with its place inside the step."""
    match step:
        case Menu() | ChooseLanguage():
            for key in step.keys:
                yield ("keys", key), key
        case Consent() | Notice(more=str()):
            yield ("key",), step.key
        case _:
            pass


def prompts_of(step: AnyStep) -> Iterator[tuple[Loc, str]]:
    """The prompts that a step may play, each with its place inside the step."""
    match step:
        case Say() | Menu() | ChooseLanguage() | Gather() | Probe() | Notice() | Consent():
            verb = next(word for word, kind in VERBS.items() if isinstance(step, kind))
            yield (verb,), step.prompt
            if isinstance(step, Notice) and step.more:
                yield ("more",), step.more
        case RelayStep(prompt=str(prompt)):
            yield ("say",), prompt
        case Ground():
            for place, prompt in enumerate(step.prompts):
                yield ("ground", place), prompt
        case WaitEstimate():
            for prompt in ESTIMATE_PROMPTS:
                yield ("wait_estimate",), prompt
            for prompt in POSITION_PROMPTS if step.position else ():
                yield ("position",), prompt
        case _:
            pass


_LEADS = frozenset(
    {"then", "otherwise", "open", "closed", "yes", "no"}
    | {"while_waiting", "on_no_staff", "while_crowded"}
)


def led_elsewhere(step: AnyStep, to: Callable[[str], str]) -> AnyStep:
    """The same step, each of its ways leading to what ``to`` makes of its target."""
    changed: dict[str, object] = {}
    for field, value in step:
        if isinstance(value, LongWait | Full):
            changed[field] = value.model_copy(update={"then": to(value.then)})
        elif field in _LEADS and isinstance(value, str):
            changed[field] = to(value)
        elif field == "cases" or (field == "keys" and isinstance(step, Menu)):
            changed[field] = {word: to(target) for word, target in value.items()}
    return step.model_copy(update=changed)


def estimate_prompt(seconds: float) -> str:
    """What is said of a wait of so many seconds."""
    said = (prompt for up_to, prompt in ESTIMATES_SAID if seconds < up_to)
    return next(said, LONGEST_ESTIMATE_SAID)
