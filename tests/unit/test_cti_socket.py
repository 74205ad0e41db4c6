"""The agent websocket keeps its contract, and one screen never troubles another."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import jsonschema
import pytest
import pytest_asyncio
from aiohttp import WSMsgType, WSServerHandshakeError
from aiohttp.test_utils import TestClient, TestServer

from cti.people.agents import Agent, Close, Decline, End, Orient, Presence, Role
from cti.records.last_good import KnownSessions
from cti.web import screen as screens
from cti.web import words
from cti.web.door import GUARD
from cti.web.frames import OPS
from cti.web.screen import FRAME_BYTES_MAX, SCREENS, Pace
from tests import promised
from tests.screen import Client, Screen, code, deaf_screen, greeted, opened
from tests.web_house import ORIGIN, House


@pytest.fixture
def house() -> House:
    return House()


@pytest_asyncio.fixture
async def client(house: House) -> AsyncIterator[Client]:
    async with TestClient(TestServer(house.app)) as client:
        yield client


# Coming in


async def test_a_screen_is_greeted_then_told_all_it_must_show(house: House, client: Client) -> None:
    house.agent("rosa").outbox.push("presence.changed", house.agent("rosa").presence_view())
    screen = await opened(house, client)
    hello, snapshot = await screen.frame(), await screen.frame()
    assert hello["type"] == "hello"
    assert snapshot["type"] == "snapshot"
    outbox = house.agent("rosa").outbox
    assert hello["data"] == {
        "epoch": outbox.epoch,
        "last_seq": 1,
        "heartbeat_seconds": 15,
        "resumed": False,
    }
    assert hello["seq"] == snapshot["seq"] == 1
    assert snapshot["data"]["agent"]["id"] == "rosa"
    assert {line["id"] for line in snapshot["data"]["lines"]} == {"regulators", "listeners"}


@pytest.mark.parametrize("origin", [None, "null", "http://ailleurs.test", ORIGIN + ".evil.test"])
async def test_a_cookie_opens_a_screen_from_our_pages_only(
    house: House, client: Client, origin: str | None
) -> None:
    cookie = {"Cookie": f"fil={await house.token('rosa')}"}
    headers = cookie | ({"Origin": origin} if origin else {})
    with pytest.raises(WSServerHandshakeError) as refused:
        await client.ws_connect("/cti/v1", headers=headers)
    assert refused.value.status == 403
    socket = await client.ws_connect("/cti/v1", headers=cookie | {"Origin": ORIGIN})
    assert (await Screen(socket).frame())["type"] == "hello"


async def test_another_protocol_is_refused(house: House, client: Client) -> None:
    headers = {"Authorization": f"Bearer {await house.token('rosa')}"}
    with pytest.raises(WSServerHandshakeError) as refused:
        await client.ws_connect("/cti/v1", protocols=["fil.cti.v9"], headers=headers)
    assert refused.value.status == 400


async def test_a_stranger_opens_no_screen(client: Client) -> None:
    with pytest.raises(WSServerHandshakeError) as refused:
        await client.ws_connect("/cti/v1", headers={"Authorization": "Bearer inconnu"})
    assert refused.value.status == 401


# The pop


async def test_only_the_agent_concerned_is_told_of_a_call(house: House, client: Client) -> None:
    rosa, lea = await greeted(house, client), await greeted(house, client, "lea")
    house.offer("rosa", handover="confidence")
    pop = await rosa.until("call.offered")
    assert pop["data"]["call"]["handover"] == "confidence"
    house.agent("lea").outbox.push("presence.changed", house.agent("lea").presence_view())
    assert (await lea.frame())["type"] == "presence.changed"


async def test_an_ack_says_that_the_pop_is_displayed(house: House, client: Client) -> None:
    screen = await greeted(house, client)
    pop = house.offer("rosa")
    displayed = asyncio.create_task(house.agent("rosa").outbox.displayed(pop, 4))
    frame = await screen.until("call.offered")
    assert not displayed.done()
    assert (await screen.ask("ack", seq=frame["seq"]))["ok"]
    assert await displayed


async def test_every_event_of_a_call_keeps_the_contract(house: House, client: Client) -> None:
    screen = await greeted(house, client)
    rosa = house.agent("rosa")
    house.offer("rosa")
    rosa.outbox.push("call.updated", {"call": {"id": "c1", "language": "en"}})
    house.withdraw("rosa", "caller_left")
    house.offer("rosa", "c2")
    house.connect("rosa")
    house.end("rosa")
    seen = {(await screen.frame())["type"] for _ in range(10)}
    assert seen == {
        "presence.changed",
        "call.offered",
        "call.updated",
        "call.withdrawn",
        "call.connected",
        "call.ended",
    }


def test_the_contract_refuses_what_is_not_it() -> None:
    with pytest.raises(jsonschema.ValidationError):
        promised.frame(
            {"seq": 1, "id": "x", "type": "hello", "time": "2026-01-01T00:00:00Z", "data": {}}
        )
    with pytest.raises(jsonschema.ValidationError):
        promised.frame({"op": "result", "id": "x"})


# Commands


async def test_presence_is_what_the_agent_said(house: House, client: Client) -> None:
    screen = await greeted(house, client)
    await screen.socket.send_json(
        {"op": "presence.set", "id": "1", "data": {"presence": "READY", "reason": None}}
    )
    changed = await screen.until("presence.changed")
    assert changed["data"]["presence"] == "READY"
    assert (await screen.result())["id"] == "1"
    assert house.agent("rosa").presence is Presence.READY
    refused = await screen.ask("presence.set", presence="TALKING", reason=None)
    assert code(refused) == "bad_frame"


async def test_decisions_reach_the_call_and_only_where_they_apply(
    house: House, client: Client
) -> None:
    screen = await greeted(house, client)
    assert code(await screen.ask("call.decline", call="c1")) == "no_such_call"
    house.offer("rosa")
    engagement = house.agent("rosa").engagement
    assert engagement
    assert code(await screen.ask("call.end", call="c1")) == "not_connected"
    assert code(await screen.ask("call.close", call="c1", why="silent")) == "not_connected"
    assert code(await screen.ask("call.close", call="c1", why="boring")) == "bad_frame"
    assert code(await screen.ask("call.decline", call="c1")) is None
    house.connect("rosa")
    assert code(await screen.ask("call.decline", call="c1")) == "already_connected"
    house.team.move(house.agent("lea"), Presence.READY)
    for to in ({"line": "listeners"}, {"agent": "lea"}):
        oriented = await screen.ask("call.orient", call="c1", to=to, handover="dit\x00 \u202etout")
        assert code(oriented) is None
    assert code(await screen.ask("call.end", call="c1")) is None
    assert code(await screen.ask("call.close", call="c1", why="silent")) is None
    decided = [engagement.decisions.get_nowait() for _ in range(5)]
    assert decided == [
        Decline(),
        Orient(line="listeners", handover="dit tout"),
        Orient(agent="lea", handover="dit tout"),
        End(),
        Close("silent"),
    ]
    assert engagement.decisions.empty()


@pytest.mark.parametrize(
    "to",
    [{}, {"line": "listeners", "agent": "lea"}, {"lines": "listeners"}, {"line": ""}, "listeners"],
)
async def test_an_orientation_names_exactly_one_destination(
    house: House, client: Client, to: object
) -> None:
    screen = await greeted(house, client)
    house.offer("rosa")
    house.connect("rosa")
    assert code(await screen.ask("call.orient", call="c1", to=to, handover=None)) == "bad_frame"
    engagement = house.agent("rosa").engagement
    assert engagement
    assert engagement.decisions.empty()


@pytest.mark.parametrize(
    "refusal", ["no_such_line", "no_such_agent", "nobody_there", "not_ready", "does_not_fit"]
)
async def test_what_the_call_refuses_is_told_in_words(
    house: House, client: Client, refusal: str
) -> None:
    screen = await greeted(house, client)
    house.offer("rosa")
    house.connect("rosa")
    engagement = house.agent("rosa").engagement
    assert engagement
    engagement.check = lambda decision: refusal
    result = await screen.ask("call.orient", call="c1", to={"line": "listeners"}, handover=None)
    assert code(result) == refusal
    assert result["error"]["message"] != words.command_error("never written")
    assert engagement.decisions.empty()


async def test_an_agent_cannot_decide_for_another(house: House, client: Client) -> None:
    house.offer("lea", "hers")
    screen = await greeted(house, client)
    assert code(await screen.ask("call.decline", call="hers")) == "no_such_call"
    engagement = house.agent("lea").engagement
    assert engagement
    assert engagement.decisions.empty()


async def test_wrap_up_takes_one_of_the_known_dispositions(house: House, client: Client) -> None:
    screen = await greeted(house, client)
    house.offer("rosa")
    house.connect("rosa")
    house.end("rosa")
    wrong = await screen.ask("wrapup.done", call="c1", disposition="n'importe")
    assert code(wrong) == "no_such_disposition"
    assert code(await screen.ask("wrapup.done", call="c2", disposition="ecoute")) is not None
    assert code(await screen.ask("wrapup.done", call="c1", disposition="ecoute")) is None
    assert house.wrapups == [("c1", "rosa", "ecoute")]


async def test_a_wrap_up_counts_down_and_is_extended_once(house: House, client: Client) -> None:
    screen = await greeted(house, client)
    house.offer("rosa")
    house.connect("rosa")
    house.end("rosa")
    shown = (await screen.until("presence.changed"))["data"]
    while shown["presence"] != "WRAP_UP":
        shown = (await screen.until("presence.changed"))["data"]
    assert shown["wrap_up"] == {"seconds_left": 60, "may_extend": True, "form": True}
    assert code(await screen.ask("wrapup.extend", call="c2")) == "no_such_wrapup"
    assert code(await screen.ask("wrapup.extend", call="c1")) is None
    assert code(await screen.ask("wrapup.extend", call="c1")) == "already_extended"
    longer = house.agent("rosa").presence_view()["wrap_up"]
    assert longer == {"seconds_left": 120, "may_extend": False, "form": True}


async def test_the_end_of_a_shift_and_one_more_are_said_and_shown(
    house: House, client: Client
) -> None:
    screen = await greeted(house, client)
    soon = (datetime.now(UTC) + timedelta(minutes=19)).isoformat()
    assert code(await screen.ask("duty.set", ends_at="bientôt", one_more=None)) == "bad_frame"
    assert code(await screen.ask("duty.set", ends_at=soon[:-6], one_more=None)) == "bad_frame"
    late = (datetime.now(UTC) + timedelta(days=2)).isoformat()
    assert code(await screen.ask("duty.set", ends_at=late)) == "no_such_time"
    assert code(await screen.ask("duty.set", ends_at=soon)) is None
    duty = house.agent("rosa").duty_view()
    assert datetime.fromisoformat(duty["ends_at"]) == datetime.fromisoformat(soon)
    assert duty["one_more"] is False
    assert code(await screen.ask("duty.set", one_more=True)) is None
    assert house.team.snapshot(house.agent("rosa"))["duty"]["one_more"] is True


async def test_who_let_it_ring_is_asked_and_answers(house: House, client: Client) -> None:
    screen = await greeted(house, client)
    assert code(await screen.ask("presence.set", presence="READY")) is None
    house.offer("rosa")
    rosa = house.agent("rosa")
    rosa.engagement = None
    house.team.missed(rosa)
    await screen.until("presence.asked")
    assert house.team.snapshot(rosa)["asked"]
    assert code(await screen.ask("presence.here")) is None
    assert rosa.missed == 0


# Nonsense


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "bad_json"),
        ("pas du json", "bad_json"),
        ("[]", "bad_json"),
        ("null", "bad_json"),
        ("[" * 15_000, "bad_json"),
        ('{"a":' * 2_900, "bad_json"),
        ("9" * 10_000, "bad_json"),
        ("{}", "unknown_op"),
        ('{"op": ["ack"], "data": {}}', "unknown_op"),
        ('{"op": "call.steal", "id": "q", "data": {}}', "unknown_op"),
        ('{"op": "ack", "id": "q"}', "bad_frame"),
        ('{"op": "ack", "id": "q", "data": null}', "bad_frame"),
        ('{"op": "ack", "id": "q", "data": {"seq": -1}}', "bad_frame"),
        ('{"op": "ack", "id": "q", "data": {"seq": "1"}}', "bad_frame"),
        ('{"op": "ack", "id": "q", "data": {"seq": 1, "more": 2}}', "bad_frame"),
        ('{"op": "ack", "id": {"a": 1}, "data": {"seq": 1e400}}', "bad_frame"),
        ('{"op": "call.end", "id": "q", "data": {"call": "\\ud800"}}', "bad_frame"),
    ],
)
async def test_nonsense_is_answered_and_the_screen_stays(
    house: House, client: Client, text: str, expected: str
) -> None:
    screen = await greeted(house, client)
    await screen.socket.send_str(text)
    assert code(await screen.result()) == expected
    assert (await screen.ask("ack", seq=0))["ok"]


async def test_a_command_that_breaks_on_our_side_is_said_and_the_screen_stays(
    house: House, client: Client, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def broken(*_: object) -> str | None:
        raise RuntimeError("06 39 98 00 01")

    monkeypatch.setattr(house.team, "set_presence", broken)
    screen = await greeted(house, client)
    result = await screen.ask("presence.set", presence="READY", reason=None)
    assert code(result) == "internal"
    assert "06 39 98" not in caplog.text + json.dumps(result)
    assert (await screen.ask("ack", seq=0))["ok"]


async def test_binary_is_answered_and_a_frame_too_big_closes(house: House, client: Client) -> None:
    screen = await greeted(house, client)
    await screen.socket.send_bytes(b"\x00\xff")
    assert code(await screen.result()) == "bad_json"
    await screen.socket.send_str("x" * FRAME_BYTES_MAX)
    assert code(await screen.result()) == "bad_json"
    await screen.socket.send_str("x" * (FRAME_BYTES_MAX + 1))
    assert await screen.close_code() == 1009


# Coming back


async def test_a_screen_that_comes_back_is_told_what_it_missed(
    house: House, client: Client
) -> None:
    screen = await opened(house, client)
    epoch = (await screen.frame())["data"]["epoch"]
    house.offer("rosa")
    seen = (await screen.until("call.offered"))["seq"]
    await screen.socket.close()
    house.withdraw("rosa", "caller_left")
    again = await greeted(house, client)
    await again.socket.send_json(
        {"op": "resume", "id": "r", "data": {"epoch": epoch, "since": seen}}
    )
    missed = await again.frame()
    assert (missed["type"], missed["seq"]) == ("call.withdrawn", seen + 1)
    assert (await again.frame())["type"] == "presence.changed"
    assert (await again.frame())["id"] == "r"


@pytest.mark.parametrize("what", ["epoch", "too_old", "too_many", "future"])
async def test_a_screen_away_for_too_long_gets_a_snapshot_instead(
    house: House, client: Client, what: str
) -> None:
    outbox = house.agent("rosa").outbox
    pushed = {"epoch": 3, "too_old": 600, "too_many": 400, "future": 3}[what]
    for _ in range(pushed):
        outbox.push("presence.changed", house.agent("rosa").presence_view())
    screen = await greeted(house, client)
    epoch = "before" if what == "epoch" else outbox.epoch
    await screen.socket.send_json(
        {
            "op": "resume",
            "id": "r",
            "data": {"epoch": epoch, "since": 9999 if what == "future" else 1},
        }
    )
    first = await screen.frame()
    assert (first["type"], first["seq"]) == ("snapshot", outbox.last_seq)
    assert (await screen.frame())["ok"]


# Going out


async def test_signing_out_closes_the_screen_within_a_second(house: House, client: Client) -> None:
    token = await house.token("rosa")
    screen = await opened(house, client, token=token)
    other = await greeted(house, client)
    began = time.monotonic()
    answer = await client.post("/api/v1/logout", headers={"Authorization": f"Bearer {token}"})
    assert answer.status == 200
    assert await screen.close_code() == 4401
    assert time.monotonic() - began < 1
    assert (await other.ask("ack", seq=0))["ok"]


async def test_a_session_at_its_end_closes_the_screen(house: House, client: Client) -> None:
    house.door.session_seconds = 0.3
    screen = await opened(house, client)
    began = time.monotonic()
    assert await screen.close_code() == 4401
    assert time.monotonic() - began < 1.3


async def test_a_session_ended_elsewhere_closes_the_screen(
    house: House, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    screen = await greeted(house, client)
    house.door.sessions.clear()
    monkeypatch.setattr(screens, "SESSION_CHECK_SECONDS", 0.01)
    watch = asyncio.create_task(house.app[SCREENS].watch_sessions(house.app[GUARD]))
    assert await screen.close_code() == 4401
    watch.cancel()


async def test_a_store_that_is_away_closes_nobody(
    house: House, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    screen = await greeted(house, client)
    house.door.away = True
    asked = asyncio.Event()
    find = house.door.find_session

    async def finding(secret: str) -> Any:
        asked.set()
        return await find(secret)

    monkeypatch.setattr(house.door, "find_session", finding)
    monkeypatch.setattr(screens, "SESSION_CHECK_SECONDS", 0.01)
    watch = asyncio.create_task(house.app[SCREENS].watch_sessions(house.app[GUARD]))
    await asyncio.wait_for(asked.wait(), 2)
    assert (await screen.ask("ack", seq=0))["ok"]
    assert not watch.done()
    watch.cancel()


async def test_the_oldest_of_six_screens_is_closed(house: House, client: Client) -> None:
    mine = [await greeted(house, client) for _ in range(6)]
    assert await mine[0].close_code() == 4009
    for screen in mine[1:]:
        assert (await screen.ask("ack", seq=0))["ok"]
    assert house.agent("rosa").outbox.screens == 5


async def test_a_cut_screen_comes_back_while_the_store_is_away(
    house: House, client: Client
) -> None:
    token = await house.token("rosa")
    await opened(house, client, token=token)
    house.door.away = True
    assert (await (await opened(house, client, token=token)).frame())["type"] == "hello"
    unseen = await house.token("lea")
    with pytest.raises(WSServerHandshakeError) as refused:
        await opened(house, client, token=unseen)
    assert refused.value.status == 503


async def test_a_screen_comes_back_to_the_next_process_while_the_store_is_away(
    house: House, client: Client
) -> None:
    token = await house.token("rosa")
    await opened(house, client, token=token)
    restarted = House(sessions=KnownSessions(house.sessions.known, house.sessions.ended))
    restarted.door.away = True
    async with TestClient(TestServer(restarted.app)) as again:
        assert (await (await opened(restarted, again, token=token)).frame())["type"] == "hello"


async def test_what_is_missing_is_told_to_every_screen_and_what_to_do_to_those_who_may(
    house: House, client: Client
) -> None:
    rosa, ada = await greeted(house, client, "rosa"), await greeted(house, client, "ada")
    house.team.system_is(["database_version"], "Run: fil migrate")
    told = (await rosa.until("system.changed"))["data"]
    assert told == {"degraded": True, "reasons": ["database_version"], "advice": None}
    assert (await ada.until("system.changed"))["data"]["advice"] == "Run: fil migrate"
    late = await opened(house, client, "lea")
    assert (await late.until("snapshot"))["data"]["system"] == told
    house.team.system_is(["database_version"], "Run: fil migrate")  # no news
    house.team.system_is([], None)
    told = (await rosa.until("system.changed"))["data"]
    assert told == {"degraded": False, "reasons": [], "advice": None}


async def test_signing_out_holds_while_the_store_is_away(house: House, client: Client) -> None:
    token = await house.token("rosa")
    await opened(house, client, token=token)
    await house.app[GUARD].revoke(token)
    house.door.away = True
    with pytest.raises(WSServerHandshakeError) as refused:
        await opened(house, client, token=token)
    assert refused.value.status == 503


async def test_a_store_that_cannot_write_turns_nobody_away(house: House, client: Client) -> None:
    house.door.read_only = True
    assert (await (await opened(house, client)).frame())["type"] == "hello"


async def test_a_screen_that_leaves_is_no_longer_counted(house: House, client: Client) -> None:
    screen = await greeted(house, client)
    assert house.agent("rosa").outbox.screens == 1
    await screen.socket.close()
    async with asyncio.timeout(2):
        while house.agent("rosa").outbox.screens or house.app[SCREENS].all():  # noqa: ASYNC110
            await asyncio.sleep(0.005)


# Bounds


def test_twenty_frames_a_second_and_forty_at_once_pass_without_waiting() -> None:
    now = [100.0]
    pace = Pace(lambda: now[0])
    assert [pace.wait_seconds() for _ in range(40)] == [0.0] * 40
    assert pace.wait_seconds() == pytest.approx(0.05)
    now[0] += 0.05
    for _ in range(100):
        now[0] += 0.05
        assert pace.wait_seconds() == pytest.approx(0.0, abs=1e-6)
    assert not pace.exceeded
    now[0] += 3600
    assert [pace.wait_seconds() for _ in range(40)] == [0.0] * 40
    assert pace.wait_seconds() > 0


async def test_a_flood_does_not_slow_another_screen_and_ends_its_own(
    house: House, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(screens, "FRAMES_DELAYED_MAX", 10)
    flooding, calm = await greeted(house, client), await greeted(house, client, "lea")
    frame = json.dumps({"op": "ack", "id": "f", "data": {"seq": 0}})
    for _ in range(500):
        await flooding.socket.send_str(frame)
    slowest = 0.0
    for _ in range(20):
        began = time.monotonic()
        assert (await calm.ask("ack", seq=0))["ok"]
        slowest = max(slowest, time.monotonic() - began)
    assert slowest < 0.5
    answered = 0
    while (await flooding.socket.receive(timeout=4)).type is WSMsgType.TEXT:
        answered += 1
    assert flooding.socket.close_code == 4008
    assert 40 <= answered <= 60


async def test_a_screen_that_never_reads_is_closed_and_the_others_stay(
    house: House, client: Client
) -> None:
    token = await house.token("rosa")
    other = await greeted(house, client)
    deaf = await deaf_screen(client, token)
    text = "x" * 15_000
    # More than the 256 frames of the queue and what the machine's own buffers can hold.
    for _ in range(700):
        house.agent("rosa").outbox.push("call.updated", {"call": {"id": "c", "handover": text}})
        await asyncio.wait_for(other.frame(), 4)
    async with asyncio.timeout(4):
        while house.agent("rosa").outbox.screens > 1:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    assert (await other.ask("ack", seq=0))["ok"]
    deaf.close()


# The regulators' desk

CARD = {
    "id": "c7",
    "line": "regulators",
    "tier": "regulators",
    "waiting_since": "2026-03-03T10:00:00+00:00",
    "language": "fr",
    "gender": None,
    "danger": False,
    "danger_level": 0,
    "need": [],
    "path": [],
    "told": {},
    "returned": False,
    "oriented": None,
    "handover": False,
    "state": "waiting",
    "may_take": True,
}


class Desk:
    """A desk with one caller, who can only be taken."""

    def __init__(self) -> None:
        self.asked: list[object] = []

    def shown_to(self, agent: Agent) -> dict[str, Any]:
        return {"waiting": [CARD], "waiting_count": 3} if Role.REGULATOR in agent.roles else {}

    async def take(self, agent: Agent, call_id: str) -> str | None:
        self.asked.append((agent.id, call_id))
        return None if call_id == "c7" else "no_longer_waiting"

    def orient(self, agent: Agent, call_id: str, decision: Orient) -> str | None:
        self.asked.append((agent.id, call_id, decision))
        return "rings_already"

    def judge_danger(self, agent: Agent, call_id: str, level: int) -> str | None:
        self.asked.append((agent.id, call_id, level))
        return None


async def test_a_regulator_is_shown_who_waits_and_a_listener_is_not(
    house: House, client: Client
) -> None:
    house.team.desk = Desk()
    for who, shown in (("rosa", [CARD]), ("lea", None)):
        snapshot = await (await opened(house, client, who)).until("snapshot")
        assert snapshot["data"].get("waiting") == shown
        assert snapshot["data"].get("waiting_count") == (3 if shown else None)


async def test_what_a_regulator_does_for_who_waits_goes_to_the_desk(
    house: House, client: Client
) -> None:
    house.team.desk = desk = Desk()
    screen = await greeted(house, client)
    assert (await screen.ask("call.take", call="c7"))["ok"]
    assert (await screen.ask("call.danger", call="c7", level=3))["ok"]
    gone = await screen.ask("call.take", call="c8")
    assert gone["error"] == {
        "code": "no_longer_waiting",
        "message": words.command_error("no_longer_waiting"),
    }
    assert code(await screen.ask("call.orient", call="c7", to={"line": "listeners"})) == (
        "rings_already"
    )
    for level in (-1, 4, "2", None):
        assert code(await screen.ask("call.danger", call="c7", level=level)) == "bad_frame"
    assert desk.asked == [
        ("rosa", "c7"),
        ("rosa", "c7", 3),
        ("rosa", "c8"),
        ("rosa", "c7", Orient(line="listeners")),
    ]


async def test_of_ones_own_call_the_call_itself_decides(house: House, client: Client) -> None:
    house.team.desk = desk = Desk()
    house.offer("rosa", "c1")
    house.connect("rosa")
    screen = await greeted(house, client)
    assert (await screen.ask("call.orient", call="c1", to={"line": "listeners"}))["ok"]
    assert desk.asked == []


async def test_of_who_waits_only_the_last_comes_again(house: House, client: Client) -> None:
    outbox = house.agent("rosa").outbox
    screen = await greeted(house, client)
    outbox.push("waiting.changed", {"waiting": [], "waiting_count": 0}, says_all=True)
    await screen.until("waiting.changed")
    outbox.push("waiting.changed", {"waiting": [CARD], "waiting_count": 1}, says_all=True)
    outbox.push("presence.asked", {})
    told, asked = await screen.until("waiting.changed"), await screen.until("presence.asked")
    assert told["data"]["waiting"] == [CARD]
    assert asked["seq"] == told["seq"] + 1
    await screen.socket.send_json(
        {"op": "resume", "id": "r", "data": {"epoch": outbox.epoch, "since": 0}}
    )
    again = [await screen.frame(), await screen.frame(), await screen.frame()]
    assert [frame.get("type") for frame in again] == ["waiting.changed", "presence.asked", None]


# The document


async def test_the_contract_is_served_and_names_every_frame(client: Client) -> None:
    served = await (await client.get("/cti/v1/asyncapi.json")).json()
    assert served == promised.ASYNCAPI
    assert served["asyncapi"] == "3.0.0"
    names = set(served["channels"]["screen"]["messages"])
    assert {"hello", "snapshot", "call.offered", "call.orient", "result", "resume"} <= names
    text = json.dumps(served)
    for target in {part.split('"')[0] for part in text.split('"$ref": "#/')[1:]}:
        found: Any = served
        for step in target.split("/"):
            found = found[step]
        assert found


@pytest.mark.parametrize(
    "frame",
    [
        {"op": "presence.set", "id": 1, "data": {"presence": "READY"}},
        {"op": "call.orient", "id": "a", "data": {"call": "c", "to": {"line": "listeners"}}},
        {"op": "ack", "id": "a", "data": {"seq": 3}},
    ],
)
def test_a_client_written_from_the_contract_is_understood(frame: dict[str, Any]) -> None:
    promised.command(frame)
    OPS[frame["op"]].model_validate(frame["data"])
