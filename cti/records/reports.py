"""What can be read back from the records, beside the running line."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from cti.records.database import Database
from cti.records.models import Call, Leg
from cti.records.privacy import Keys, Phone
from cti.records.record import read_call


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
    danger: bool


async def talks_since(database: Database, at: datetime) -> list[PastTalk]:
    """The talks that have ended since then, the oldest first. Raises DatabaseAway."""

    async def work(session: AsyncSession) -> list[PastTalk]:
        found = await session.execute(
            select(Leg.agent_id, Leg.answered_at, Leg.ended_at, Call.danger)
            .join(Call, Call.id == Leg.call_id)
            .where(Leg.ended_at >= at, Leg.answered_at.is_not(None), Leg.agent_id.is_not(None))
            .order_by(Leg.ended_at)
        )
        return [
            PastTalk(agent_id, ended_at, (ended_at - answered_at).total_seconds() / 60, danger)
            for agent_id, answered_at, ended_at, danger in found
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
