"""What can be read back from the records, beside the running line."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final, TypeVar

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from cti.records.database import Database, DatabaseAway, check_version
from cti.records.journal import Entry, read_beside
from cti.records.models import DANGER_HARD, Agent, Call, Event, Leg
from cti.records.privacy import Keys, Phone
from cti.records.record import event_row, follow, read_call

T = TypeVar("T")
PREFIX_LETTERS_MIN: Final = 6  # of a call's id: fewer would soon mean several
SAME_PREFIX_MAX: Final = 5  # how many are named when several calls begin so
_PREFIX = re.compile(rf"[0-9a-f]{{{PREFIX_LETTERS_MIN},32}}")


class NoSuchCall(Exception):
    """An id that names no call, or several: those in ``several``."""

    def __init__(self, several: list[str]) -> None:
        super().__init__()
        self.several = several


@dataclass(frozen=True)
class Traces:
    """Everything that was written of one call."""

    call: Call
    events: list[Event]
    names: dict[str, str]  # of agents, by id
    whole: bool  # False: the database is away, and the journal alone may not know the beginning


async def latest_call_of(database: Database, keys: Keys, number: str) -> dict[str, Any] | None:
    """The latest call of this number with its legs, by column; None when there is none.

    The number itself is compared with nothing: only its keyed pseudonym is stored.
    Raises DatabaseAway.
    """
    phone = Phone.parse(number)
    if phone is None:
        return None
    caller_ref = keys.caller_ref(phone)

    async def work(session: AsyncSession) -> dict[str, Any] | None:
        call_id = await session.scalar(
            select(Call.id)
            .where(Call.caller_ref == caller_ref)
            .order_by(Call.started_at.desc())
            .limit(1)
        )
        return await read_call(session, call_id) if call_id else None

    return await database.read(work)


@dataclass(frozen=True)
class PastTalk:
    """How long somebody of the team was with a caller."""

    agent_id: str
    ended_at: datetime
    minutes: float
    hard: bool  # somebody was at risk, or hurt them


async def talks_since(database: Database, at: datetime) -> list[PastTalk]:
    """The talks that have ended since then, the oldest first. Raises DatabaseAway."""

    async def work(session: AsyncSession) -> list[PastTalk]:
        found = await session.execute(
            select(Leg.agent_id, Leg.answered_at, Leg.ended_at, Call)
            .join(Call, Call.id == Leg.call_id)
            .where(Leg.ended_at >= at, Leg.answered_at.is_not(None), Leg.agent_id.is_not(None))
            .order_by(Leg.ended_at)
        )
        kindly = Event.type == "call.closed_kindly", Event.at >= at
        closed = await session.scalars(select(Event).where(*kindly))
        hurt = {(one.call_id, one.agent_id) for one in closed if one.data.get("why") == "abusive"}
        return [
            PastTalk(
                agent_id,
                ended_at,
                (ended_at - answered_at).total_seconds() / 60,
                call.danger or call.danger_level >= DANGER_HARD or (call.id, agent_id) in hurt,
            )
            for agent_id, answered_at, ended_at, call in found
            if agent_id is not None and answered_at is not None and ended_at is not None
        ]

    return await database.read(work)


async def talks_before(
    database: Database, role: str, since_at: datetime, talks_max: int
) -> list[float]:
    """How many seconds the last talks of those in this role lasted, the oldest first.

    Raises DatabaseAway.
    """

    async def work(session: AsyncSession) -> list[float]:
        last = await session.execute(
            select(Leg.answered_at, Leg.ended_at)
            .where(Leg.role == role, Leg.outcome == "talked", Leg.ended_at >= since_at)
            .order_by(Leg.ended_at.desc())
            .limit(talks_max)
        )
        return [
            (ended - answered).total_seconds() for answered, ended in last if answered and ended
        ][::-1]

    return await database.read(work)


async def traces_of(database: Database, journal: Path, prefix: str) -> Traces:
    """What is written of the call whose id begins so, in the database and in the journal.

    Raises NoSuchCall; WrongVersion.
    """
    if not _PREFIX.fullmatch(prefix):
        raise NoSuchCall([])
    entries = read_beside(journal)  # first: what is let go of meanwhile is in the database

    async def work(session: AsyncSession) -> tuple[dict[str, Call], list[Event], dict[str, str]]:
        # An id is hexadecimal: what begins so lies before the next letter that it cannot hold.
        begins = Call.id >= prefix, Call.id < prefix + "g"
        found = await session.scalars(select(Call).where(*begins).limit(SAME_PREFIX_MAX))
        calls = {call.id: call for call in found}
        rows = await session.scalars(select(Event).where(Event.call_id.in_(calls)))
        agents = await session.execute(select(Agent.id, Agent.name))
        return calls, list(rows), {row.id: row.name for row in agents}

    read = await _read(database, work)
    calls, events, names = read or ({}, [], {})
    known = {(event.journal_id, event.journal_number) for event in events}
    for journal_id, entry in _of_calls(entries, prefix):
        follow(calls, entry)
        if (journal_id, entry.number) not in known:
            events.append(event_row(journal_id, entry))
    if len(calls) != 1:
        raise NoSuchCall(sorted(calls))
    (call,) = calls.values()
    own = [event for event in events if event.call_id == call.id]
    return Traces(call, own, names, whole=read is not None)


async def calls_since(
    database: Database, journal: Path, since: datetime, calls_max: int
) -> tuple[list[Call], bool]:
    """The latest calls that came in since then, the oldest first, and whether that is all.

    It is not while the database is away: the journal knows the latest, and those still open.
    Raises WrongVersion.
    """
    entries = read_beside(journal)

    async def work(session: AsyncSession) -> dict[str, Call]:
        latest = select(Call).where(Call.started_at >= since).order_by(Call.started_at.desc())
        return {call.id: call for call in await session.scalars(latest.limit(calls_max))}

    read = await _read(database, work)
    calls = read or {}
    for _, entry in _of_calls(entries, ""):
        follow(calls, entry)
    found = [call for call in calls.values() if call.started_at >= since]
    found.sort(key=lambda call: (call.started_at, call.id))
    return found[-calls_max:], read is not None


def _of_calls(entries: list[tuple[str, Entry]], prefix: str) -> list[tuple[str, Entry]]:
    return [one for one in entries if (one[1].data.get("call_id") or "-").startswith(prefix)]


async def _read(database: Database, work: Callable[[AsyncSession], Awaitable[T]]) -> T | None:
    """What ``work`` finds; None when the database is away. Raises WrongVersion."""
    try:
        await check_version(database)
        return await database.read(work)
    except DatabaseAway:
        return None
