"""A house to knock at in tests: the real web and the real team, with stores in memory."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from aiohttp import web

from cti.people.agents import Agent, Engagement, Message, Presence, Role
from cti.people.team import Team
from cti.records.last_good import KnownSessions
from cti.web.app import make_app
from cti.web.phone import Phones
from tests import promised

ORIGIN = "http://desk.test"
PASSWORDS = {who: f"demo-{who}" for who in ("rosa", "lea", "ada", "sam", "zoe")}


@dataclass
class Settings:
    """What the web asks of the settings."""

    origins: list[str] = field(default_factory=lambda: [ORIGIN])
    secure_cookies: bool = False
    wrap_up_seconds: int = 60


@dataclass
class MemorySession:
    """A session, readable by the tests."""

    agent_id: str
    secret: str
    csrf: str
    expires_at: datetime


class MemoryDoor:
    """Passwords, sessions and failures in memory, as the real store behaves."""

    def __init__(self) -> None:
        self.sessions: dict[str, MemorySession] = {}
        self.failures: dict[str, int] = {}
        self.tested = 0
        self.session_seconds = 3600.0
        self.away = False
        self.read_only = False

    async def verify(self, username: str, password: str) -> str | None:
        self.tested += 1
        await asyncio.sleep(0)
        return username if PASSWORDS.get(username) == password else None

    async def create_session(self, agent_id: str, kind: str) -> MemorySession:
        ends = datetime.now(UTC) + timedelta(seconds=self.session_seconds)
        session = MemorySession(agent_id, secrets.token_hex(), secrets.token_hex(), ends)
        self.sessions[session.secret] = session
        return session

    async def find_session(self, secret: str) -> MemorySession | None:
        if self.away:
            raise ConnectionRefusedError
        found = self.sessions.get(secret)
        return found if found and found.expires_at > datetime.now(UTC) else None

    async def touch(self, secret: str) -> None:
        if self.away or self.read_only:
            raise ConnectionRefusedError

    async def revoke(self, secret: str) -> None:
        if self.away or self.read_only:
            raise ConnectionRefusedError
        self.sessions.pop(secret, None)

    async def delay_seconds(self, account: str, address: str) -> float:
        await asyncio.sleep(0)
        if self.away:
            raise ConnectionRefusedError
        count = max(self.failures.get(account, 0), self.failures.get("from " + address, 0))
        return 15.0 * 2 ** (count - 5) if count >= 5 else 0.0

    async def record_failure(self, account: str, address: str) -> None:
        await asyncio.sleep(0)
        for key in (account, "from " + address):
            self.failures[key] = self.failures.get(key, 0) + 1

    async def clear_failures(self, account: str) -> None:
        self.failures.pop(account, None)


class MemoryPresences:
    """Where presence would be stored."""

    async def reserve(self, *_: object) -> bool:
        return True

    async def set_presence(self, *_: object, **__: object) -> None:
        pass


class House:
    """The web application with somebody of each role."""

    def __init__(
        self,
        settings: Settings | None = None,
        demo_call: Callable[[], Awaitable[None]] | None = None,
        sessions: KnownSessions | None = None,
        phones: Phones | None = None,
    ) -> None:
        people = [
            Agent("rosa", "Rosa", frozenset({Role.REGULATOR}), "rosa"),
            Agent("lea", "Léa", frozenset({Role.LISTENER}), "lea"),
            Agent("ada", "Ada", frozenset({Role.ADMIN}), "ada"),
            Agent("sam", "Sam", frozenset({Role.SUPERVISOR}), "sam"),
            Agent("zoe", "Zoé", frozenset({Role.FACILITATOR}), "zoe"),
        ]
        self.wrapups: list[tuple[str, str, str]] = []
        self.team = Team(
            people, MemoryPresences(), lambda *done: self.wrapups.append(done), wrap_up_seconds=60
        )
        self.door = MemoryDoor()
        self.health = "ok"
        self.settings = settings or Settings()
        self.sessions = sessions or KnownSessions()
        self.app: web.Application = make_app(
            self.team,
            self.door,
            self.settings,
            lambda: self.health,
            demo_call,
            sessions=self.sessions,
            phones=phones,
        )
        self.app.on_response_prepare.append(_as_promised)

    def agent(self, id_: str) -> Agent:
        return self.team.agents[id_]

    async def token(self, id_: str) -> str:
        """A session for that agent, without the form."""
        return (await self.door.create_session(id_, "token")).secret

    # What a call does to an agent, as the life of a call does it.

    def offer(self, id_: str, call_id: str = "c1", **view: object) -> Message:
        """Offer a call: reserve, engage, pop."""
        agent = self.agent(id_)
        agent.engagement = Engagement(call_id, call_view(call_id, **view))
        self.team.move(agent, Presence.RESERVED)
        return agent.outbox.push(
            "call.offered",
            {
                "offer": f"offer-{call_id}",
                "call": agent.engagement.view,
                "line": "regulators",
                "expires_at": (datetime.now(UTC) + timedelta(seconds=20)).isoformat(),
            },
        )

    def withdraw(self, id_: str, reason: str) -> None:
        """The offer is over."""
        agent = self.agent(id_)
        assert agent.engagement
        call_id, agent.engagement = agent.engagement.call_id, None
        agent.outbox.push("call.withdrawn", {"call": {"id": call_id}, "reason": reason})
        self.team.withdraw(agent)

    def connect(self, id_: str) -> None:
        """Caller and agent hear each other."""
        agent = self.agent(id_)
        assert agent.engagement
        agent.engagement.state = "connected"
        self.team.move(agent, Presence.TALKING)
        agent.outbox.push("call.connected", {"call": agent.engagement.view})

    def told_presence(self, id_: str, times: int = 1) -> None:
        """So many frames for one agent."""
        for _ in range(times):
            self.agent(id_).outbox.push("presence.changed", self.agent(id_).presence_view())

    def told(self, id_: str, **changes: object) -> Message:
        """Something about the call changed: on the sheet, and told."""
        agent = self.agent(id_)
        assert agent.engagement
        agent.engagement.view |= changes
        news = {"id": agent.engagement.call_id, **changes}
        return agent.outbox.push("call.updated", {"call": news})

    def tell(self, id_: str, type_: str, **data: object) -> Message:
        """One more message about the agent's call."""
        agent = self.agent(id_)
        assert agent.engagement
        return agent.outbox.push(type_, {"call": {"id": agent.engagement.call_id}, **data})

    def lose(self, id_: str) -> None:
        """The agent's phone dropped: the caller is held, and the same agent is offered again."""
        agent = self.agent(id_)
        assert agent.engagement
        call_id, agent.engagement = agent.engagement.call_id, None
        agent.outbox.push("call.ended", {"call": {"id": call_id}, "reason": "lost"})
        self.offer(id_, call_id)

    def end(self, id_: str, reason: str = "ended", form: bool = True, hard: bool = False) -> None:
        """The talk is over; wrap-up begins."""
        agent = self.agent(id_)
        assert agent.engagement
        call_id, agent.engagement = agent.engagement.call_id, None
        agent.outbox.push("call.ended", {"call": {"id": call_id}, "reason": reason})
        self.team.start_wrap_up(agent, call_id, hard=hard, form=form)


async def _as_promised(request: web.Request, response: web.StreamResponse) -> None:
    """Every answer that a test sees is one that the published document promises."""
    promised.answer(request, response)


def call_view(call_id: str, **changes: object) -> dict[str, object]:
    """A call's sheet as screens get it."""
    view: dict[str, object] = {
        "id": call_id,
        "tier": "regulators",
        "language": "fr",
        "waited_seconds": 42,
        "path": [],
        "handover": None,
        "danger": False,
        "told": {},
    }
    return view | changes
