"""The database locked, stopped, read-only, damaged, full or of another version: it costs no call.

Named after the rows of the fault table: 9 locked, 10 away or wrong, 11 full.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import resource
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from sqlalchemy import text

from cti.records.database import create_database
from cti.rehearsal.phone import Phone, PhoneCall
from cti.web import words
from tests.line import NUMBER, Desk, Line, a_line
from tests.postgres import Postgres

pytestmark = pytest.mark.timeout(240)  # stories of two talks and two restarts

CALLER_HZ, OTHER_HZ, AGENT_HZ = 440, 520, 800
SILENCE_SECONDS_MAX = 3.0
BACK_SECONDS_MAX = 15.0  # from the database's return to the last record in it


class Volunteer:
    """An agent whose session and telephone outlive their screen."""

    def __init__(self, line: Line, name: str, handset: Phone, token: str) -> None:
        self.line, self.name, self.handset, self.token = line, name, handset, token
        self._open = AsyncExitStack()
        self.desk: Desk

    async def open(self) -> None:
        """Open the screen, again where there was one, by the session of before."""
        await self.leave()
        web = await self._open.enter_async_context(aiohttp.ClientSession())
        socket = await self._open.enter_async_context(
            web.ws_connect(
                f"{self.line.web}/cti/v1",
                protocols=["fil.cti.v1"],
                headers={"Authorization": f"Bearer {self.token}"},
            )
        )
        self.desk = Desk(self.line, self.name, self.handset, socket)
        reader = asyncio.create_task(self.desk._read())
        self._open.callback(reader.cancel)
        await self.desk.sees("snapshot")

    async def leave(self) -> None:
        """Close the screen."""
        await self._open.aclose()
        self._open = AsyncExitStack()

    def is_told(self, degraded: bool) -> bool:
        """Whether the screen shows that something is missing, or that nothing is."""
        return self.system()["degraded"] is degraded

    def system(self) -> dict[str, Any]:
        """What the screen shows of what is missing behind the line."""
        for _, frame in reversed(self.desk.frames):
            if frame["type"] == "system.changed":
                return dict(frame["data"])
            if frame["type"] == "snapshot":
                return dict(frame["data"]["system"])
        raise AssertionError("no snapshot was ever shown")

    async def told(self, degraded: bool, seconds_max: float = BACK_SECONDS_MAX) -> None:
        """Wait until it does."""
        await self.line.until(lambda: self.is_told(degraded), seconds_max, f"degraded: {degraded}")


async def sign_in(line: Line, name: str) -> tuple[int, dict[str, Any]]:
    async with (
        aiohttp.ClientSession() as web,
        web.post(
            f"{line.web}/api/v1/login", json={"username": name, "password": f"demo-{name}"}
        ) as answer,
    ):
        return answer.status, await answer.json()


@asynccontextmanager
async def volunteer(line: Line, name: str, presence: str = "READY") -> AsyncIterator[Volunteer]:
    """Somebody signed in, at their screen and their telephone."""
    async with Phone(name, secret=f"demo-{name}", server=line.server, tone_hz=AGENT_HZ) as handset:
        await handset.register()
        status, opened = await sign_in(line, name)
        assert status == 200, opened
        here = Volunteer(line, name, handset, opened["token"])
        await here.open()
        await here.desk.be(presence)
        try:
            yield here
        finally:
            with contextlib.suppress(Exception):
                await here.desk.be("LOGGED_OUT")
            await here.leave()


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def own_line(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Line]:
    """A line of our own: its database does not come through these tests untouched."""
    async with a_line(tmp_path_factory.mktemp("faults"), FIL_RING_SECONDS_MAX="8") as line:
        yield line


@pytest_asyncio.fixture(loop_scope="session")
async def line(own_line: Line) -> AsyncIterator[Line]:
    """It, quiet afterwards."""
    yield own_line
    await own_line.until(own_line.is_quiet, 10, "nothing left in the engine")


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    server = Postgres()
    try:
        server.start()
        yield server
    finally:
        server.stop()


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def line_on_postgres(
    postgres: Postgres, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Line]:
    """Another line, whose database is a server's."""
    url = await asyncio.to_thread(postgres.new_database)
    folder = tmp_path_factory.mktemp("faults-postgres")
    async with a_line(folder, FIL_RING_SECONDS_MAX="8", FIL_DATABASE_URL=url) as line:
        yield line


@asynccontextmanager
async def restarted(line: Line) -> AsyncIterator[None]:
    """The controller is killed, and comes back only after what is done here; then it is ready."""
    assert line.process is not None
    before = line.log_path.read_text().count("house.recovered")
    os.kill(line.process.pid, signal.SIGSTOP)  # the parent would start it again at once
    os.kill(line.controller_pid(), signal.SIGKILL)
    try:
        yield
    finally:
        os.kill(line.process.pid, signal.SIGCONT)
    await line.until(
        lambda: line.log_path.read_text().count("house.recovered") > before, 40, "ready again"
    )


def never_silent(call: PhoneCall) -> bool:
    """Whether the caller has heard something all along, from the answer on."""
    assert call.answered_at is not None
    silences = call.silences(
        call.answered_at + 0.1, call.ended_at or time.monotonic(), longer_than_s=SILENCE_SECONDS_MAX
    )
    return silences == []


async def answered_by(who: Volunteer, telephone: Phone, hz: float) -> tuple[str, PhoneCall]:
    """Somebody calls, and that agent answers: they hear each other. Returns the call and its id."""
    call = await telephone.call(NUMBER)
    pop = (await who.desk.sees("call.offered", 15))["data"]
    at_agent = await who.desk.ring()
    await at_agent.answer()
    await who.desk.sees("call.connected", 10)
    await call.hears(AGENT_HZ, 3)
    await at_agent.hears(hz, 3)
    assert never_silent(call)
    return pop["call"]["id"], call


async def rows(line: Line, sql: str) -> list[tuple[Any, ...]]:
    """What the database answers."""
    database = create_database(line.settings.database)
    try:
        async with database.sessions() as session:
            return [tuple(row) for row in await session.execute(text(sql))]
    finally:
        await database.close()


def written(line: Line) -> dict[int, str]:
    """What the journal still holds: the op of each entry, by its number."""
    segments = (line.settings.data / "journal").iterdir()
    lines = [one for file in segments for one in file.read_text("utf-8").splitlines() if one]
    return {entry["n"]: entry["op"] for entry in map(json.loads, lines)}


async def copied_in_order(line: Line, before: dict[int, str]) -> None:
    """See that the journal is in the database whole: each entry once, in its order.

    ``before``: what it held while the database was away, for a file copied whole is let go of.
    Who was on duty is kept elsewhere than events, for those are kept for ever.
    """
    numbers = [row[0] for row in await rows(line, "select journal_number from events order by id")]
    entries = before | written(line)
    events = [n for n in sorted(entries) if entries[n] != "duty" and n <= numbers[-1]]
    assert events
    assert numbers[-1] >= max((n for n in before if before[n] != "duty"), default=0)
    assert [n for n in numbers if n >= events[0]] == events
    assert numbers == sorted(set(numbers))


async def talked(line: Line, call_id: str) -> None:
    """The record of the call arrives, and is right."""
    record = await line.closed_record(call_id, BACK_SECONDS_MAX)
    assert (record["outcome"], record["ended_by"]) == ("talked", "caller")
    assert [leg["outcome"] for leg in record["legs"]] == ["talked"]
    assert record["started_at"] < record["answered_at"] < record["ended_at"]


# -- 9: locked


async def serve(who: Volunteer, served: list[str]) -> None:
    """Take one call after the other, for ever; the caller leaves when they have heard us."""
    while True:
        pop = (await who.desk.sees("call.offered", 60))["data"]
        at_agent = await who.desk.ring()
        await at_agent.answer()
        await who.desk.sees("call.connected", 10)
        await at_agent.hears(CALLER_HZ, 3)
        await who.desk.sees("call.ended", 10)
        done = await who.desk.does("wrapup.done", call=pop["call"]["id"], disposition="ecoute")
        assert done["ok"], done
        served.append(pop["call"]["id"])


async def ring_up(line: Line, number: str) -> None:
    """One caller: heard by somebody within a minute, never in silence meanwhile."""
    async with line.caller(number, hz=CALLER_HZ) as telephone:
        call = await telephone.call(NUMBER)
        await call.hears(AGENT_HZ, 60)
        await asyncio.sleep(0.5)  # the agent hears them too
        assert never_silent(call)
        await call.hang_up()


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Another program has begun to write, and does not end."""
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        other.close()


@pytest.mark.parametrize("seconds", [1.0, 10.0])
async def test_fault_9_ten_calls_to_a_locked_database_are_served_and_recorded_after_in_order(
    line: Line, seconds: float
) -> None:
    (before,) = (await rows(line, "select count(*) from calls"))[0]
    served: list[str] = []
    async with volunteer(line, "rosa") as rosa, volunteer(line, "remy") as remy:
        async with asyncio.TaskGroup() as tasks:
            agents = [tasks.create_task(serve(who, served)) for who in (rosa, remy)]
            began = time.monotonic()
            with locked(line.settings.data / "fil.sqlite"):
                callers = [
                    asyncio.create_task(ring_up(line, f"01990000{n:02}")) for n in range(10, 20)
                ]
                if seconds > 5:
                    await rosa.told(True, seconds)
                    assert (await rows(line, "select count(*) from calls"))[0] == (before,)
                await asyncio.sleep(seconds - (time.monotonic() - began))
            await asyncio.gather(*callers)
            await line.until(lambda: len(served) == 10, 10, "all ten put away")
            for agent in agents:
                agent.cancel()
        await rosa.told(False)
        for call_id in served:
            await talked(line, call_id)
    assert (await rows(line, "select count(*) from calls"))[0] == (before + 10,)
    await copied_in_order(line, {})


# -- 10: away or wrong, at start


class Broken:
    """A database that is away when the controller starts, and comes back afterwards."""

    reason = "database_away"
    advice = "The database does not answer."

    def __init__(self, line: Line) -> None:
        self.line = line
        self.path = line.settings.data / "fil.sqlite"
        self.aside = line.settings.data / "aside"

    async def happens(self) -> None:
        raise NotImplementedError

    def noticed(self) -> None:
        """The running line has just seen it."""

    async def meanwhile(self) -> None:
        """What else is to be looked at while it is so."""

    async def mend(self) -> None:
        raise NotImplementedError

    def put_aside(self) -> None:
        self.aside.mkdir()
        for path in self.path.parent.glob("fil.sqlite*"):
            path.rename(self.aside / path.name)

    def put_back(self) -> None:
        for path in self.path.parent.glob("fil.sqlite*"):
            path.rmdir() if path.is_dir() else path.unlink()
        for path in self.aside.iterdir():
            path.rename(self.path.parent / path.name)
        self.aside.rmdir()


class Locked(Broken):
    """Another program keeps it to itself, for reading too."""

    async def happens(self) -> None:
        self.other = sqlite3.connect(self.path, isolation_level=None)
        self.other.execute("PRAGMA locking_mode=EXCLUSIVE")
        self.other.execute("BEGIN EXCLUSIVE")

    async def mend(self) -> None:
        self.other.close()


class Unreadable(Broken):
    """Nothing can be opened where it should be."""

    async def happens(self) -> None:
        self.put_aside()
        self.path.mkdir()

    async def mend(self) -> None:
        self.put_back()


class Damaged(Broken):
    """What stands in its file is no database."""

    async def happens(self) -> None:
        self.put_aside()
        self.path.write_bytes(os.urandom(64 * 1024))

    async def mend(self) -> None:
        self.put_back()


class Newer(Broken):
    """A later version of the programme has changed its tables."""

    reason = "database_version"
    advice = "The database was made by a newer version of this programme."

    async def _set_version(self, version: str) -> str:
        with contextlib.closing(sqlite3.connect(self.path)) as other, other:
            (before,) = other.execute("select version_num from alembic_version").fetchone()
            other.execute("update alembic_version set version_num = ?", [version])
        return str(before)

    def _events(self) -> int:
        with contextlib.closing(sqlite3.connect(self.path)) as other:
            (count,) = other.execute("select count(*) from events").fetchone()
        return int(count)

    async def happens(self) -> None:
        self.version = await self._set_version("ffff")
        self.events = self._events()

    def noticed(self) -> None:
        self.events = self._events()

    async def meanwhile(self) -> None:
        assert self._events() == self.events

    async def mend(self) -> None:
        await self._set_version(self.version)


class Empty(Broken):
    """It has no tables; then tables, made while the line serves, and nobody in them."""

    reason = "database_version"
    advice = "The database is empty. Run: fil migrate"

    async def happens(self) -> None:
        self.put_aside()

    async def meanwhile(self) -> None:
        migrated = await asyncio.to_thread(
            subprocess.run,
            [sys.executable, "-m", "cti", "migrate"],
            env=self.line.environment,
            capture_output=True,
            timeout=20,
        )
        assert migrated.returncode == 0, migrated.stderr
        await self.line.until(
            lambda: "The database holds nobody of the team." in self.line.tail(), 5, "said"
        )
        assert await rows(self.line, "select count(*) from events") == [(0,)]

    async def mend(self) -> None:
        self.put_back()


@pytest.mark.parametrize("fault", [Locked, Unreadable, Damaged, Newer, Empty])
async def test_fault_10_without_its_database_the_line_starts_goes_on_with_a_talk_and_answers(
    line: Line, fault: type[Broken]
) -> None:
    broken = fault(line)
    await start_without(line, broken)


async def start_without(line: Line, broken: Broken) -> None:
    """Restart the controller in the middle of a talk while its database is away; then mend it."""
    async with (
        volunteer(line, "rosa") as rosa,
        volunteer(line, "remy", "NOT_READY") as remy,
        volunteer(line, "ada", "LOGGED_OUT") as ada,
        line.caller(hz=CALLER_HZ) as telephone,
        line.caller("0199000077", hz=OTHER_HZ) as another,
    ):
        first, call = await answered_by(rosa, telephone, CALLER_HZ)
        await remy.desk.be("READY")
        await kept(line, remy="READY", rosa="TALKING")
        await stored(line, "remy", "READY")
        # Once with the database: what was written of the talk is copied, and its file let go of.
        async with restarted(line):
            pass
        journal = line.settings.data / "journal"
        await line.until(
            lambda: not any(b"call.opened" in p.read_bytes() for p in journal.iterdir()), 5, "gone"
        )
        try:
            async with restarted(line):
                await broken.happens()
            for who in (rosa, remy, ada):
                await who.open()
            snapshot = rosa.desk.frames[-1][1]["data"]
            assert (snapshot["call"]["id"], snapshot["call_state"]) == (first, "connected")
            await remy.told(True, 5)
            assert remy.system() == {"degraded": True, "reasons": [broken.reason], "advice": None}
            assert ada.system()["advice"].startswith(broken.advice)
            assert broken.advice in line.log_path.read_text()

            second, new_call = await answered_by(remy, another, OTHER_HZ)
            assert never_silent(call)
            await call.hears(AGENT_HZ, 3)
            status, said = await sign_in(line, "lea")
            assert (status, said["error"]["code"]) == (503, "database_away")
            assert words.SIGN_IN_AWAY.fr in said["error"]["message"]
            await new_call.hang_up()
            await call.hang_up()
            await broken.meanwhile()
        finally:
            before = written(line)
            await broken.mend()
        for who in (rosa, remy, ada):
            await who.told(False)
        await talked(line, first)
        await talked(line, second)
        assert (await sign_in(line, "lea"))[0] == 200
        assert (await rows(line, "select presence from agents where id = 'remy'"))[0][0] in (
            "WRAP_UP",
            "READY",
        )
        await copied_in_order(line, before)


async def kept(line: Line, **presences: str) -> None:
    """Wait until these presences are in the file of what was last good."""
    path = line.settings.data / "last-good/people.json"

    def are_kept() -> bool:
        people = {row["id"]: row["presence"] for row in json.loads(path.read_text())["people"]}
        return presences.items() <= people.items()

    await line.until(are_kept, 3, f"kept: {presences}")


async def stored(line: Line, agent_id: str, presence: str) -> None:
    """Wait until this presence is in the database, which the first restart reads."""
    until = time.monotonic() + 5
    while (await rows(line, f"select presence from agents where id = '{agent_id}'")) != [
        (presence,)
    ]:
        assert time.monotonic() < until, f"{presence} of {agent_id} is not stored\n{line.tail()}"
        await asyncio.sleep(0.05)


# -- 10: PostgreSQL, at start and while running


class Stopped(Broken):
    """The server is stopped."""

    def __init__(self, line: Line, postgres: Postgres) -> None:
        super().__init__(line)
        self.postgres = postgres

    async def happens(self) -> None:
        await asyncio.to_thread(self.postgres.pause)

    async def mend(self) -> None:
        await asyncio.to_thread(self.postgres.serve)


class ReadOnly(Stopped):
    """The server takes no change, as a standby or a full one does."""

    async def _set(self, value: str) -> None:
        await self.postgres._run_sql(f"ALTER SYSTEM SET default_transaction_read_only = {value}")
        await self.postgres._run_sql("SELECT pg_reload_conf()")

    async def happens(self) -> None:
        await self._set("on")

    async def mend(self) -> None:
        await self._set("off")


async def test_fault_10_without_its_postgresql_the_line_starts_goes_on_with_a_talk_and_answers(
    line_on_postgres: Line, postgres: Postgres
) -> None:
    await start_without(line_on_postgres, Stopped(line_on_postgres, postgres))


@pytest.mark.parametrize("fault", [Stopped, ReadOnly])
async def test_fault_10_a_postgresql_lost_while_running_costs_no_call_and_catches_up(
    line_on_postgres: Line, postgres: Postgres, fault: type[Stopped]
) -> None:
    await lost_while_running(line_on_postgres, fault(line_on_postgres, postgres))


async def test_fault_10_a_database_migrated_under_a_running_line_is_left_as_it_is_until_right(
    line: Line,
) -> None:
    await lost_while_running(line, Newer(line))


async def lost_while_running(line: Line, broken: Broken) -> None:
    """Lose the database with one caller talking and another one coming; then mend it."""
    async with (
        volunteer(line, "rosa") as rosa,
        volunteer(line, "remy", "NOT_READY") as remy,
        line.caller(hz=CALLER_HZ) as telephone,
        line.caller("0199000077", hz=OTHER_HZ) as another,
    ):
        first, call = await answered_by(rosa, telephone, CALLER_HZ)
        await remy.desk.be("READY")
        await broken.happens()
        try:
            second, new_call = await answered_by(remy, another, OTHER_HZ)
            await remy.told(True)
            broken.noticed()
            await remy.open()  # a screen that was cut comes back
            assert remy.is_told(True)
            await call.hang_up()
            await new_call.hang_up()
            await remy.desk.becomes("WRAP_UP")
            await broken.meanwhile()
        finally:
            before = written(line)
            await broken.mend()
        await remy.told(False)
        await talked(line, first)
        await talked(line, second)
        await copied_in_order(line, before)


# -- 11: full


class Full(Broken):
    """The disk under the database, the journal and the log takes not one byte more."""

    def _limit(self, byte_count: int) -> None:
        limits = (byte_count, resource.RLIM_INFINITY)
        resource.prlimit(self.line.controller_pid(), resource.RLIMIT_FSIZE, limits)

    async def happens(self) -> None:
        self._limit(0)

    async def mend(self) -> None:
        self._limit(resource.RLIM_INFINITY)


async def test_fault_11_a_full_disk_costs_no_call_and_what_happened_is_written_once_there_is_room(
    line: Line,
) -> None:
    full = Full(line)
    async with volunteer(line, "ada", "LOGGED_OUT") as ada:

        async def told_and_mended() -> None:
            await ada.told(True)
            assert "journal_disk" in ada.system()["reasons"]
            assert ada.system()["advice"].startswith("The disk")
            full._limit(resource.RLIM_INFINITY)

        full.mend = told_and_mended
        try:
            await lost_while_running(line, full)
        finally:
            full._limit(resource.RLIM_INFINITY)
