"""An agent's screen in tests: one open websocket, as a program would use it."""

from __future__ import annotations

import asyncio
import json
import socket
from typing import Any

from aiohttp import ClientWebSocketResponse, WSMsgType, web
from aiohttp.test_utils import TestClient
from yarl import URL

from tests import promised
from tests.web_house import House

Client = TestClient[web.Request, web.Application]


class Screen:
    """One open websocket, as a program would use it. Every frame it reads is validated."""

    def __init__(self, socket: ClientWebSocketResponse) -> None:
        self.socket = socket

    async def frame(self) -> dict[str, Any]:
        message = await self.socket.receive(timeout=4)
        assert message.type is WSMsgType.TEXT, message
        return promised.frame(json.loads(message.data))

    async def until(self, type_: str) -> dict[str, Any]:
        while True:
            frame = await self.frame()
            if frame.get("type") == type_:
                return frame

    async def ask(self, op: str, **data: Any) -> dict[str, Any]:
        await self.socket.send_json({"op": op, "id": "q", "data": data})
        return await self.result()

    async def result(self) -> dict[str, Any]:
        while True:
            frame = await self.frame()
            if frame.get("op") == "result":
                return frame

    async def close_code(self) -> int | None:
        while True:
            message = await self.socket.receive(timeout=4)
            if message.type in (WSMsgType.CLOSE, WSMsgType.CLOSED, WSMsgType.CLOSING):
                return self.socket.close_code


async def opened(
    house: House, client: Client, who: str = "rosa", token: str = "", **known: Any
) -> Screen:
    """A screen just opened; ``known``: the epoch and the last number, to resume."""
    headers = {"Authorization": f"Bearer {token or await house.token(who)}"}
    at = URL("/cti/v1").with_query(known)
    socket = await client.ws_connect(at, protocols=["fil.cti.v1"], headers=headers)
    assert socket.protocol == "fil.cti.v1"
    return Screen(socket)


async def greeted(house: House, client: Client, who: str = "rosa") -> Screen:
    screen = await opened(house, client, who)
    await screen.until("snapshot")
    return screen


def code(result: dict[str, Any]) -> str | None:
    return None if result["ok"] else result["error"]["code"]


async def deaf_screen(client: Client, token: str) -> socket.socket:
    """Open a screen by hand, in a small socket that is never read again."""
    deaf = socket.socket()
    deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    deaf.setblocking(False)
    loop = asyncio.get_running_loop()
    assert client.port
    await loop.sock_connect(deaf, ("127.0.0.1", client.port))
    await loop.sock_sendall(
        deaf,
        f"GET /cti/v1 HTTP/1.1\r\nHost: desk.test\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
        f"Authorization: Bearer {token}\r\n\r\n".encode(),
    )
    assert b"101 Switching" in await loop.sock_recv(deaf, 64)
    return deaf
