"""What can be read back from the records, beside the running line."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from cti.records.database import Database
from cti.records.models import Call
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
