"""What addresses take and answer, as typed models: the OpenAPI document is generated from them.

A handler says it with ``says``, beside who may use it (``allow``). What the guard and the
middlewares answer for every handler is said once, in ``openapi.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Literal, TypeVar

from aiohttp import web
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from cti.web import words
from cti.web.frames import Closed, Open, Problem
from cti.web.language import language_of

T = TypeVar("T")
M = TypeVar("M", bound=BaseModel)
HTML = "text/html"

# One answer: a model for JSON, a media type for anything else, None for nothing but the status.
Answer = type[BaseModel] | str | None


class Refusal(Open):
    """Why nothing was done."""

    error: Problem


class Done(Open):
    """It was done."""

    ok: Literal[True]


class Credentials(Closed):
    """Who wants to sign in."""

    username: str
    password: str


class Password(Closed):
    """The password of who is signed in."""

    password: str


class SignedIn(Open):
    """A session: a token for programs; browsers get it as a cookie too."""

    token: str = Field(description="to be sent as Authorization: Bearer <token>; keep it secret")
    csrf: str = Field(description="for X-CSRF-Token, where the cookie is used")
    expires_at: AwareDatetime


class Me(Open):
    """Who is signed in."""

    id: str
    name: str
    roles: list[str]


class Lateness(Open):
    """How late something was in the last ten seconds, in milliseconds."""

    p50: float
    p99: float
    worst: float
    count: int = Field(description="how many were looked at")


class HealthView(Open):
    """Calls are served; how well what is behind them does."""

    status: Literal["ok", "degraded"]
    event_lag_ms: Lateness | None = Field(default=None, description="of what the engine tells")
    loop_lag_ms: Lateness | None = Field(default=None, description="of the program itself")


class SignInForm(BaseModel):
    """The fields of the page that signs in."""

    model_config = ConfigDict(extra="allow")

    form: str = Field(description="the token that the page was shown with")
    username: str
    password: str


class IceServer(Open):
    """A relay of sound, as WebRTC writes it."""

    urls: str
    username: str
    credential: str


class PhoneAccount(Open):
    """What a page needs to be a phone; the account ends with the session."""

    account: str
    secret: str
    ice_servers: list[IceServer]


class Both(Open):
    """One text in both tongues."""

    fr: str
    en: str


class Choice(Open):
    """One answer that may be chosen."""

    id: str
    label: Both


class Purpose(Both):
    """What an answer is for."""

    id: str


class FieldView(Open):
    """One question of the form."""

    id: str
    kind: Literal["text", "number", "choice", "choices", "yes_no"]
    label: Both
    help: Both
    options: list[Choice]
    pii: bool = Field(description="whether the answer may tell who somebody is")
    purpose: Purpose
    retention_days: int
    chars_max: int | None
    number_max: int | None


class FormView(Open):
    """The form of a note."""

    version: str
    fields: list[FieldView]


class PartView(Open):
    """A paragraph, or a list of points."""

    text: str | None = None
    points: list[str] = Field(default_factory=list)


class BodyView(Open):
    """What a card says, in both tongues."""

    fr: list[PartView]
    en: list[PartView]


class SourceView(Open):
    """Where what a card says comes from."""

    name: str
    url: str | None


class CardView(Open):
    """One script card."""

    id: str
    title: Both
    body: BodyView
    sources: list[SourceView]
    needs: list[str]
    danger: int | None
    reviewed_at: date | None
    review_every_days: int
    signed_by: str | None
    draft: bool = Field(description="whether nobody has signed it yet")
    overdue: bool = Field(description="whether it should have been reviewed again by now")


class CardsView(Open):
    """The script cards, in order."""

    cards: list[CardView]


class NoteView(Open):
    """What an agent wrote of a call; it goes to nobody else."""

    form: str | None = Field(description="the version of the form it was written with")
    values: dict[str, bool | int | str | list[str]]
    version: int
    saved_at: AwareDatetime | None


class NoteRefusal(Refusal):
    """Why a note was not saved, and which answer is wrong."""

    field: str | None = None


class NoteConflict(Refusal):
    """Why a note was not saved: over another, what that other holds."""

    form: str | None = None
    values: dict[str, bool | int | str | list[str]] | None = None
    version: int | None = None
    saved_at: AwareDatetime | None = None


class Saved(Open):
    """The note is kept."""

    version: int
    saved_at: AwareDatetime


class Day(Open):
    """One day of an agent, in Paris."""

    day: date
    on_duty_minutes: int
    talking_minutes: int
    talks: int


class MyHours(Open):
    """An agent's own days, the oldest first."""

    days: list[Day]


class Talk(Open):
    """One talk that an agent had."""

    call: str
    at: AwareDatetime
    role: str
    line: str | None
    talk_seconds: int
    disposition: str | None
    note: bool = Field(description="whether they may still read and change what they wrote")


class MyCalls(Open):
    """The talks an agent had, the latest first."""

    calls: list[Talk]


class LanguageForm(Closed):
    """The language of the pages, as a page posts it."""

    language: Literal["fr", "en"]


@dataclass(frozen=True)
class Said:
    """What a handler takes and answers."""

    answers: Mapping[int, Answer]
    body: type[BaseModel] | None
    form: bool  # the body is posted by a page, not JSON


def says(
    answers: Mapping[int, Answer], body: type[BaseModel] | None = None, *, form: bool = False
) -> Callable[[T], T]:
    """Say what a handler answers, by status, and the body it takes."""

    def mark(handler: T) -> T:
        vars(handler)["said"] = Said(answers, body, form)
        return handler

    return mark


def said_of(handler: object) -> Said | None:
    """What a handler takes and answers; None when it does not say."""
    said: Said | None = getattr(handler, "said", None)
    return said


class BadBodyError(Exception):
    """A body that is not what the handler takes; ``answer`` says so."""

    def __init__(self, answer: web.Response) -> None:
        super().__init__(answer.status)
        self.answer = answer


async def read_body(request: web.Request, model: type[M], shape: str) -> M:
    """Read the JSON body of a request. Raises BadBodyError, with an example of the right ``shape``.

    JSON only: a page of another site can post a form here, or text, but not JSON.
    """
    tongue = language_of(request)
    if request.content_type != "application/json":
        raise BadBodyError(problem(415, "json_expected", words.JSON_EXPECTED.said(tongue)))
    try:
        return model.model_validate_json(await request.read())
    except ValidationError:
        raise BadBodyError(
            problem(400, "bad_request", words.BAD_BODY.said(tongue).format(shape))
        ) from None


def problem(status: int, code: str, message: str, **more: Any) -> web.Response:
    """Say why nothing was done: a code for programs, a sentence for people."""
    refusal: dict[str, Any] = {"error": {"code": code, "message": message}}
    return web.json_response(refusal | more, status=status)
