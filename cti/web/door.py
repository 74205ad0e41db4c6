"""Who may come in: signing in, sessions, and the guard every request meets.

Default deny: a handler that does not say with ``allow`` who may use it answers
nobody. Passwords are tested one at a time, so that a flood of guesses can
neither outrun the count of failures nor take the machine's memory.
"""

from __future__ import annotations

import asyncio
import hmac
import logging
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, Protocol, TypeVar

from aiohttp import web

from cti import clock
from cti.people.agents import Agent, Role
from cti.records.last_good import KnownSessions, is_over
from cti.records.people import hashed
from cti.web import words

log = logging.getLogger(__name__)

ANSWER_SECONDS_MAX = 3.0  # the store of sessions; beyond it is as good as down
TOUCH_SECONDS_MAX = 1.0
USERNAME_CHARS_MAX = 64
PASSWORD_CHARS_MAX = 256
UNSAFE = frozenset({"POST", "PUT", "PATCH", "DELETE"})
EVERYONE = frozenset(Role)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
T = TypeVar("T")
Kind = Literal["cookie", "token"]


class Opened(Protocol):
    """A session just opened; the secret is shown once and never logged."""

    @property
    def secret(self) -> str:
        """What the person's browser or program keeps."""

    @property
    def csrf(self) -> str:
        """What their forms must carry."""

    @property
    def expires_at(self) -> datetime:
        """When it ends, used or not."""


class Session(Protocol):
    """One person signed in from one place."""

    @property
    def agent_id(self) -> str:
        """Who it is."""

    @property
    def csrf(self) -> str:
        """What their forms must carry."""

    @property
    def expires_at(self) -> datetime:
        """When it ends, used or not."""


@dataclass(frozen=True)
class _Signed:
    """The session of somebody who has just signed in."""

    agent_id: str
    csrf: str = field(repr=False)
    expires_at: datetime


class Door(Protocol):
    """The store of passwords, sessions and failures, as the web needs it."""

    async def verify(self, username: str, password: str) -> str | None:
        """Return the agent's id, or None; the same work whether the account exists or not."""

    async def create_session(self, agent_id: str, kind: Kind) -> Opened:
        """Open a session."""

    async def find_session(self, secret: str) -> Session | None:
        """Return the live session of that secret."""

    async def touch(self, secret: str) -> None:
        """Note that the session was used: its idle time begins again."""

    async def revoke(self, secret: str) -> None:
        """End the session; unknown secrets are ignored."""

    async def delay_seconds(self, account: str, address: str) -> float:
        """How long to wait before the next try; 0 when one may be made now."""

    async def record_failure(self, account: str, address: str) -> None:
        """Count a failed try against the account and the address."""

    async def clear_failures(self, account: str) -> None:
        """Forget the account's failures after a right password."""


class RefusedError(Exception):
    """Signing in was refused; ``wait_seconds`` > 0 when it is because of too many tries."""

    def __init__(self, why: words.Words, wait_seconds: float = 0) -> None:
        super().__init__(why.en)
        self.why = why
        self.wait_seconds = wait_seconds


class StoreAwayError(Exception):
    """Nobody can be let in now: what is kept of passwords and sessions does not answer."""


@asynccontextmanager
async def _store_may_be_away() -> AsyncIterator[None]:
    """Limit what is asked of the store; all but a refusal becomes StoreAwayError."""
    try:
        async with asyncio.timeout(2 * ANSWER_SECONDS_MAX):
            yield
    except RefusedError:
        raise
    except Exception as trouble:  # noqa: BLE001  # whatever a store that is away raises
        log.warning("door.store_away", extra={"kind": type(trouble).__name__})
        raise StoreAwayError from None


class Guard:
    """Lets people in and tells who is asking."""

    def __init__(
        self,
        door: Door,
        agents: Mapping[str, Agent],
        origins: Iterable[str],
        secure: bool,
        sessions: KnownSessions,
    ):
        self._door = door
        self._agents = agents
        self._origins = frozenset(origins)
        self._one_at_a_time = asyncio.Lock()
        self._sessions = sessions
        self.secure = secure
        # The __Host- prefix exists only for cookies that never leave https.
        self.cookie = "__Host-fil" if secure else "fil"
        self.form_cookie = "__Host-fil-form" if secure else "fil-form"

    async def sign_in(self, username: str, password: str, address: str, kind: Kind) -> Opened:
        """Open a session. Raises RefusedError with words for the person, or StoreAwayError.

        A store that is away counts no failure: nothing was tested.
        """
        async with _store_may_be_away():
            agent_id = await self._known(
                username.strip().lower(), password, address, words.BAD_CREDENTIALS
            )
            opened = await self._door.create_session(agent_id, kind)
        self._sessions.saw(opened.secret, _Signed(agent_id, opened.csrf, opened.expires_at))
        log.info("login.opened", extra={"agent_id": agent_id, "kind": kind})
        return opened

    async def recognise(self, agent: Agent, password: str, address: str) -> None:
        """Test the password of somebody signed in. Raises as ``sign_in``, with the same limits."""
        async with _store_may_be_away():
            await self._known(agent.id, password, address, words.WRONG_PASSWORD)

    async def _known(self, username: str, password: str, address: str, wrong: words.Words) -> str:
        """The id of whoever has this name and password; too many tries are not tested."""
        async with self._one_at_a_time:
            wait = await self._door.delay_seconds(username, address)
            if wait > 0:
                raise RefusedError(words.too_many_tries(wait), wait)
            agent_id = None
            if len(username) <= USERNAME_CHARS_MAX and len(password) <= PASSWORD_CHARS_MAX:
                agent_id = await self._door.verify(username, password)
            if agent_id is None or agent_id not in self._agents:
                await self._door.record_failure(username[:USERNAME_CHARS_MAX], address)
                log.info("login.refused")
                raise RefusedError(wrong)
            await self._door.clear_failures(username)
        return agent_id

    def secret_of(self, request: web.Request) -> tuple[str | None, bool]:
        """Return the session secret of the request, and whether a browser's cookie brought it."""
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() == "bearer" and token:
            return token.strip(), False
        return request.cookies.get(self.cookie), True

    async def find(self, secret: str) -> Session | None:
        """Return the live session of that secret; its idle time begins again.

        While the store is away, sessions that were good when last seen are believed, by us
        or by the process before us: a screen that was cut comes back and calls go on.
        Raises what the store raises, or TimeoutError, for a session never seen.
        """
        if self._sessions.is_ended(secret):
            return None
        try:
            async with asyncio.timeout(ANSWER_SECONDS_MAX):
                session = await self._door.find_session(secret)
        except Exception as trouble:
            log.warning("door.store_away", extra={"kind": type(trouble).__name__})
            known = self._sessions.believed(secret)
            if known is None:
                raise
            if is_over(known):
                return None
            self._sessions.saw(secret, known)
            return known
        if session is None:
            self._sessions.unseen(secret)
            return None
        self._sessions.saw(secret, session)
        try:
            async with asyncio.timeout(TOUCH_SECONDS_MAX):
                await self._door.touch(secret)
        except Exception as trouble:  # noqa: BLE001  # a store that cannot write turns nobody away
            log.warning("door.not_touched", extra={"kind": type(trouble).__name__})
        return session

    async def revoke(self, secret: str) -> None:
        """End the session of that secret, at once; a store that is away is told once it is back."""
        self._sessions.end(secret)
        try:
            async with asyncio.timeout(ANSWER_SECONDS_MAX):
                await self._door.revoke(secret)
        except Exception as trouble:  # noqa: BLE001  # whatever a store that is away raises
            log.warning("door.not_revoked", extra={"kind": type(trouble).__name__})
            return
        self._sessions.told(hashed(secret))

    def agent(self, session: Session) -> Agent | None:
        """Return the person of that session, if they are still of the team."""
        return self._agents.get(session.agent_id)

    def right_origin(self, request: web.Request, required: bool = False) -> bool:
        """Whether the page that sent this request is one of ours.

        A page under ``Referrer-Policy: no-referrer`` posts its forms with the
        origin "null": the browser then says by Sec-Fetch-Site where it is from.
        """
        origin = request.headers.get("Origin")
        if origin is None:
            return not required
        if origin == "null":
            return not required and request.headers.get("Sec-Fetch-Site") == "same-origin"
        return origin in self._origins

    def set_cookie(self, response: web.Response, opened: Opened) -> None:
        """Hand the session to a browser; scripts of the page cannot read it."""
        response.set_cookie(
            self.cookie,
            opened.secret,
            max_age=max(0, int((opened.expires_at - clock.now()).total_seconds())),
            path="/",
            httponly=True,
            secure=self.secure,
            samesite="Strict",
        )

    def new_form_token(self, response: web.Response) -> str:
        """Make a token for a form shown before there is a session: in the page and in a cookie."""
        token = secrets.token_urlsafe(24)
        response.set_cookie(
            self.form_cookie,
            token,
            path="/",
            httponly=True,
            secure=self.secure,
            samesite="Strict",
        )
        return token

    def right_form_token(self, request: web.Request, token: str) -> bool:
        """Whether the form posted is one that this browser was shown."""
        return same(request.cookies.get(self.form_cookie, ""), token)


def same(expected: str, given: str) -> bool:
    """Compare secrets in constant time; an empty one never matches."""
    return bool(expected) and hmac.compare_digest(expected.encode(), given.encode())


GUARD: web.AppKey[Guard] = web.AppKey("guard", Guard)
WHO: web.RequestKey[Agent] = web.RequestKey("who", Agent)
SESSION: web.RequestKey[Session] = web.RequestKey("session")


def allow(*roles: Role | str) -> Callable[[T], T]:
    """Say who may use a handler or a command: roles, or ``"public"`` for anybody."""

    def mark(what: T) -> T:
        what.roles = frozenset(roles)  # type: ignore[attr-defined]
        return what

    return mark


def roles_of(what: object) -> frozenset[Role | str]:
    """Who may use a handler or a command; empty when it does not say: then nobody may."""
    roles: frozenset[Role | str] = getattr(what, "roles", frozenset())
    return roles


def is_page(request: web.Request) -> bool:
    """Whether a person reads the answer, rather than a program."""
    return is_page_path(request.path)


def is_page_path(path: str) -> bool:
    """Whether what is answered at this address is for people, rather than for programs."""
    return not path.startswith(("/api/", "/cti/", "/phone", "/health"))


async def _given_csrf(request: web.Request) -> str:
    header = request.headers.get("X-CSRF-Token")
    if header is not None:
        return header
    if request.content_type == "application/x-www-form-urlencoded":
        return str((await request.post()).get("csrf", ""))
    return ""


@web.middleware
async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn away whoever may not use this handler, before it runs."""
    if request.match_info.http_exception is not None:  # 404 and 405 are about the address alone
        return await handler(request)
    roles = roles_of(request.match_info.handler)
    keeper = request.app[GUARD]
    if request.method in UNSAFE and not keeper.right_origin(request):
        raise web.HTTPForbidden
    if "public" in roles:
        return await handler(request)
    secret, by_cookie = keeper.secret_of(request)
    try:
        session = await keeper.find(secret) if secret else None
    except Exception:  # noqa: BLE001  # whatever a store that is away raises
        raise web.HTTPServiceUnavailable from None
    agent = keeper.agent(session) if session else None
    if session is None or agent is None:
        if is_page(request) and request.method == "GET":
            raise web.HTTPSeeOther("/login")
        raise web.HTTPUnauthorized
    if not roles & agent.roles:
        raise web.HTTPForbidden
    risky = by_cookie and request.method in UNSAFE
    if risky and not same(session.csrf, await _given_csrf(request)):
        raise web.HTTPForbidden
    request[WHO], request[SESSION] = agent, session
    return await handler(request)
