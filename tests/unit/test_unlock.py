"""Unlocking a desk: the password of who is signed in, tried no oftener than at the door."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from aiohttp import ClientResponse
from aiohttp.test_utils import TestClient, TestServer

from tests.screen import Client
from tests.web_house import House


@pytest.fixture
def house() -> House:
    return House()


@pytest_asyncio.fixture
async def client(house: House) -> AsyncIterator[Client]:
    async with TestClient(TestServer(house.app)) as client:
        client.session.headers["Authorization"] = f"Bearer {await house.token('rosa')}"
        yield client


async def tried(client: Client, password: str) -> ClientResponse:
    return await client.post("/api/v1/unlock", json={"password": password})


async def code(answer: ClientResponse) -> str:
    return str((await answer.json())["error"]["code"])


async def test_the_password_of_who_is_signed_in_unlocks_and_nobody_elses(
    house: House, client: Client
) -> None:
    assert (await tried(client, "demo-rosa")).status == 200
    wrong = await tried(client, "demo-lea")
    assert (wrong.status, await code(wrong)) == (422, "bad_credentials")
    assert (await client.get("/api/v1/me")).status == 200  # still signed in
    assert len(house.door.sessions) == 1  # and no session more


async def test_wrong_tries_count_as_at_the_door(house: House, client: Client) -> None:
    for _ in range(5):
        assert (await tried(client, "à peu près")).status == 422
    tested = house.door.tested
    refused = await tried(client, "demo-rosa")
    assert (refused.status, await code(refused)) == (429, "too_many_tries")
    assert int(refused.headers["Retry-After"]) >= 15
    at_the_door = {"username": "rosa", "password": "demo-rosa"}
    assert (await client.post("/api/v1/login", json=at_the_door)).status == 429
    assert house.door.tested == tested


async def test_a_store_that_is_away_counts_no_try(house: House, client: Client) -> None:
    assert (await client.get("/api/v1/me")).status == 200
    house.door.away = True
    answer = await tried(client, "demo-rosa")
    assert (answer.status, await code(answer)) == (503, "database_away")
    assert house.door.failures == {}


async def test_a_body_without_a_password_is_refused(client: Client) -> None:
    answer = await client.post("/api/v1/unlock", json={"passwort": "demo-rosa"})
    assert answer.status == 400
