"""The people of the team as the database knows them: who they are, what they can take, who is in.

Reserving someone is one atomic statement, so that two calls, two processes or
two machines never take the same person.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, Literal

from argon2 import PasswordHasher, Type
from argon2.exceptions import InvalidHashError, VerificationError
from sqlalchemy import ColumnElement, CursorResult, Executable, delete, or_, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from cti import clock
from cti.records.database import Database
from cti.records.models import Agent, LoginFailure, Session
from cti.records.privacy import Keys

SESSION_KEPT: Final = timedelta(hours=12)
SESSION_IDLE: Final = timedelta(minutes=30)
SESSION_TOUCHED_EVERY: Final = timedelta(minutes=1)
FAILURES_FREE: Final = 5
FAILURES_WINDOW: Final = timedelta(minutes=15)
FAILURE_DELAY_SECONDS_MIN: Final = 15.0
FAILURE_DELAY_SECONDS_MAX: Final = 900.0
PASSWORD_CHARS_MAX: Final = 1024
HASHES_AT_ONCE_MAX: Final = 2  # each takes 19 MiB and a core: sign-ins must not starve calls

_AGENT_ID = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_HASHER = PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1, type=Type.ID)
_SIP_FIELD = "sip_secret"
_NUMBER_FIELD = "own_number"


@dataclass(frozen=True)
class AgentRow:
    """Someone of the team, as they are in the database."""

    id: str
    name: str
    roles: frozenset[str]
    languages: frozenset[str]
    skills: dict[str, int]
    gender: str | None
    stands_in: bool
    phone: str
    presence: str
    reason: str | None
    since_at: datetime
    call_id: str | None
    own_number_sealed: bytes | None = field(default=None, repr=False)
    # What no table holds: it is of this shift alone (``last_good.py``).
    following: tuple[str, str | None] | None = None  # presence and reason, after their call
    shift_ends_at: datetime | None = None
    one_more: bool = False
    help: tuple[datetime, str | None, str | None] | None = (
        None  # since when, in which call, by whom
    )


@dataclass(frozen=True)
class NewSession:
    """A door just opened. The secret is shown once and kept nowhere."""

    secret: str = field(repr=False)
    csrf: str = field(repr=False)
    expires_at: datetime


@dataclass(frozen=True)
class OpenSession:
    """Who is behind a session, and the token their forms must carry."""

    agent_id: str
    kind: str
    csrf: str = field(repr=False)
    expires_at: datetime


class PeopleStore:
    """Reads and writes the team. Every method may raise DatabaseAway."""

    def __init__(self, database: Database, keys: Keys) -> None:
        self._database = database
        self._keys = keys
        self._hashing = asyncio.Semaphore(HASHES_AT_ONCE_MAX)
        # Checked against when the account does not exist: both answers take the same time.
        self._nobody = _HASHER.hash(secrets.token_hex())

    async def add(
        self,
        agent_id: str,
        *,
        name: str,
        roles: Iterable[str],
        phone: str,
        password: str,
        languages: Iterable[str] = ("fr",),
        skills: Mapping[str, int] | None = None,
        gender: str | None = None,
        stands_in: bool = False,
        sip_secret: str | None = None,
        own_number: str | None = None,
    ) -> None:
        """Add someone, or bring them up to date when they exist; their presence stays.

        Raises ValueError when the id could not be typed on a sign-in page.
        """
        if not _AGENT_ID.fullmatch(agent_id):
            raise ValueError("an agent's id is made of a-z, 0-9, dots and dashes, 64 at most")
        async with self._hashing:
            password_hash = await asyncio.to_thread(_HASHER.hash, password)

        async def work(session: AsyncSession) -> None:
            agent = await session.get(Agent, agent_id)
            if agent is None:
                agent = Agent(id=agent_id, presence="LOGGED_OUT", since_at=clock.now())
                session.add(agent)
            agent.name, agent.phone, agent.password_hash = name, phone, password_hash
            agent.roles, agent.languages = sorted(roles), sorted(languages)
            agent.skills = dict(skills or {})
            agent.gender, agent.stands_in = gender, stands_in
            if sip_secret is not None:
                sealing = self._keys.seal(agent_id, _SIP_FIELD, sip_secret)
                agent.sip_secret_sealed = sealing.ciphertext
            if own_number is not None:
                agent.own_number_sealed = self.seal_own_number(agent_id, own_number)

        await self._database.write(work)

    async def change(
        self, row: AgentRow, *, password: str | None = None, sip_secret: str | None = None
    ) -> None:
        """Write who somebody is and what they can take; their presence stays as it is.

        A new password closes their open doors. Who is not there (any more) stays so.
        """
        password_hash = None
        if password is not None:
            async with self._hashing:
                password_hash = await asyncio.to_thread(_HASHER.hash, password)

        async def work(session: AsyncSession) -> None:
            agent = await session.get(Agent, row.id)
            if agent is None:
                return
            agent.name, agent.own_number_sealed = row.name, row.own_number_sealed
            agent.roles, agent.languages = sorted(row.roles), sorted(row.languages)
            agent.skills = dict(row.skills)
            agent.gender, agent.stands_in = row.gender, row.stands_in
            if sip_secret is not None:
                sealing = self._keys.seal(row.id, _SIP_FIELD, sip_secret)
                agent.sip_secret_sealed = sealing.ciphertext
            if password_hash is not None:
                agent.password_hash = password_hash
                await session.execute(delete(Session).where(Session.agent_id == row.id))

        await self._database.write(work)

    async def remove(self, agent_id: str) -> None:
        """Close an account and its doors; records of calls keep the id."""

        async def work(session: AsyncSession) -> None:
            await session.execute(delete(Session).where(Session.agent_id == agent_id))
            await session.execute(delete(Agent).where(Agent.id == agent_id))

        await self._database.write(work)

    def seal_own_number(self, agent_id: str, number: str) -> bytes:
        """Seal the number of somebody's own telephone."""
        return self._keys.seal(agent_id, _NUMBER_FIELD, number).ciphertext

    def unseal_own_number(self, agent_id: str, sealed: bytes) -> str:
        """The number of somebody's own telephone. Raises SealBroken."""
        return self._keys.unseal(agent_id, _NUMBER_FIELD, sealed, self._keys.seal_key_id)

    async def load(self) -> list[AgentRow]:
        """Everyone, in the order of their ids."""
        return await load_people(self._database)

    async def sip_secrets(self) -> dict[str, str]:
        """The passwords of the phones' SIP accounts, for the engine alone. Raises SealBroken."""

        async def work(session: AsyncSession) -> list[tuple[str, str]]:
            found = await session.execute(
                select(Agent.phone, Agent.id, Agent.sip_secret_sealed).order_by(Agent.id)
            )
            key_id = self._keys.seal_key_id
            return [
                (phone, self._keys.unseal(id_, _SIP_FIELD, sealed, key_id))
                for phone, id_, sealed in found
                if sealed is not None
            ]

        return dict(await self._database.read(work))

    async def reserve(
        self,
        agent_id: str,
        call_id: str,
        since_at: datetime | None = None,
        known_since_at: datetime | None = None,
    ) -> bool:
        """Take someone who is READY for one call. True for exactly one of those who ask at once.

        ``known_since_at``: also whoever is as they were last written by who asks. Who gives up
        waiting has most likely not won; they ``set_presence`` to be sure.
        """
        free: ColumnElement[bool] = Agent.presence == "READY"
        if known_since_at is not None:
            free = or_(free, Agent.since_at == known_since_at)
        taken = await self._run(
            update(Agent)
            .where(Agent.id == agent_id, free)
            .values(
                presence="RESERVED",
                reason=None,
                call_id=call_id,
                since_at=since_at or clock.now(),
            )
        )
        return taken == 1

    async def set_presence(
        self,
        agent_id: str,
        presence: str,
        reason: str | None,
        call_id: str | None,
        since_at: datetime,
    ) -> None:
        """Write what someone can take, whatever it was before."""
        await self._run(
            update(Agent)
            .where(Agent.id == agent_id)
            .values(presence=presence, reason=reason, call_id=call_id, since_at=since_at)
        )

    async def verify(self, username: str, password: str) -> str | None:
        """The agent's id when the password is theirs, else None, in the same time."""
        agent_id = username.strip().lower()
        agent = None
        if _AGENT_ID.fullmatch(agent_id):
            agent = await self._database.read(lambda session: session.get(Agent, agent_id))
        expected = agent.password_hash if agent else self._nobody
        async with self._hashing:
            right = await asyncio.to_thread(_matches, expected, password)
        return agent.id if agent and right else None

    async def create_session(
        self, agent_id: str, kind: Literal["cookie", "token"] = "cookie"
    ) -> NewSession:
        """Open a door for 12 hours, or 30 minutes without use. Old doors are cleared away."""
        now = clock.now()
        new = NewSession(secrets.token_urlsafe(32), secrets.token_urlsafe(32), now + SESSION_KEPT)
        row = Session(
            id_hash=hashed(new.secret),
            agent_id=agent_id,
            csrf=new.csrf,
            kind=kind,
            created_at=now,
            seen_at=now,
            expires_at=new.expires_at,
        )

        async def work(session: AsyncSession) -> None:
            await session.execute(delete(Session).where(Session.expires_at <= now))
            session.add(row)

        await self._database.write(work)
        return new

    async def find_session(self, secret: str) -> OpenSession | None:
        """Who holds this secret, or None when it is unknown, revoked, or past its time."""
        now = clock.now()
        id_hash = hashed(secret)
        found = await self._database.read(lambda session: session.get(Session, id_hash))
        if found is None or found.expires_at <= now or found.seen_at <= now - SESSION_IDLE:
            return None
        return OpenSession(found.agent_id, found.kind, found.csrf, found.expires_at)

    async def touch(self, secret: str) -> None:
        """The session was used: its 30 minutes begin again. Writes at most once a minute."""
        now = clock.now()
        await self._run(
            update(Session)
            .where(
                Session.id_hash == hashed(secret), Session.seen_at <= now - SESSION_TOUCHED_EVERY
            )
            .values(seen_at=now)
        )

    async def revoke(self, secret: str) -> None:
        """Close this door."""
        await self.revoke_hashed(hashed(secret))

    async def revoke_hashed(self, id_hash: str) -> None:
        """Close the door whose secret has this hash: one closed while the database was away."""
        await self._run(delete(Session).where(Session.id_hash == id_hash))

    async def revoke_all(self, agent_id: str) -> None:
        """Close every door of this agent."""
        await self._run(delete(Session).where(Session.agent_id == agent_id))

    async def record_failure(self, account: str, address: str) -> None:
        """Count one failed sign-in, for the account and for the address it came from."""
        for key in self._failure_keys(account, address):
            try:
                await self._count_failure(key)
            except IntegrityError:
                # Two first failures at the same instant: the other one made the row.
                await self._count_failure(key)

    async def _count_failure(self, key: str) -> None:
        now = clock.now()

        async def work(session: AsyncSession) -> None:
            await session.execute(
                delete(LoginFailure).where(LoginFailure.last_at <= now - FAILURES_WINDOW)
            )
            counted = await session.execute(
                update(LoginFailure)
                .where(LoginFailure.key == key)
                .values(count=LoginFailure.count + 1, last_at=now)
            )
            assert isinstance(counted, CursorResult)
            if counted.rowcount == 0:
                session.add(LoginFailure(key=key, count=1, last_at=now))

        await self._database.write(work)

    async def clear_failures(self, account: str) -> None:
        """A sign-in succeeded: forget the account's failures. Those of the address stay."""
        key = self._failure_keys(account, "")[0]
        await self._run(delete(LoginFailure).where(LoginFailure.key == key))

    async def delay_seconds(self, account: str, address: str) -> float:
        """How long to wait before the next attempt is heard; 0 when it may be made now.

        From the fifth failure within 15 minutes: 15 s, doubled by each further one, up to 15 min.
        """
        now = clock.now()
        too_many = select(LoginFailure).where(
            LoginFailure.key.in_(self._failure_keys(account, address)),
            LoginFailure.last_at > now - FAILURES_WINDOW,
            LoginFailure.count >= FAILURES_FREE,
        )

        async def work(session: AsyncSession) -> list[float]:
            failures = await session.scalars(too_many)
            return [_delay_seconds(f.count) - (now - f.last_at).total_seconds() for f in failures]

        return max([0.0, *await self._database.read(work)])

    def _failure_keys(self, account: str, address: str) -> list[str]:
        account = account.strip().lower()
        return [self._keys.login_ref("account", account), self._keys.login_ref("address", address)]

    async def _run(self, statement: Executable) -> int:
        async def work(session: AsyncSession) -> int:
            done = await session.execute(statement)
            assert isinstance(done, CursorResult)
            return done.rowcount

        return await self._database.write(work)


async def load_people(database: Database) -> list[AgentRow]:
    """Everyone, in the order of their ids. Raises DatabaseAway."""

    async def work(session: AsyncSession) -> list[AgentRow]:
        agents = await session.scalars(select(Agent).order_by(Agent.id))
        return [_agent_row(agent) for agent in agents]

    return await database.read(work)


def _agent_row(agent: Agent) -> AgentRow:
    return AgentRow(
        id=agent.id,
        name=agent.name,
        roles=frozenset(agent.roles),
        languages=frozenset(agent.languages),
        skills=dict(agent.skills),
        gender=agent.gender,
        stands_in=agent.stands_in,
        own_number_sealed=agent.own_number_sealed,
        phone=agent.phone,
        presence=agent.presence,
        reason=agent.reason,
        since_at=agent.since_at,
        call_id=agent.call_id,
    )


def _matches(password_hash: str, password: str) -> bool:
    try:
        return _HASHER.verify(password_hash, password[:PASSWORD_CHARS_MAX])
    except (VerificationError, InvalidHashError, UnicodeEncodeError):
        return False


def hashed(secret: str) -> str:
    """What is kept of a session's secret."""
    return hashlib.sha256(secret.encode("utf-8", "replace")).hexdigest()


def _delay_seconds(count: int) -> float:
    doublings = min(count - FAILURES_FREE, 10)
    return min(FAILURE_DELAY_SECONDS_MIN * 2.0**doublings, FAILURE_DELAY_SECONDS_MAX)
