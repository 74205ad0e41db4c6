"""The browser as a phone: its account, and its way to the engine through us.

The engine's own web server is never exposed: a page speaks SIP with us, under its session, and
we pass on what a page with this account may say.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol

from aiohttp import WSCloseCode, WSMsgType, web

from cti.people.agents import Agent
from cti.web import words
from cti.web.answers import Done, PhoneAccount, Refusal, problem, says
from cti.web.door import EVERYONE, GUARD, WHO, allow
from cti.web.language import language_of
from cti.web.screen import (
    CLOSE_SECONDS_MAX,
    HEARTBEAT_SECONDS,
    OUT_OF_STEP,
    SIGNED_OUT,
    Pace,
    Screens,
    close_socket,
)

log = logging.getLogger(__name__)

PROTOCOL = "sip"
MESSAGE_BYTES_MAX = 64 * 1024
NO_ENGINE = 4503
TAKEN_ELSEWHERE = 4409
NOT_YOURS = 4403


class Passage(Protocol):
    """The way to the engine; both raise ConnectionError once it is closed."""

    async def receive(self) -> str:
        """The engine's next SIP message."""

    async def send(self, message: str) -> None:
        """Pass a SIP message on to the engine."""


class Phones(Protocol):
    """Browsers as phones, as the web needs them."""

    async def open(self, agent: Agent) -> dict[str, Any]:
        """Make the account of an agent's page. Raises ConnectionError without an engine."""

    async def close(self, agent: Agent) -> None:
        """Take it away."""

    async def check(self, agent: Agent) -> str | None:
        """Have their page hear itself come back. Returns an error code or None."""

    def connect(self, agent: Agent) -> AbstractAsyncContextManager[Passage]:
        """Open a way to the engine. Raises ConnectionError."""

    def may_pass(self, agent: Agent, message: str) -> bool:
        """Whether their page may say this to the engine."""

    def passed(self, agent: Agent, message: str) -> None:
        """The engine has said this to their page."""


PHONES: web.AppKey[Phones | None] = web.AppKey("phones")
PHONE_SOCKETS: web.AppKey[Screens] = web.AppKey("phone_sockets", Screens)
PHONE_OWNERS: web.AppKey[dict[str, str]] = web.AppKey("phone_owners", dict)  # sessions, by agent


@allow(*EVERYONE)
@says({200: PhoneAccount, 404: Refusal, 503: Refusal})
async def open_phone(request: web.Request) -> web.Response:
    """``POST /api/v1/phone``: an account for the phone of this page; an older one ends."""
    phones, agent = request.app[PHONES], request[WHO]
    if phones is None:
        raise web.HTTPNotFound
    try:
        account = await phones.open(agent)
    except ConnectionError:
        return _refused(request, 503, "engine_away")
    for older in request.app[PHONE_SOCKETS].of(agent.id):
        older.stop(TAKEN_ELSEWHERE)
    request.app[PHONE_OWNERS][agent.id] = request.app[GUARD].secret_of(request)[0] or ""
    log.info("phone.opened", extra={"agent_id": agent.id})
    return web.json_response(account)


@allow(*EVERYONE)
@says({200: Done, 404: Refusal, 409: Refusal})
async def check_phone(request: web.Request) -> web.Response:
    """``POST /api/v1/phone/check``: the engine rings this page and sends it its own sound back."""
    phones = request.app[PHONES]
    if phones is None:
        raise web.HTTPNotFound
    if code := await phones.check(request[WHO]):
        return _refused(request, 409, code)
    return web.json_response({"ok": True})


def _refused(request: web.Request, status: int, code: str) -> web.Response:
    return problem(status, code, words.command_error(code, language_of(request)))


@allow(*EVERYONE)
@says({200: Done})
async def close_phone(request: web.Request) -> web.Response:
    """``DELETE /api/v1/phone``: this browser is no longer a phone."""
    await end_phone(request.app, request[WHO], request.app[GUARD].secret_of(request)[0])
    return web.json_response({"ok": True})


async def end_phone(app: web.Application, agent: Agent, secret: str | None) -> None:
    """Take an agent's account away, if this session made it, and close its sockets."""
    phones, owners = app[PHONES], app[PHONE_OWNERS]
    if phones is not None and secret is not None and owners.get(agent.id) == secret:
        del owners[agent.id]
        await phones.close(agent)
        app[PHONE_SOCKETS].close_agent(agent.id)


class PhoneSocket:
    """One page's open way to the engine."""

    def __init__(
        self, agent: Agent, phones: Phones, secret: str, socket: web.WebSocketResponse
    ) -> None:
        self.agent, self.secret = agent, secret
        self._phones, self._socket = phones, socket
        self._stopped: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    def stop(self, code: int) -> None:
        """Have it closed with that code; returns at once."""
        if not self._stopped.done():
            self._stopped.set_result(code)

    async def run(self) -> int:
        """Pass messages both ways until one side leaves. Returns the code to close it with."""
        try:
            async with self._phones.connect(self.agent) as way:
                work = {
                    asyncio.create_task(self._from_page(way)),
                    asyncio.create_task(self._to_page(way)),
                }
                first: set[asyncio.Future[Any]] = {*work, self._stopped}
                await asyncio.wait(first, return_when=asyncio.FIRST_COMPLETED)
                for task in work:
                    task.cancel()
                await asyncio.gather(*work, return_exceptions=True)
        except ConnectionError:
            return NO_ENGINE
        return self._stopped.result() if self._stopped.done() else WSCloseCode.GOING_AWAY

    async def _from_page(self, way: Passage) -> None:
        pace = Pace()
        while True:
            message = await self._socket.receive()
            if message.type is not WSMsgType.TEXT:
                return
            if not self._phones.may_pass(self.agent, message.data):
                log.warning("phone.refused", extra={"agent_id": self.agent.id})
                self.stop(NOT_YOURS)
                return
            await way.send(message.data)
            await asyncio.sleep(pace.wait_seconds())
            if pace.exceeded:
                self.stop(OUT_OF_STEP)
                return

    async def _to_page(self, way: Passage) -> None:
        while True:
            message = await way.receive()
            self._phones.passed(self.agent, message)
            async with asyncio.timeout(CLOSE_SECONDS_MAX):
                await self._socket.send_str(message)


@allow(*EVERYONE)
@says({101: None, 400: Refusal, 404: Refusal})
async def phone(request: web.Request) -> web.StreamResponse:
    """``GET /phone``: SIP over a websocket, for the browser of whoever is signed in."""
    guard, phones = request.app[GUARD], request.app[PHONES]
    if phones is None:
        raise web.HTTPNotFound
    secret, by_cookie = guard.secret_of(request)
    # Browsers send cookies with any page's websocket: only our pages may open one.
    if secret is None or not guard.right_origin(request, required=by_cookie):
        raise web.HTTPForbidden
    offered = request.headers.get("Sec-WebSocket-Protocol", "")
    if PROTOCOL not in [one.strip() for one in offered.split(",")]:
        raise web.HTTPBadRequest
    socket = web.WebSocketResponse(
        protocols=(PROTOCOL,),
        heartbeat=HEARTBEAT_SECONDS,
        max_msg_size=MESSAGE_BYTES_MAX,
        compress=False,
        timeout=1.0,
    )
    await socket.prepare(request)
    mine = PhoneSocket(request[WHO], phones, secret, socket)
    request.app[PHONE_SOCKETS].add(mine)
    # After our restart the page comes back without asking for an account: it has one.
    request.app[PHONE_OWNERS].setdefault(mine.agent.id, secret)
    try:
        code = await mine.run()
    finally:
        request.app[PHONE_SOCKETS].remove(mine)
    if code == SIGNED_OUT:
        await end_phone(request.app, mine.agent, secret)
    await close_socket(request, socket, code)
    return socket
