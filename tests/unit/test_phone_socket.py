"""The browser's way to the engine: whose it is, what passes, and when it closes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import ClientWebSocketResponse, WSMsgType, WSServerHandshakeError, web
from aiohttp.test_utils import TestClient, TestServer

from cti.people.agents import Agent
from cti.web.phone import NO_ENGINE, NOT_YOURS, PHONE_SOCKETS, TAKEN_ELSEWHERE
from cti.web.screen import SIGNED_OUT
from tests.web_house import ORIGIN, House

Client = TestClient[web.Request, web.Application]


class Engine:
    """What the engine would hear and say, and whose account is open."""

    def __init__(self) -> None:
        self.away = False
        self.open_for: list[str] = []
        self.heard: list[tuple[str, str]] = []
        self.told: list[tuple[str, str]] = []
        self.says: asyncio.Queue[str] = asyncio.Queue()
        self.checked: str | None = None

    async def open(self, agent: Agent) -> dict[str, Any]:
        if self.away:
            raise ConnectionError
        self.open_for.append(agent.id)
        return {"account": f"{agent.id}-web", "secret": "s", "ice_servers": []}

    async def close(self, agent: Agent) -> None:
        self.open_for.remove(agent.id)

    async def check(self, agent: Agent) -> str | None:
        return self.checked

    @asynccontextmanager
    async def connect(self, agent: Agent) -> AsyncIterator[Passage]:
        if self.away:
            raise ConnectionError
        yield Passage(self, agent)

    def may_pass(self, agent: Agent, message: str) -> bool:
        return message != "forbidden"

    def passed(self, agent: Agent, message: str) -> None:
        self.told.append((agent.id, message))


class Passage:
    def __init__(self, engine: Engine, agent: Agent) -> None:
        self.engine, self.agent = engine, agent

    async def receive(self) -> str:
        said = await self.engine.says.get()
        if said == "falls":
            raise ConnectionError
        return said

    async def send(self, message: str) -> None:
        self.engine.heard.append((self.agent.id, message))
        if message == "ping":
            self.engine.says.put_nowait("pong")


@pytest.fixture
def engine() -> Engine:
    return Engine()


@pytest.fixture
def house(engine: Engine) -> House:
    return House(phones=engine)


@pytest_asyncio.fixture
async def client(house: House) -> AsyncIterator[Client]:
    async with TestClient(TestServer(house.app)) as one:
        yield one


async def bearer(house: House, who: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {await house.token(who)}"}


async def phone(client: Client, headers: dict[str, str], **more: Any) -> ClientWebSocketResponse:
    return await client.ws_connect("/phone", protocols=("sip",), headers=headers, **more)


async def code_of(socket: ClientWebSocketResponse) -> int | None:
    while (await socket.receive(timeout=4)).type is WSMsgType.TEXT:
        pass
    return socket.close_code


async def test_what_the_page_says_goes_to_the_engine_and_back(
    house: House, client: Client, engine: Engine
) -> None:
    headers = await bearer(house, "rosa")
    opened = await (await client.post("/api/v1/phone", headers=headers)).json()
    assert opened == {"account": "rosa-web", "secret": "s", "ice_servers": []}
    socket = await phone(client, headers)
    await socket.send_str("ping")
    assert (await socket.receive(timeout=4)).data == "pong"
    assert engine.heard == [("rosa", "ping")]
    assert engine.told == [("rosa", "pong")]


async def test_what_a_page_may_not_say_is_not_passed_on_and_closes_it(
    house: House, client: Client, engine: Engine
) -> None:
    socket = await phone(client, await bearer(house, "rosa"))
    await socket.send_str("forbidden")
    assert await code_of(socket) == NOT_YOURS
    assert engine.heard == []


async def test_an_engine_that_is_away_is_said(house: House, client: Client, engine: Engine) -> None:
    engine.away = True
    headers = await bearer(house, "rosa")
    answer = await client.post("/api/v1/phone", headers=headers)
    assert answer.status == 503
    error = (await answer.json())["error"]
    assert error["code"] == "engine_away"
    assert "réessaie" in error["message"]
    assert await code_of(await phone(client, headers)) == NO_ENGINE


async def test_the_page_learns_that_the_engine_has_gone(
    house: House, client: Client, engine: Engine
) -> None:
    socket = await phone(client, await bearer(house, "rosa"))
    engine.says.put_nowait("falls")
    assert await code_of(socket) is not None


async def test_signing_out_takes_the_phone_away(
    house: House, client: Client, engine: Engine
) -> None:
    headers = await bearer(house, "rosa")
    await client.post("/api/v1/phone", headers=headers)
    socket = await phone(client, headers)
    assert engine.open_for == ["rosa"]
    assert (await client.post("/api/v1/logout", headers=headers)).status == 200
    assert await code_of(socket) == SIGNED_OUT
    assert engine.open_for == []
    assert (await client.post("/api/v1/phone", headers=headers)).status == 401


async def test_signing_out_takes_the_phone_away_while_its_socket_is_cut(
    house: House, client: Client, engine: Engine
) -> None:
    headers = await bearer(house, "rosa")
    await client.post("/api/v1/phone", headers=headers)
    assert engine.open_for == ["rosa"]
    await client.post("/api/v1/logout", headers=headers)
    assert engine.open_for == []


async def test_signing_out_elsewhere_leaves_the_phone_where_it_is(
    house: House, client: Client, engine: Engine
) -> None:
    here, elsewhere = await bearer(house, "rosa"), await bearer(house, "rosa")
    await client.post("/api/v1/phone", headers=here)
    socket = await phone(client, here)
    await client.post("/api/v1/logout", headers=elsewhere)
    await socket.send_str("ping")
    assert (await socket.receive(timeout=4)).data == "pong"
    assert engine.open_for == ["rosa"]


async def test_a_page_opened_elsewhere_takes_the_phone_over(
    house: House, client: Client, engine: Engine
) -> None:
    first, second = await bearer(house, "rosa"), await bearer(house, "rosa")
    await client.post("/api/v1/phone", headers=first)
    socket = await phone(client, first)
    await client.post("/api/v1/phone", headers=second)
    assert await code_of(socket) == TAKEN_ELSEWHERE


async def test_nobody_else_gets_through(house: House, client: Client) -> None:
    cookie = {"Cookie": f"fil={await house.token('rosa')}"}
    for headers, status in (
        ({}, 401),
        (cookie, 403),  # a page that does not say whose it is
        (cookie | {"Origin": "http://elsewhere.test"}, 403),
    ):
        with pytest.raises(WSServerHandshakeError) as refused:
            await phone(client, headers)
        assert refused.value.status == status
    assert not house.app[PHONE_SOCKETS].all()
    socket = await phone(client, cookie | {"Origin": ORIGIN})
    assert not socket.closed


async def test_only_sip_is_spoken_here(house: House, client: Client) -> None:
    with pytest.raises(WSServerHandshakeError) as refused:
        await client.ws_connect("/phone", headers=await bearer(house, "rosa"))
    assert refused.value.status == 400


async def test_a_check_that_cannot_be_made_says_why(
    house: House, client: Client, engine: Engine
) -> None:
    headers = await bearer(house, "rosa")
    assert (await client.post("/api/v1/phone/check", headers=headers)).status == 200
    engine.checked = "in_call"
    answer = await client.post("/api/v1/phone/check", headers=headers)
    assert answer.status == 409
    assert "fini" in (await answer.json())["error"]["message"]
