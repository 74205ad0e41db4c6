"""What one agent may look back on: when they were on duty, and the talks they had.

Only of themselves, and without anything of who called.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from sqlalchemy import or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from cti.records.database import Database
from cti.records.models import Duty, Event, Leg, Sealed
from cti.records.notes import answers_of, in_time

PARIS: Final = ZoneInfo("Europe/Paris")
TALKS_MAX: Final = 500  # the latest ones

Stretch = tuple[datetime, datetime]


@dataclass(frozen=True)
class Day:
    """One day in Paris."""

    day: date
    on_duty_minutes: int
    talking_minutes: int
    talks: int  # calls of which somebody was answered that day


@dataclass(frozen=True)
class Talk:
    """One talk of theirs."""

    call: str
    at: datetime
    role: str
    talk_seconds: int
    disposition: str | None  # as they said themselves
    note: bool  # something of what they wrote about it is left


class Mine:
    """The database, as one agent may read it about themselves. Methods raise DatabaseAway."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def hours(
        self, agent_id: str, days: int, now: datetime, going_on: datetime | None
    ) -> list[Day]:
        """The last ``days`` days, today included, the oldest first.

        ``going_on``: since when they have been on duty without a break, if they are.
        """
        first = now.astimezone(PARIS).date() - timedelta(days=days - 1)
        since = _midnight(first)

        async def work(session: AsyncSession) -> tuple[list[Duty], list[Leg]]:
            duty = select(Duty).where(Duty.agent_id == agent_id, Duty.to_at > since)
            not_over = or_(Leg.ended_at.is_(None), Leg.ended_at > since)
            # One that nobody saw end ended with its call: none goes back further than a day.
            lately = Leg.answered_at > since - timedelta(days=1)
            legs = select(Leg).where(Leg.agent_id == agent_id, lately, not_over)
            return list(await session.scalars(duty)), list(await session.scalars(legs))

        duty, legs = await in_time(self._database.read(work))
        stretches = [(one.from_at, one.to_at) for one in duty if one.from_at != going_on]
        if going_on is not None:
            stretches.append((going_on, now))
        return [
            _day(first + timedelta(days=number), stretches, legs, now) for number in range(days)
        ]

    async def talks(self, agent_id: str, days: int, now: datetime) -> list[Talk]:
        """The talks of the last ``days`` days, today included, the latest first."""
        since = _midnight(now.astimezone(PARIS).date() - timedelta(days=days - 1))

        async def work(session: AsyncSession) -> list[Talk]:
            legs = list(
                await session.scalars(
                    select(Leg)
                    .where(Leg.agent_id == agent_id, Leg.answered_at >= since)
                    .order_by(Leg.answered_at.desc(), Leg.id)
                    .limit(TALKS_MAX)
                )
            )
            calls = {leg.call_id for leg in legs}
            said = await session.execute(
                select(Event.call_id, Event.data)
                .where(Event.call_id.in_(calls), Event.type == "call.disposition")
                .where(Event.agent_id == agent_id)
                .order_by(Event.at, Event.id)
            )
            dispositions = {call_id: data.get("disposition") for call_id, data in said}
            written = set(
                await session.scalars(
                    select(Sealed.call_id).where(Sealed.call_id.in_(calls), answers_of(agent_id))
                )
            )
            return [
                Talk(
                    call=leg.call_id,
                    at=_began(leg, now),
                    role=leg.role,
                    talk_seconds=round(_seconds(_began(leg, now), leg.ended_at or now)),
                    disposition=dispositions.get(leg.call_id),
                    note=leg.call_id in written,
                )
                for leg in legs
            ]

        return await in_time(self._database.read(work))


def _day(day: date, duty: Iterable[Stretch], legs: Iterable[Leg], now: datetime) -> Day:
    from_at, to_at = _midnight(day), _midnight(day + timedelta(days=1))

    def within(stretches: Iterable[Stretch]) -> int:
        seconds = sum(max(0.0, _seconds(max(a, from_at), min(b, to_at))) for a, b in stretches)
        return round(seconds / 60)

    answered = {leg.call_id for leg in legs if from_at <= _began(leg, now) < to_at}
    return Day(
        day=day,
        on_duty_minutes=within(duty),
        talking_minutes=within((_began(leg, now), leg.ended_at or now) for leg in legs),
        talks=len(answered),
    )


def _began(leg: Leg, now: datetime) -> datetime:
    return leg.answered_at or now  # every leg asked for here was answered


def _seconds(from_at: datetime, to_at: datetime) -> float:
    return (to_at - from_at).total_seconds()


def _midnight(day: date) -> datetime:
    """When a day begins in Paris, in UTC: within one zone, Python subtracts what clocks show."""
    return datetime.combine(day, time(), PARIS).astimezone(UTC)
