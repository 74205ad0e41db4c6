"""A screen that was cut comes back: nothing is lost, nothing comes twice, nothing is made up."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any
from unittest.mock import AsyncMock

import pytest
import pytest_asyncio
from aiohttp import WSMsgType, WSServerHandshakeError
from aiohttp.test_utils import TestClient, TestServer

from cti.people.agents import MESSAGES_KEPT_MAX, Presence
from cti.web import screen as screens
from cti.web.screen import FRAMES_QUEUED_MAX, SCREENS, SCREENS_PER_AGENT_MAX
from tests.screen import Client, Screen, code, deaf_screen, greeted, opened
from tests.web_house import House


@pytest.fixture
def house() -> House:
    return House()


@pytest_asyncio.fixture
async def client(house: House) -> AsyncIterator[Client]:
    async with TestClient(TestServer(house.app)) as client:
        yield client


async def numbers(screen: Screen, count: int) -> list[int]:
    return [(await screen.frame())["seq"] for _ in range(count)]


# Opened again where it was cut


async def test_what_was_missed_comes_once_in_order_and_what_is_new_after_it(
    house: House, client: Client
) -> None:
    house.told_presence("rosa", 3)
    first = await opened(house, client)
    hello = await first.frame()
    house.offer("rosa")
    seen = await first.until("call.offered")
    await first.socket.close()
    house.withdraw("rosa", "caller_left")
    again = await opened(house, client, epoch=hello["data"]["epoch"], since=seen["seq"])
    house.offer("rosa", "c2")
    greeting = await again.frame()
    assert greeting["data"]["resumed"] is True
    assert (greeting["seq"], greeting["data"]["last_seq"]) == (seen["seq"], seen["seq"] + 2)
    came = [await again.frame() for _ in range(4)]
    assert [frame["seq"] for frame in came] == [seen["seq"] + n for n in (1, 2, 3, 4)]
    assert [frame["type"] for frame in came] == [
        "call.withdrawn",
        "presence.changed",
        "presence.changed",
        "call.offered",
    ]
    assert (await again.ask("ack", seq=came[-1]["seq"]))["ok"]


async def test_a_frame_comes_again_as_it_was_told(house: House, client: Client) -> None:
    first = await opened(house, client)
    epoch = (await first.frame())["data"]["epoch"]
    await first.frame()
    house.offer("rosa")
    told = await first.until("call.offered")
    house.told("rosa", language="en")  # the call's sheet is another since
    again = await opened(house, client, epoch=epoch, since=0)
    assert await again.until("call.offered") == told


async def test_who_missed_nothing_is_told_nothing(house: House, client: Client) -> None:
    house.told_presence("rosa", 5)
    epoch = house.agent("rosa").outbox.epoch
    again = await opened(house, client, epoch=epoch, since=5)
    assert (await again.frame())["data"]["resumed"] is True
    house.told_presence("rosa")
    assert await numbers(again, 1) == [6]


async def test_as_many_as_are_kept_come_again_though_the_queue_is_shorter(
    house: House, client: Client
) -> None:
    assert MESSAGES_KEPT_MAX > FRAMES_QUEUED_MAX
    house.told_presence("rosa", MESSAGES_KEPT_MAX + 10)
    again = await opened(house, client, epoch=house.agent("rosa").outbox.epoch, since=10)
    assert (await again.frame())["data"]["resumed"] is True
    expected = list(range(11, MESSAGES_KEPT_MAX + 11))
    assert await numbers(again, MESSAGES_KEPT_MAX) == expected


@pytest.mark.parametrize("what", ["epoch", "too_old", "future"])
async def test_what_cannot_be_told_again_is_replaced_by_all_that_is_true_now(
    house: House, client: Client, what: str
) -> None:
    house.told_presence("rosa", MESSAGES_KEPT_MAX + 10)
    outbox = house.agent("rosa").outbox
    known: dict[str, Any] = {
        "epoch": {"epoch": "before", "since": outbox.last_seq},
        "too_old": {"epoch": outbox.epoch, "since": 9},
        "future": {"epoch": outbox.epoch, "since": outbox.last_seq + 1},
    }[what]
    again = await opened(house, client, **known)
    hello, snapshot = await again.frame(), await again.frame()
    assert hello["data"]["resumed"] is False
    assert snapshot["type"] == "snapshot"
    assert hello["seq"] == snapshot["seq"] == hello["data"]["last_seq"] == outbox.last_seq


async def test_another_life_of_the_line_is_another_epoch_and_begins_with_a_snapshot(
    house: House, client: Client
) -> None:
    token = await house.token("rosa")
    first = await opened(house, client, token=token)
    epoch = (await first.frame())["data"]["epoch"]
    house.told_presence("rosa", 3)
    restarted = House()
    restarted.door.sessions = house.door.sessions
    restarted.offer("rosa", "c9")
    async with TestClient(TestServer(restarted.app)) as other:
        again = await opened(restarted, other, token=token, epoch=epoch, since=1)
        hello = await again.frame()
        assert hello["data"]["resumed"] is False
        assert hello["data"]["epoch"] != epoch
        shown = (await again.until("snapshot"))["data"]
        assert (shown["call"]["id"], shown["call_state"]) == ("c9", "offered")


async def test_another_person_s_numbers_resume_nothing(house: House, client: Client) -> None:
    house.told_presence("rosa", 3)
    house.offer("rosa", handover="confidence")
    rosas = house.agent("rosa").outbox.epoch
    spy = await opened(house, client, "lea", epoch=rosas, since=0)
    hello, snapshot = await spy.frame(), await spy.frame()
    assert hello["data"]["resumed"] is False
    assert (snapshot["data"]["agent"]["id"], snapshot["data"]["call"]) == ("lea", None)


@pytest.mark.parametrize(
    "asked",
    [
        {"epoch": "e"},
        {"since": 1},
        {"epoch": "e", "since": -1},
        {"epoch": "e", "since": "one"},
        {"epoch": "e" * 200, "since": 1},
        {"epoch": "e", "since": 1, "cookie": "secret"},
    ],
)
async def test_what_nobody_can_resume_from_is_refused_in_words(
    house: House, client: Client, asked: dict[str, Any]
) -> None:
    with pytest.raises(WSServerHandshakeError) as refused:
        await opened(house, client, **asked)
    assert refused.value.status == 400
    headers = {"Authorization": f"Bearer {await house.token('rosa')}"}
    answer = await client.get("/cti/v1", params=asked, headers=headers)
    assert (await answer.json())["error"]["code"] == "bad_resume"
    assert "secret" not in await answer.text()


async def test_a_version_that_is_not_spoken_here_is_refused_and_told_which_is(
    house: House, client: Client
) -> None:
    headers = {
        "Authorization": f"Bearer {await house.token('rosa')}",
        "Sec-WebSocket-Protocol": "fil.cti.v9, fil.cti.v10",
    }
    answer = await client.get("/cti/v1", headers=headers)
    error = (await answer.json())["error"]
    assert (answer.status, error["code"]) == (400, "unknown_protocol")
    assert "fil.cti.v1" in error["message"]
    both = ["fil.cti.v9", "fil.cti.v1"]
    bearer = {"Authorization": headers["Authorization"]}
    socket = await client.ws_connect("/cti/v1", protocols=both, headers=bearer)
    assert socket.protocol == "fil.cti.v1"


# What is acked was sent


async def test_an_ack_of_another_life_does_not_count_as_having_seen_the_pop(
    house: House, client: Client
) -> None:
    screen = await greeted(house, client)
    pop = house.offer("rosa")
    assert code(await screen.ask("ack", seq=pop.seq + 1)) == "not_sent"
    displayed = asyncio.create_task(house.agent("rosa").outbox.displayed(pop, 0.05))
    assert not await displayed


async def test_what_waits_behind_a_slow_screen_cannot_be_acked_yet(
    house: House, client: Client
) -> None:
    screen = await greeted(house, client)
    writing, sent = asyncio.Event(), 0
    send = screens.web.WebSocketResponse.send_str

    async def slow(self: Any, text: str) -> None:
        nonlocal sent
        sent += 1
        if sent == 2:
            writing.set()
            await asyncio.sleep(0.2)
        await send(self, text)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(screens.web.WebSocketResponse, "send_str", slow)
        house.told_presence("rosa", 3)
        await asyncio.wait_for(writing.wait(), 2)
        assert code(await screen.ask("ack", seq=3)) == "not_sent"
        assert code(await screen.ask("ack", seq=3)) is None


# Who reads too slowly


async def test_a_screen_that_was_too_slow_is_closed_and_resumes_without_a_loss(
    house: House, client: Client
) -> None:
    screen = await opened(house, client)
    epoch = (await screen.frame())["data"]["epoch"]
    await screen.frame()
    house.told_presence("rosa", 10)
    seen = await numbers(screen, 10)
    house.told_presence("rosa", FRAMES_QUEUED_MAX + 50)  # at once: more than may wait
    while (message := await screen.socket.receive(timeout=4)).type is WSMsgType.TEXT:
        seen.append(message.json()["seq"])
    assert screen.socket.close_code == 4008
    again = await opened(house, client, epoch=epoch, since=seen[-1])
    assert (await again.frame())["data"]["resumed"] is True
    total = FRAMES_QUEUED_MAX + 60
    seen += await numbers(again, total - len(seen))
    assert seen == list(range(1, total + 1))


async def test_after_a_frame_that_found_no_room_none_leaves(
    house: House, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    screen = await greeted(house, client)
    monkeypatch.setattr(screens.web.WebSocketResponse, "send_str", AsyncMock(side_effect=never))
    house.told_presence("rosa", 1)  # is being sent, for ever
    await asyncio.sleep(0.05)
    [open_] = house.app[SCREENS].of("rosa")
    assert isinstance(open_, screens.Screen)
    house.told_presence("rosa", FRAMES_QUEUED_MAX + 1)  # the last of them finds no room
    open_._queue.get_nowait()  # now there would be room, before anything has been closed
    house.told_presence("rosa", 1)
    left = [open_._queue.get_nowait()[0] for _ in range(open_._queue.qsize())]
    assert left[-1] == house.agent("rosa").outbox.last_seq - 2
    assert await screen.close_code() == 4008


async def never(_: str) -> None:
    await asyncio.Event().wait()


async def test_a_dead_screen_is_noticed_by_the_heartbeat_and_keeps_nothing_open(
    house: House, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(screens, "HEARTBEAT_SECONDS", 0.2)
    deaf = await deaf_screen(client, await house.token("rosa"))
    house.told_presence("rosa", 20)
    began = time.monotonic()
    await until_closed(house)
    assert time.monotonic() - began < 1
    deaf.close()


async def test_what_nobody_reads_any_more_is_not_kept_for_a_quarter_of_an_hour(
    house: House, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(screens, "HEARTBEAT_SECONDS", 0.3)
    deaf = await deaf_screen(client, await house.token("rosa"))
    await asyncio.sleep(0.05)
    assert isinstance(client.server, TestServer)
    server = client.server.runner.server
    assert server is not None
    text = "x" * 15_000
    for _ in range(FRAMES_QUEUED_MAX - 10):  # less than would end it by itself
        house.agent("rosa").outbox.push("call.updated", {"call": {"id": "c", "handover": text}})
        await asyncio.sleep(0)
    assert house.agent("rosa").outbox.screens == 1
    await until_closed(house)
    async with asyncio.timeout(2):
        while server.connections:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    deaf.close()


async def until_closed(house: House) -> None:
    async with asyncio.timeout(4):
        while house.agent("rosa").outbox.screens:  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def test_a_ping_is_answered_and_a_thousand_take_their_turns(
    house: House, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(screens, "FRAMES_DELAYED_MAX", 10)
    headers = {"Authorization": f"Bearer {await house.token('rosa')}"}
    socket = await client.ws_connect("/cti/v1", headers=headers, autoping=False)
    await socket.ping(b"there?")
    while (message := await socket.receive(timeout=4)).type is WSMsgType.TEXT:
        pass
    assert (message.type, bytes(message.data)) == (WSMsgType.PONG, b"there?")
    for _ in range(1000):
        await socket.ping()
    answered = 0
    while (await socket.receive(timeout=4)).type is WSMsgType.PONG:
        answered += 1
    assert socket.close_code == 4008
    assert answered < 60


async def test_many_screens_opened_at_once_are_no_more_than_may_be(
    house: House, client: Client
) -> None:
    token = await house.token("rosa")
    await asyncio.gather(*(opened(house, client, token=token) for _ in range(20)))
    async with asyncio.timeout(4):
        while len(house.app[SCREENS].all()) > SCREENS_PER_AGENT_MAX:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    assert house.agent("rosa").outbox.screens == SCREENS_PER_AGENT_MAX
    assert house.agent("rosa").presence is Presence.LOGGED_OUT
