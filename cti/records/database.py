"""The database: opening it safely, knowing its version, bringing it up to date.

Everything that is true of SQLite alone is in this file. Nothing here is ever
awaited between a caller and sound: the journal stands in between.
"""

from __future__ import annotations

import asyncio
import functools
import os
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import URL, Connection, event, exc, inspect, make_url, text
from sqlalchemy.ext.asyncio import (
    AsyncEngine,
    AsyncSession,
    async_sessionmaker,
    create_async_engine,
)

T = TypeVar("T")
SQLITE_BUSY_MS_MAX = 5_000
CONNECT_SECONDS_MAX = 5.0
STATEMENT_SECONDS_MAX = 10.0
_AWAY_STATES = frozenset({"08", "25", "28", "3D", "53", "57", "58"})
MIGRATIONS = Path(__file__).resolve().parents[2] / "migrations"


class DatabaseRefused(Exception):
    """The database setting cannot be used; the message says what to write instead."""


class DatabaseAway(Exception):
    """The database does not answer now. Calls go on; their records follow when it is back."""


class WrongVersion(Exception):
    """The tables are not those this programme knows; the message says what to run."""


@dataclass(eq=False)
class Database:
    """An open database. Build it with ``create_database``; close it once with ``close``."""

    engine: AsyncEngine = field(repr=False)
    sessions: async_sessionmaker[AsyncSession] = field(repr=False)
    writers: async_sessionmaker[AsyncSession] = field(repr=False)
    # Why nothing may be read or written now: nobody waits for a database known to be away,
    # and one whose tables are of another version is left as it is.
    shut: str | None = None

    _at_work: set[asyncio.Task[Any]] = field(default_factory=set, repr=False)

    async def read(self, work: Callable[[AsyncSession], Awaitable[T]]) -> T:
        """Return what ``work`` finds, all of it seen at one moment. Raises DatabaseAway."""

        async def transaction() -> T:
            with _told_as_away():
                async with self.sessions() as session:
                    return await work(session)

        self._refuse_when_shut()
        return await self._kept_whole(transaction())

    async def write(self, work: Callable[[AsyncSession], Awaitable[T]]) -> T:
        """Make the changes of ``work`` together, or none of them; return what it returns.

        Raises DatabaseAway when the database does not answer, is locked, full or read-only.
        A caller who stops waiting takes the changes back, unless they are being committed.
        """
        self._refuse_when_shut()
        left = False

        async def transaction() -> T:
            with _told_as_away():
                async with self.writers() as session, session.begin() as changes:
                    result = await work(session)
                    if left:
                        await changes.rollback()
            return result

        try:
            return await self._kept_whole(transaction())
        except asyncio.CancelledError:
            left = True
            raise

    async def revision(self) -> str | None:
        """The version of the tables, None when there are none; also of a database that is shut."""

        async def look() -> str | None:
            with _told_as_away():
                async with self.engine.connect() as connection:
                    return await connection.run_sync(_revision)

        return await self._kept_whole(look())

    def _refuse_when_shut(self) -> None:
        if self.shut is not None:
            raise DatabaseAway(self.shut)

    async def _kept_whole(self, transaction: Coroutine[Any, Any, T]) -> T:
        # In a task of its own: cancelled in the middle, SQLite's driver can leave a
        # connection that is closed and still holds the write lock.
        task = asyncio.create_task(transaction)
        self._at_work.add(task)
        task.add_done_callback(self._done)
        return await asyncio.shield(task)

    def _done(self, task: asyncio.Task[Any]) -> None:
        self._at_work.discard(task)
        if not task.cancelled():
            task.exception()  # who waited for it may have left; then nobody else would look

    async def scrub(self) -> None:
        """Leave no trace of deleted rows in the files (SQLite; PostgreSQL vacuums by itself)."""
        self._refuse_when_shut()
        if self.engine.dialect.name == "sqlite":
            with _told_as_away():
                async with self.engine.connect() as connection:
                    # A checkpoint cannot run inside a transaction: ask the driver itself.
                    driver = (await connection.get_raw_connection()).driver_connection
                    assert driver is not None
                    await driver.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    async def close(self) -> None:
        """Let what was begun come to its end, a while at most, then close every connection."""
        if self._at_work:
            await asyncio.wait(self._at_work, timeout=CONNECT_SECONDS_MAX)
        await self.engine.dispose()


@contextmanager
def _told_as_away() -> Iterator[None]:
    """Whatever way the database has of not serving, callers learn it as DatabaseAway."""
    try:
        yield
    except Exception as error:
        if not _is_away(error):
            raise
        raise DatabaseAway(
            "The database does not answer. Check that it is running, that its address and password "
            "are right, that its disk is not full, and that its file is not damaged."
        ) from error


def _is_away(error: Exception) -> bool:
    if isinstance(error, OSError | TimeoutError | exc.TimeoutError):
        return True
    if isinstance(error, exc.DBAPIError):
        # PostgreSQL classes: lost connection, read-only, refused, out of resources, stopping, I/O.
        state = str(getattr(error.orig, "sqlstate", "") or "")
        away = error.connection_invalidated or state[:2] in _AWAY_STATES
        # SQLite says "not a database" with the bare class and all else with this one.
        return away or isinstance(error, exc.OperationalError) or type(error) is exc.DatabaseError
    return False


def create_database(url: str) -> Database:
    """Prepare the database at ``url``; nothing is opened before the first use.

    ``sqlite:////var/lib/fil/fil.db`` or ``postgresql://user:password@host/base``.
    Raises DatabaseRefused, which never repeats the address: it may hold a password.
    """
    return open_database(url, foreign_keys=True)


def open_database(url: str, *, foreign_keys: bool) -> Database:
    """The same, with SQLite's foreign keys enforced or not: migrations need them off."""
    address = _address(url)
    if address.get_backend_name() == "sqlite":
        engine = create_async_engine(address, hide_parameters=True)
        _prepare_sqlite(engine, Path(address.database or ""), foreign_keys=foreign_keys)
    else:
        engine = create_async_engine(
            address,
            hide_parameters=True,  # what is in a row is in no error text
            pool_pre_ping=True,
            pool_timeout=CONNECT_SECONDS_MAX,
            connect_args={
                "timeout": CONNECT_SECONDS_MAX,
                "command_timeout": STATEMENT_SECONDS_MAX,
            },
        )
    writer = engine.execution_options(writes=True)
    return Database(
        engine,
        async_sessionmaker(engine, expire_on_commit=False),
        async_sessionmaker(writer, expire_on_commit=False),
    )


def _address(url: str) -> URL:
    try:
        address = make_url(url)
    except exc.ArgumentError:
        address = None
    drivers = {"sqlite": "sqlite+aiosqlite", "postgresql": "postgresql+asyncpg"}
    backend = address.get_backend_name() if address is not None else ""
    if address is None or backend not in drivers:
        raise DatabaseRefused(
            "The database setting is not understood. Write sqlite:////path/to/fil.db "
            "or postgresql://user:password@host/database."
        )
    if backend == "sqlite" and address.database in (None, "", ":memory:"):
        raise DatabaseRefused(
            "The database must be a file: one in memory would be lost at every restart. "
            "Write sqlite:////path/to/fil.db."
        )
    return address.set(drivername=drivers[backend])


def _prepare_sqlite(engine: AsyncEngine, path: Path, *, foreign_keys: bool) -> None:
    @event.listens_for(engine.sync_engine, "do_connect")
    def create_private(*_: Any) -> None:
        # SQLite would create the file readable by every account of the machine.
        if not path.exists():
            os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))

    @event.listens_for(engine.sync_engine, "connect")
    def settle(connection: Any, _: Any) -> None:
        # The driver's own transactions start too late: ours are begun below.
        connection.isolation_level = None
        cursor = connection.cursor()
        cursor.execute(f"PRAGMA busy_timeout={SQLITE_BUSY_MS_MAX}")
        cursor.execute("PRAGMA journal_mode=WAL")
        cursor.execute("PRAGMA synchronous=FULL")  # what is acknowledged survives a power cut
        cursor.execute("PRAGMA secure_delete=ON")  # what is purged is overwritten
        cursor.execute(f"PRAGMA foreign_keys={'ON' if foreign_keys else 'OFF'}")
        cursor.close()

    @event.listens_for(engine.sync_engine, "begin")
    def begin(connection: Connection) -> None:
        # A read that turns into a write fails at once when another one wrote in between;
        # a writer therefore queues for its turn from its first statement.
        writes = connection.get_execution_options().get("writes", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


async def check_version(database: Database) -> None:
    """Return when the tables are those this programme knows.

    Raises WrongVersion with what to run, or DatabaseAway when nothing answers.
    """
    found = await database.revision()
    known = known_revisions()
    if found == known[-1]:
        return
    if found is None:
        raise WrongVersion("The database is empty. Run: fil migrate")
    if found not in known:
        raise WrongVersion(
            "The database was made by a newer version of this programme. "
            "Install that version again, or restore a backup made before it."
        )
    raise WrongVersion("The database is older than this programme. Run: fil migrate")


@functools.cache
def known_revisions() -> list[str]:
    """The versions of the tables, oldest first.

    By the names of their files: Alembic itself takes half a second to import, and a
    controller that starts again has callers waiting.
    """
    return sorted(path.name[:4] for path in (MIGRATIONS / "versions").glob("[0-9]*.py"))


def _revision(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    found: str | None = connection.scalar(text("SELECT version_num FROM alembic_version"))
    return found
