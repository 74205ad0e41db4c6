"""What agents write about a call: each answer sealed on its own, for as long as its field says.

A note belongs to one call and one agent. It goes straight to the database, never through the
journal: it is saved every few seconds, and who wrote it keeps it until it is.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, TypeVar

from sqlalchemy import ColumnElement, CursorResult, and_, delete, or_, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from cti.records.database import Database, DatabaseAway
from cti.records.form import Form, Value
from cti.records.models import Call, Leg, Sealed
from cti.records.models import Note as NoteRow
from cti.records.privacy import Keys

# After a talk, its wrap-up included: time to finish a note that could not be saved before.
OPEN_AFTER_TALK: Final = timedelta(hours=2)
EMPTIED_KEPT: Final = timedelta(days=1)  # that there was a note, where nothing is left of it
SECONDS_MAX: Final = 3.0  # then the database is as good as away

T = TypeVar("T")


@dataclass(frozen=True)
class Note:
    """What was written so far; ``version`` 0 and no form where nothing was."""

    values: dict[str, Value] = field(default_factory=dict, repr=False)
    version: int = 0
    form: str | None = None
    saved_at: datetime | None = None


class ChangedElsewhere(Exception):
    """Another page has saved this note meanwhile: ``note`` is what it holds now."""

    def __init__(self, note: Note) -> None:
        super().__init__()
        self.note = note


class _OldVersion(Exception):
    """The version given is not the one that is there."""


class Notes:
    """The notes of this line. Every method raises DatabaseAway after ``SECONDS_MAX`` at most."""

    def __init__(self, database: Database, keys: Keys) -> None:
        self._database = database
        self._keys = keys
        # However many write, calls and presences find the database free in between.
        self._one_at_a_time = asyncio.Lock()

    async def may_still_write(self, call_id: str, agent_id: str, now: datetime) -> bool:
        """Whether this agent talked in this call, and not too long ago."""
        not_long_ago = or_(Leg.ended_at.is_(None), Leg.ended_at > now - OPEN_AFTER_TALK)
        talked = and_(Leg.agent_id == agent_id, Leg.answered_at.is_not(None), not_long_ago)

        async def work(session: AsyncSession) -> bool:
            found = await session.scalar(
                select(Leg.id).where(Leg.call_id == call_id, talked).limit(1)
            )
            return found is not None

        return await in_time(self._database.read(work))

    async def read(self, call_id: str, agent_id: str) -> Note:
        """The note of this agent about this call. Raises SealBroken when it cannot be opened."""
        prefix = _prefix(agent_id)

        async def work(session: AsyncSession) -> tuple[NoteRow | None, list[Sealed]]:
            row = await session.get(NoteRow, (call_id, agent_id))
            sealed = await session.scalars(
                select(Sealed).where(Sealed.call_id == call_id, answers_of(agent_id))
            )
            return row, list(sealed)

        row, sealed = await in_time(self._database.read(work))
        if row is None:
            return Note()
        values = {
            one.field.removeprefix(prefix): json.loads(
                self._keys.unseal(call_id, one.field, one.ciphertext, one.key_id)
            )
            for one in sealed
        }
        return Note(values, row.version, row.form, row.saved_at)

    async def save(
        self,
        call_id: str,
        agent_id: str,
        form: Form,
        values: dict[str, Value],
        version: int,
        now: datetime,
    ) -> Note:
        """Replace the note by ``values``, which ``form`` has accepted, and return it.

        ``version`` is the one they were written over. Raises ChangedElsewhere when there is
        another by now, unless it says the same: then this was saved before, and we say so again.
        """
        sealed = [
            self._sealed(call_id, agent_id, form, id_, value, now) for id_, value in values.items()
        ]

        async def replace(session: AsyncSession) -> None:
            await _claim_version(session, call_id, agent_id, form, version, sealed, now)
            await session.execute(
                delete(Sealed).where(Sealed.call_id == call_id, answers_of(agent_id))
            )
            session.add_all(sealed)

        async def in_turn() -> None:
            async with self._one_at_a_time:
                await self._database.write(replace)

        try:
            await in_time(in_turn())
        except (_OldVersion, IntegrityError):  # two first savings at the same instant: likewise
            note = await self.read(call_id, agent_id)
            if note.values == values and note.form == form.version:
                return note
            raise ChangedElsewhere(note) from None
        return Note(values, version + 1, form.version, now)

    def _sealed(
        self, call_id: str, agent_id: str, form: Form, id_: str, value: Value, now: datetime
    ) -> Sealed:
        name = _prefix(agent_id) + id_
        sealing = self._keys.seal(call_id, name, json.dumps(value))
        return Sealed(
            call_id=call_id,
            field=name,
            ciphertext=sealing.ciphertext,
            key_id=sealing.key_id,
            purpose=form.fields[id_].purpose,
            purge_at=now + form.fields[id_].retention,
        )


async def _claim_version(
    session: AsyncSession,
    call_id: str,
    agent_id: str,
    form: Form,
    version: int,
    sealed: list[Sealed],
    now: datetime,
) -> None:
    """Make ``version + 1`` the note's, if it is at ``version``; else raise _OldVersion."""
    if await session.get(Call, call_id) is None:
        raise DatabaseAway("The call itself is not in the database yet.")
    facts = {
        "form": form.version,
        "version": version + 1,
        "saved_at": now,
        "purge_at": max((one.purge_at for one in sealed), default=now + EMPTIED_KEPT),
    }
    mine = NoteRow.call_id == call_id, NoteRow.agent_id == agent_id
    moved = await session.execute(
        update(NoteRow).where(*mine, NoteRow.version == version).values(**facts)
    )
    assert isinstance(moved, CursorResult)
    if moved.rowcount == 1:
        return
    if version != 0 or await session.get(NoteRow, (call_id, agent_id)) is not None:
        raise _OldVersion
    session.add(NoteRow(call_id=call_id, agent_id=agent_id, **facts))
    await session.flush()


def _prefix(agent_id: str) -> str:
    return f"note/{agent_id}/"


def answers_of(agent_id: str) -> ColumnElement[bool]:
    """Which rows of ``sealed`` are answers in the notes of this agent."""
    return Sealed.field.startswith(_prefix(agent_id), autoescape=True)


async def in_time(work: Awaitable[T]) -> T:
    """What is awaited of the database by somebody at their screen. Raises DatabaseAway."""
    try:
        async with asyncio.timeout(SECONDS_MAX):
            return await work
    except TimeoutError:
        raise DatabaseAway("The database does not answer in time.") from None
