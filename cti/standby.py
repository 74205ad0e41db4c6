"""Serving without the database: start from what was last good, look for it, take it back.

The journal carries the calls meanwhile; this carries the people. What is missing is
said: to screens, to ``/health`` and to the log.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from functools import partial

from cti.asterisk.ari import AriError
from cti.asterisk.engine import PhoneAccount, write_phones
from cti.calls.house import House
from cti.config import Settings, SettingsError
from cti.people.agents import Agent, Help, OwnNumber, Presence, Role
from cti.records import last_good
from cti.records.database import (
    Database,
    DatabaseAway,
    WrongVersion,
    check_version,
    create_database,
)
from cti.records.last_good import KnownSessions, LastGood
from cti.records.people import AgentRow, PeopleStore, load_people
from cti.records.privacy import SealBroken
from cti.tasks import Group

log = logging.getLogger("fil.standby")

START_SECONDS_MAX = 1.5  # callers are waiting
LOOK_SECONDS_MAX = 5.0
LOOK_EVERY_SECONDS = 10.0  # while all is well
LOOK_AGAIN_SECONDS = 2.0  # while something is missing
SAVE_EVERY_SECONDS = 1.0
TELL_EVERY_SECONDS = 0.5
CLOSE_SECONDS_MAX = 1.0

_AWAY = (
    "The database does not answer. Check that it is running, that its address and password "
    "are right, that its disk is not full, and that its file is not damaged."
)
_DISK = (
    "The disk under the data directory takes nothing more. Make room on it: what happens is "
    "held in memory meanwhile, and would be lost with this process."
)
_NOBODY = (
    "The database holds nobody of the team. Restore a backup of it, or add the people of the "
    "team to it again. Until then it is left as it is."
)


class Standby:
    """What stands in for the database. One per process: ``people``, then ``run``."""

    def __init__(self, settings: Settings, database: Database, store: PeopleStore) -> None:
        self.sessions = KnownSessions()
        self._settings = settings
        self._folder = settings.data / "last-good"
        self._database = database
        self._store = store
        self._problem: str | None = None  # a reason of the ``system.changed`` frame
        self._advice: str | None = None  # what a person should do about it
        self._team_is_known = False
        self._phones_written: dict[str, str] | None = None
        self._presences_lag = False  # in the database, behind what we know
        self._closing: set[asyncio.Task[None]] = set()

    async def people(self) -> list[Agent]:
        """The team as the database has it now, else as it was last good.

        Raises DatabaseAway or WrongVersion when there is neither.
        """
        kept = await asyncio.to_thread(last_good.load, self._folder)
        if kept is not None:
            self.sessions.known, self.sessions.ended = dict(kept.sessions), set(kept.ended)
            self._team_is_known = bool(kept.people)
        try:
            async with _answers_within(START_SECONDS_MAX):
                people = await self._look()
                await self._write_phones()
        except (DatabaseAway, WrongVersion) as error:
            if kept is None:
                raise
            self._lost(error)
            people = [self._agent_of(row) for row in kept.people]
        known = {row.id: row for row in kept.people} if kept is not None else {}
        for agent in people:
            if (row := known.get(agent.id)) is None:
                continue
            if row.since_at > agent.since_at:  # it could not be written before we were killed
                agent.presence, agent.reason = Presence(row.presence), row.reason
                agent.since_at, agent.call_id = row.since_at, row.call_id
                self._presences_lag = True
            _say_again(agent, row)
        return people

    async def run(self, house: House) -> None:
        """Look after the database, keep what is good, say what is missing. For ever."""
        if self._presences_lag:
            house.team.store_all()
        async with Group() as tasks:
            tasks.create_task(self._watch(house))
            tasks.create_task(self._keep(house))
            tasks.create_task(self._tell(house))

    def reasons(self, house: House) -> list[str]:
        """What is missing now, in the codes of the ``system.changed`` frame."""
        found = set(house.records.degraded_by)
        if house.team.degraded:
            found.add("database_away")
        if self._problem is not None:
            found = found - {"database_away"} | {self._problem}
        if house.flows.wrong:
            found.add("flow_refused")
        return sorted(found)

    async def close(self) -> None:
        """Let connections that were being closed come to their end, a while at most."""
        if self._closing:
            await asyncio.wait(self._closing, timeout=CLOSE_SECONDS_MAX)

    def _agent_of(self, row: AgentRow) -> Agent:
        """Somebody of the team, as the running line knows them."""
        own = row.own_number_sealed
        return Agent(
            id=row.id,
            name=row.name,
            roles=frozenset(Role(role) for role in row.roles),
            phone=row.phone,
            languages=frozenset(row.languages),
            skills=row.skills,
            gender=row.gender,
            stands_in=row.stands_in,
            own_number=OwnNumber(own, partial(self._store.unseal_own_number, row.id))
            if own
            else None,
            presence=Presence(row.presence),
            reason=row.reason,
            since_at=row.since_at,
            call_id=row.call_id,
        )

    # -- the database -----------------------------------------------------------

    async def _look(self) -> list[Agent]:
        """The team as the database has it. Raises DatabaseAway or WrongVersion.

        By a connection of its own: the file or the server may be another than before, and
        the others may all be stuck.
        """
        database = create_database(self._settings.database)
        try:
            await check_version(database)
            people = [self._agent_of(row) for row in await load_people(database)]
        except (DatabaseAway, WrongVersion):
            raise
        except Exception as error:  # the right version, around tables that cannot be read
            raise DatabaseAway(_AWAY) from error
        finally:
            # Not awaited: one that hangs would hold up callers.
            closing = asyncio.create_task(database.close())
            self._closing.add(closing)
            closing.add_done_callback(self._closing.discard)
        if self._team_is_known and not people:
            raise WrongVersion(_NOBODY)
        return people

    async def _watch(self, house: House) -> None:
        while True:
            troubled = bool(self.reasons(house))
            await asyncio.sleep(LOOK_AGAIN_SECONDS if troubled else LOOK_EVERY_SECONDS)
            try:
                async with _answers_within(LOOK_SECONDS_MAX):
                    people = await self._look()
                if self._problem is not None:
                    await self._take_back(house, people)
                else:
                    await self._follow(house, people)
            except (DatabaseAway, WrongVersion) as error:
                self._lost(error)
            else:
                await self._end_sessions()

    async def _follow(self, house: House, people: list[Agent]) -> None:
        """Take over what was changed of the team since the last look."""
        house.team.adopt(people)
        house.team.dismiss_all_but(person.id for person in people)
        if await self._write_phones():
            with contextlib.suppress(AriError):
                await house.exchange.ari.asterisk.reloadModule(moduleName="res_pjsip.so")

    def _lost(self, error: DatabaseAway | WrongVersion) -> None:
        """From here on nobody waits for the database, and nothing is written to it."""
        problem = "database_version" if isinstance(error, WrongVersion) else "database_away"
        if (problem, str(error)) != (self._problem, self._advice):
            log.error("database.lost", extra={"reason": problem, "advice": str(error)})
        self._problem, self._advice = problem, str(error)
        self._database.shut = str(error)

    async def _take_back(self, house: House, people: list[Agent]) -> None:
        """The database is there again: the journal is copied to it, and presences from memory."""
        await self._database.engine.dispose()  # its connections may lead to another file
        house.team.adopt(people)
        # Queued before anything may be read: who is reserved is asked of a store that is true.
        house.team.store_all()
        self._database.shut = None
        await self._write_phones()
        self._problem = self._advice = None
        log.warning("database.back")
        with contextlib.suppress(AriError):
            await house.exchange.ari.asterisk.reloadModule(moduleName="res_pjsip.so")

    async def _end_sessions(self) -> None:
        """Tell the database of sessions that were ended while it was away."""
        with contextlib.suppress(DatabaseAway):  # it can be read, not written: the next time
            for id_hash in list(self.sessions.ended):
                await self._store.revoke_hashed(id_hash)
                self.sessions.told(id_hash)

    async def _write_phones(self) -> bool:
        """Write the desk phones' accounts for the engine where they have changed: whether they had.

        Raises DatabaseAway.
        """
        try:
            secrets = await self._store.sip_secrets()
            if secrets == self._phones_written:
                return False
            write_phones(self._settings, [PhoneAccount(*account) for account in secrets.items()])
            self._phones_written = secrets
        except (OSError, SealBroken, SettingsError) as error:
            # A full disk, one altered secret: the engine goes on with the phones it has.
            log.error("phones.not_written", extra={"error": type(error).__name__})
            return False
        return True

    # -- what is kept, and what is said -----------------------------------------

    async def _keep(self, house: House) -> None:
        """Write what is good now to its file, soon after each change and beside every call."""
        kept: LastGood | None = None
        refused = False
        while True:
            good = LastGood(
                [_row_of(agent) for agent in house.team.agents.values()],
                dict(self.sessions.known),
                sorted(self.sessions.ended),
            )
            self._team_is_known = bool(good.people)
            if good != kept:
                try:
                    await asyncio.to_thread(last_good.save, self._folder, good)
                    kept, refused = good, False
                except OSError as error:  # a full disk: the file of before stays, we try again
                    if not refused:
                        log.error("last_good.not_kept", extra={"error": type(error).__name__})
                    refused = True
            await asyncio.sleep(SAVE_EVERY_SECONDS)

    async def _tell(self, house: House) -> None:
        """Tell the screens what is missing, once it has been so for two looks in a row."""
        before: list[str] = []
        while True:
            reasons = self.reasons(house)
            if reasons == before:
                house.team.system_is(reasons, self._advised(reasons, house.flows.wrong))
            before = reasons
            await asyncio.sleep(TELL_EVERY_SECONDS)

    def _advised(self, reasons: list[str], flows_wrong: Mapping[str, str]) -> str | None:
        """What a person should do about it."""
        if self._advice is not None:
            return self._advice
        if "journal_disk" in reasons:
            return _DISK
        if reasons == ["flow_refused"]:
            return "\n".join(flows_wrong.values())
        return _AWAY if reasons else None


@asynccontextmanager
async def _answers_within(seconds_max: float) -> AsyncIterator[None]:
    """A database that takes longer is away."""
    try:
        async with asyncio.timeout(seconds_max):
            yield
    except TimeoutError:
        raise DatabaseAway(_AWAY) from None


def _say_again(agent: Agent, row: AgentRow) -> None:
    """Know what they had said: of their shift, of after their call, and that they need help."""
    if agent.presence is not Presence.LOGGED_OUT:
        agent.shift_ends_at, agent.one_more = row.shift_ends_at, row.one_more
    if row.following is not None and agent.call_id is not None and agent.call_id == row.call_id:
        agent.following = Presence(row.following[0]), row.following[1]
    if row.help is not None:
        agent.help = Help(*row.help)


def _row_of(agent: Agent) -> AgentRow:
    return AgentRow(
        id=agent.id,
        name=agent.name,
        roles=frozenset(role.value for role in agent.roles),
        languages=agent.languages,
        skills=dict(agent.skills),
        gender=agent.gender,
        stands_in=agent.stands_in,
        own_number_sealed=agent.own_number.sealed if agent.own_number else None,
        phone=agent.phone,
        presence=agent.presence.value,
        reason=agent.reason,
        since_at=agent.since_at,
        call_id=agent.call_id,
        following=(agent.following[0].value, agent.following[1]) if agent.following else None,
        shift_ends_at=agent.shift_ends_at,
        one_more=agent.one_more,
        help=(agent.help.since_at, agent.help.call_id, agent.help.by) if agent.help else None,
    )
