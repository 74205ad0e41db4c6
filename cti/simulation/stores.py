"""What outlives a controller, kept in memory: its journal, its database, its people's presence.

Each may be slow or away, as chance and the world's faults have it. Nothing here knows
what a record means: it is our own code that reads and writes it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime
from random import Random
from typing import Any, TypeVar

from sqlalchemy.sql import operators
from sqlalchemy.sql.elements import BooleanClauseList

from cti import clock
from cti.records.database import DatabaseAway
from cti.records.journal import Entry, Journal
from cti.records.models import Event

T = TypeVar("T")
FILE_ENTRIES = 40
AWAY_SECONDS_MAX = 5.0  # how long a database that is away may keep one waiting: busy_timeout


class MemoryJournal(Journal):
    """The journal of one world, in short files; ``entries`` keeps all of them for the judge."""

    def __init__(self) -> None:
        self.id = "0" * 32
        self.last_number = 0
        self.entries: list[Entry] = []
        self._kept_from = 1

    @property
    def degraded(self) -> bool:
        """Never: this disk does not fill."""
        return False

    def append(self, op: str, data: dict[str, Any]) -> int:
        """Write one entry and return its number."""
        self.last_number += 1
        self.entries.append(Entry(self.last_number, clock.now(), op, data))
        return self.last_number

    def read(self, from_number: int, entries_max: int | None = None) -> list[Entry]:
        """The entries from ``from_number`` on, in order, at most ``entries_max``."""
        start = max(from_number, self._kept_from) - 1
        end = None if entries_max is None else start + entries_max
        return self.entries[start:end]

    def first_kept(self, up_to: int) -> int:
        """The first entry that ``forget(up_to)`` would leave."""
        return max(self._kept_from, up_to // FILE_ENTRIES * FILE_ENTRIES + 1)

    def forget(self, up_to: int, keep_from: int | None = None) -> None:
        """Let go of the files whose every entry is at or before ``up_to``."""
        gone = up_to if keep_from is None else min(up_to, keep_from - 1)
        self._kept_from = self.first_kept(gone)

    def close(self) -> None:
        """Nothing to close."""


class Weather:
    """How a store behaves now."""

    def __init__(self, chance: Random) -> None:
        self.away = False
        self.slow_seconds_max = 0.005
        self._chance = chance

    async def pass_through(self) -> None:
        """Take the time it takes now. Raises DatabaseAway."""
        if self.away:
            await asyncio.sleep(self._chance.choice((0.0, 0.01, AWAY_SECONDS_MAX)))
            raise DatabaseAway("away")
        await asyncio.sleep(self._chance.uniform(0.0005, self.slow_seconds_max))


class MemoryDatabase:
    """The little of a database that the records ask of it. All of a change, or nothing."""

    def __init__(self, chance: Random) -> None:
        self.weather = Weather(chance)
        self.rows: dict[tuple[type, Any], Any] = {}

    async def read(self, work: Callable[[Any], Awaitable[T]]) -> T:
        """Return what ``work`` finds. Raises DatabaseAway."""
        await self.weather.pass_through()
        return await work(MemorySession(self.rows))

    async def write(self, work: Callable[[Any], Awaitable[T]]) -> T:
        """Make the changes of ``work``, all or none. Raises DatabaseAway."""
        await self.weather.pass_through()
        session = MemorySession(self.rows)
        result = await work(session)
        session.commit()
        await self.weather.pass_through()  # done, and perhaps never told
        return result


class MemorySession:
    """One transaction."""

    def __init__(self, rows: dict[tuple[type, Any], Any]) -> None:
        self._rows = rows
        self._seen: dict[tuple[type, Any], Any] = {}
        self.info: dict[str, Any] = {}

    async def get(self, model: type, key: Any) -> Any:
        """The row of that key, or None."""
        place = (model, key)
        if place not in self._seen and place in self._rows:
            self._seen[place] = _copy(self._rows[place])
        return self._seen.get(place)

    async def scalars(self, statement: Any) -> list[Any]:
        """The rows of one model for which every condition of the statement holds."""
        asked = statement.column_descriptions[0]["entity"]
        keys = [key for model, key in {**self._rows, **self._seen} if model is asked]
        clause = statement.whereclause
        conditions = clause.clauses if isinstance(clause, BooleanClauseList) else [clause]
        return [
            await self.get(asked, key)
            for key in keys
            if all(
                _holds(c, self._seen.get((asked, key)) or self._rows[asked, key])
                for c in conditions
            )
        ]

    async def flush(self) -> None:
        """What was added can be found already."""

    async def merge(self, row: Any) -> None:
        """Add a row, or replace the one of the same key."""
        self._seen[(type(row), _key(row))] = row

    def add(self, row: Any) -> None:
        """Add a row."""
        if not isinstance(row, Event):  # figures: nobody asks for them here
            self._seen[(type(row), _key(row))] = row

    def commit(self) -> None:
        """Make it so."""
        self._rows.update(self._seen)


def _holds(condition: Any, row: Any) -> bool:
    """Whether ``column = value``, ``column IN values`` or ``column IS NULL`` is true of a row."""
    found = getattr(row, condition.left.key)
    if condition.operator is operators.is_:
        return found is None
    if condition.operator is operators.in_op:
        return found in condition.right.value
    return bool(found == condition.right.value)


def _key(row: Any) -> Any:
    columns = row.__mapper__.primary_key
    values = tuple(getattr(row, column.key) for column in columns)
    return values[0] if len(values) == 1 else values


def _copy(row: Any) -> Any:
    """Another object with the same values, as another transaction would see it."""
    names = [column.key for column in row.__mapper__.columns]
    return type(row)(**{name: getattr(row, name) for name in names})


class MemoryPresence:
    """Where presences outlive us, with the one atomic statement."""

    def __init__(self, chance: Random, weather: Weather, agents: list[str]) -> None:
        self.rows: dict[str, tuple[str, str | None, str | None]] = dict.fromkeys(
            agents, ("LOGGED_OUT", None, None)
        )
        self._since: dict[str, datetime] = {}
        self._chance = chance
        self._weather = weather

    async def reserve(
        self, agent_id: str, call_id: str, since_at: datetime, known_since_at: datetime | None
    ) -> bool:
        """Take the agent if they are READY, or as they were known."""
        try:
            await self._weather.pass_through()
        except asyncio.CancelledError:
            # Who asked has stopped waiting: now and then it had just been done.
            if not self._weather.away and self._chance.random() < 0.2:
                self._take(agent_id, call_id, since_at, known_since_at)
            raise
        return self._take(agent_id, call_id, since_at, known_since_at)

    def _take(
        self, agent_id: str, call_id: str, since_at: datetime, known: datetime | None
    ) -> bool:
        as_known = known is not None and self._since.get(agent_id) == known
        free = self.rows[agent_id][0] == "READY" or as_known
        if free:
            self._since[agent_id] = since_at
            self.rows[agent_id] = ("RESERVED", None, call_id)
        return free

    async def set_presence(
        self,
        agent_id: str,
        presence: str,
        reason: str | None,
        call_id: str | None,
        since_at: datetime,
    ) -> None:
        """Write a presence."""
        await self._weather.pass_through()
        self.rows[agent_id] = (presence, reason, call_id)
        self._since[agent_id] = since_at
