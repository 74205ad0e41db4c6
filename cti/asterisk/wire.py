"""The wire to the engine: commands out over HTTP, events in over a websocket. Not their meaning."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Protocol

import aiohttp

from cti.asterisk.ari_base import Json

HEARTBEAT_SECONDS = 10.0  # a dead peer is noticed by its missing pong
OPENED_SECONDS_MAX = 5.0
IDLE_SECONDS_MAX = 50.0  # below the engine's session_keep_alive, so that it never closes first
POOL_MAX = 10  # the engine accepts ten connections at once; an eleventh waits a whole second


class WireLost(Exception):
    """There is no engine at the other end, or it no longer speaks."""


class Socket(Protocol):
    """The way events come."""

    async def receive(self) -> str:
        """The next message. Raises WireLost."""

    async def send(self, data: Json) -> None:
        """Say something to the engine. Raises WireLost."""


class Wire(Protocol):
    """What the door needs of a wire; the engine's stand-in for rehearsals has one too."""

    def listen(self, app: str) -> AbstractAsyncContextManager[Socket]:
        """Have the events of one application come, until left. Raises WireLost."""

    async def put(self, method: str, path: str, values: Mapping[str, Any]) -> tuple[int, Any]:
        """One exchange: (HTTP status, the engine's JSON, or bytes). Raises WireLost."""

    async def close(self) -> None:
        """Close our connections; calls in the engine go on."""


class HttpWire:
    """The wire to a real engine, whose HTTP server is at ``url`` (``http://127.0.0.1:8088``)."""

    def __init__(self, url: str, username: str, password: str) -> None:
        self._base = url.rstrip("/") + "/ari"
        self._headers = {"Authorization": aiohttp.encode_basic_auth(username, password)}
        self._http: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        """Close our connections; calls in the engine go on."""
        if self._http is not None:
            await self._http.close()
            self._http = None

    @asynccontextmanager
    async def listen(self, app: str) -> AsyncIterator[Socket]:
        """Have the events of one application come, until left. Raises WireLost."""
        async with aiohttp.ClientSession(headers=self._headers) as session:
            try:
                async with asyncio.timeout(OPENED_SECONDS_MAX):
                    opened = await session.ws_connect(
                        f"{self._base}/events",
                        params={"app": app, "subscribeAll": "false"},
                        heartbeat=HEARTBEAT_SECONDS,
                        timeout=aiohttp.ClientWSTimeout(ws_close=1.0),
                    )
            except (aiohttp.ClientError, OSError, TimeoutError) as error:
                raise WireLost(type(error).__name__) from None
            async with opened:
                yield HttpSocket(opened)

    async def put(self, method: str, path: str, values: Mapping[str, Any]) -> tuple[int, Any]:
        """One exchange with the engine. Raises WireLost, which tells no more than its kind."""
        in_url = method in ("GET", "DELETE")  # the engine reads no body there
        try:
            async with self._session().request(
                method,
                self._base + path,
                params={n: _in_query(v) for n, v in values.items()} if in_url else None,
                json=dict(values) if values and not in_url else None,
            ) as response:
                body = await response.read()
        except (aiohttp.ClientError, OSError) as error:
            # Not chained: aiohttp's own text would tell more than a log may know.
            raise WireLost(type(error).__name__) from None
        if response.content_type != "application/json":
            return response.status, body
        try:
            return response.status, json.loads(body)
        except ValueError:
            return response.status, None

    def _session(self) -> aiohttp.ClientSession:
        if self._http is None:
            self._http = aiohttp.ClientSession(
                headers=self._headers,
                connector=aiohttp.TCPConnector(limit=POOL_MAX, keepalive_timeout=IDLE_SECONDS_MAX),
                timeout=aiohttp.ClientTimeout(total=None),
            )
        return self._http


class HttpSocket:
    """The websocket of a real engine."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse[bool]) -> None:
        self._socket = socket

    async def receive(self) -> str:
        """The next message. Raises WireLost."""
        message = await self._socket.receive()
        if message.type is not aiohttp.WSMsgType.TEXT:
            raise WireLost("closed")
        heard: str = message.data
        return heard

    async def send(self, data: Json) -> None:
        """Say something to the engine. Raises WireLost."""
        try:
            await self._socket.send_json(data)
        except (aiohttp.ClientError, OSError) as error:
            raise WireLost(type(error).__name__) from None


def _in_query(value: Any) -> str:
    """A parameter as the engine reads it in an URL."""
    if isinstance(value, bool):
        return str(value).lower()
    return value if isinstance(value, str) else ",".join(value)
