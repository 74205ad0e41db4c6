"""What an agent writes and reads beside a call: the form, their note, the script cards.

A note goes to who wrote it and to nobody else, in the body of an answer: never in an address, a
frame or a log. What is refused is said in words, and the page keeps what was typed.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from typing import Annotated, Any

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from cti import clock
from cti.people.agents import Agent, Presence
from cti.people.hours import Hours
from cti.records.database import DatabaseAway
from cti.records.form import Form, ValueRefused
from cti.records.mine import PARIS, Mine
from cti.records.notes import ChangedElsewhere, Note, Notes
from cti.records.papers import Papers
from cti.records.privacy import SealBroken
from cti.web import words
from cti.web.answers import (
    CardsView,
    FormView,
    NoteConflict,
    NoteRefusal,
    NoteView,
    Refusal,
    Saved,
    problem,
    says,
)
from cti.web.door import EVERYONE, WHO, allow
from cti.web.language import language_of

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Writing:
    """What the handlers of this file and of ``mine.py`` need."""

    papers: Papers
    notes: Notes
    mine: Mine
    hours: Hours


WRITING: web.AppKey[Writing | None] = web.AppKey("writing")


class NotePut(BaseModel):
    """A note as a page sends it, whole; ``version`` is the one it was written over."""

    model_config = ConfigDict(extra="forbid", strict=True)

    values: dict[str, Any]
    version: Annotated[int, Field(ge=0, lt=2**31)]
    form: str | None = Field(
        default=None, description="the version of the form it was written with; null: the present"
    )


def writing_of(request: web.Request) -> Writing:
    """What this line keeps of what agents write. Raises HTTPNotFound where it keeps nothing."""
    writing = request.app[WRITING]
    if writing is None:
        raise web.HTTPNotFound
    return writing


def refused(request: web.Request, status: int, code: str, **more: Any) -> web.Response:
    """An error with its code and its sentence in the reader's tongue."""
    return problem(status, code, words.writing_error(code).said(language_of(request)), **more)


@allow(*EVERYONE)
@says({200: FormView, 404: Refusal})
async def form(request: web.Request) -> web.Response:
    """``GET /api/v1/form``: the form of a note; ``?version=`` for one of before."""
    papers = writing_of(request).papers
    version = request.query.get("version")
    found = papers.form if version is None else await asyncio.to_thread(papers.form_of, version)
    if found is None:
        return refused(request, 404, "no_form")
    return web.json_response({"version": found.version, **found.view()})


@allow(*EVERYONE)
@says({200: CardsView, 404: Refusal})
async def cards(request: web.Request) -> web.Response:
    """``GET /api/v1/cards``: the script cards, in order, with what is due of each."""
    today = clock.now().astimezone(PARIS).date()
    found = writing_of(request).papers.cards
    return web.json_response({"cards": [card.view(id_, today) for id_, card in found.items()]})


@allow(*EVERYONE)
@says({200: NoteView, 404: Refusal, 503: Refusal})
async def read_note(request: web.Request) -> web.Response:
    """``GET /api/v1/calls/{call}/note``: what this agent wrote of a call that they have, or had."""
    writing, agent, call_id = writing_of(request), request[WHO], request.match_info["call"]
    try:
        if not await _may_write(writing, agent, call_id):
            return refused(request, 403, "note_closed")
        note = await writing.notes.read(call_id, agent.id)
    except (DatabaseAway, SealBroken) as error:
        return _unavailable(request, error)
    return web.json_response(_view(note, writing.papers.form))


@allow(*EVERYONE)
@says(
    {
        200: Saved,
        400: NoteRefusal,
        404: Refusal,
        409: NoteConflict,
        413: NoteRefusal,
        503: Refusal,
    },
    NotePut,
)
async def save_note(request: web.Request) -> web.Response:
    """``PUT /api/v1/calls/{call}/note``: replace it. 409 with what it holds, if it has changed."""
    writing, agent, call_id = writing_of(request), request[WHO], request.match_info["call"]
    try:
        put = NotePut.model_validate_json(await request.read())
    except ValidationError:  # without the details: they repeat what was typed
        return refused(request, 400, "bad_note")
    form_ = await _form_of(writing.papers, put)
    if form_ is None:
        return (
            refused(request, 409, "form_changed") if put.form else refused(request, 404, "no_form")
        )
    try:
        values = form_.accept(put.values)
    except ValueRefused as error:
        status = 413 if str(error) == "text_too_long" else 400
        return refused(request, status, str(error), field=error.field)
    try:
        if not await _may_write(writing, agent, call_id):
            return refused(request, 403, "note_closed")
        note = await writing.notes.save(call_id, agent.id, form_, values, put.version, clock.now())
    except ChangedElsewhere as changed:
        return refused(request, 409, "changed_elsewhere", **_view(changed.note, form_))
    except (DatabaseAway, SealBroken) as error:
        return _unavailable(request, error)
    assert note.saved_at is not None
    return web.json_response({"version": note.version, "saved_at": note.saved_at.isoformat()})


async def _form_of(papers: Papers, put: NotePut) -> Form | None:
    if put.form is None:
        return papers.form
    return await asyncio.to_thread(papers.form_of, put.form)


async def _may_write(writing: Writing, agent: Agent, call_id: str) -> bool:
    """Whether the call is theirs now, or was not long ago. Raises DatabaseAway."""
    with_it = agent.presence in (Presence.TALKING, Presence.WRAP_UP) and agent.call_id == call_id
    return with_it or await writing.notes.may_still_write(call_id, agent.id, clock.now())


def _view(note: Note, present: Form | None) -> dict[str, Any]:
    return {
        "form": note.form or (present.version if present else None),
        "values": note.values,
        "version": note.version,
        "saved_at": note.saved_at.isoformat() if note.saved_at else None,
    }


def _unavailable(request: web.Request, error: Exception) -> web.Response:
    if isinstance(error, SealBroken):
        log.error("note.unreadable")
        return refused(request, 503, "note_unreadable")
    return refused(request, 503, "database_away")
