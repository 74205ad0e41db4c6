"""The door to the engine keeps its promises, against an engine scripted here over HTTP."""

from __future__ import annotations

import ast
import asyncio
import inspect
import json
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from aiohttp import WSMsgType, web
from hypothesis import given, settings
from hypothesis import strategies as st

from cti.asterisk import ari as door
from cti.asterisk import generate_ari
from cti.asterisk.ari import (
    AppTaken,
    Ari,
    AriConflict,
    AriError,
    AriTimeout,
    EngineAway,
    EngineInfo,
    EngineRefused,
    Gone,
    LegGone,
    MailboxClosed,
    MailboxOverflow,
    PhoneUnreachable,
    RawEvent,
    ids_in,
    read_event,
)
from cti.asterisk.ari_models import (
    EVENTS,
    CallBroadcast,
    CallerID,
    Channel,
    ChannelDestroyed,
    ChannelDtmfReceived,
    ChannelEnteredBridge,
    Channels,
    Event,
    PlaybackFinished,
    StasisEnd,
    StasisStart,
)
from cti.asterisk.wire import HttpWire

NUMBER = "0199001234"
PASSWORD = "very-secret-word"
Answer = Callable[[dict[str, Any]], Awaitable[tuple[int, Any]]]


class Engine:
    """An engine that answers as told and says what it is told to say."""

    def __init__(self) -> None:
        self.version = "22.10.1+dfsg"
        self.info_status: list[int] = []  # statuses to give before 200
        self.asked: list[tuple[str, str]] = []
        self.urls: list[str] = []
        self.bodies: list[dict[str, Any]] = []
        self.answers: dict[tuple[str, str], Answer] = {}
        self.sockets: list[web.WebSocketResponse] = []
        self.opened = asyncio.Event()
        self.deaf = False  # a websocket opened now will be answered nothing
        self.questions = 0
        app = web.Application()
        app.router.add_get("/ari/events", self._events)
        app.router.add_route("*", "/ari/{tail:.*}", self._command)
        self.runner = web.AppRunner(app, shutdown_timeout=0.1)
        self.url = ""

    async def start(self) -> None:
        await self.runner.setup()
        site = web.TCPSite(self.runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{self.runner.addresses[0][1]}"

    async def _events(self, request: web.Request) -> web.WebSocketResponse:
        self.urls.append(str(request.rel_url))
        deaf = self.deaf
        socket = web.WebSocketResponse(autoping=not deaf)
        await socket.prepare(request)
        self.sockets.append(socket)
        self.opened.set()
        async for message in socket:
            if message.type is WSMsgType.TEXT and not deaf:
                self.questions += 1
                await socket.send_json({"type": "RESTResponse", "status_code": 200})
        return socket

    async def _command(self, request: web.Request) -> web.Response:
        path = request.path.removeprefix("/ari")
        self.asked.append((request.method, path))
        self.urls.append(str(request.rel_url))
        body = await request.json() if request.can_read_body else {}
        self.bodies.append(body)
        if path == "/asterisk/info":
            status = self.info_status.pop(0) if self.info_status else 200
            return web.json_response(info(self.version), status=status)
        answer = self.answers.get((request.method, path))
        status, said = await answer(body) if answer else (204, None)
        if isinstance(said, str):
            return web.Response(status=status, text=said, content_type="text/html")
        if said is None:
            return web.Response(status=status)
        return web.json_response(said, status=status)

    def reply(self, method: str, path: str, status: int, said: Any = None) -> None:
        async def answer(_: dict[str, Any]) -> tuple[int, Any]:
            return status, said

        self.answers[method, path] = answer

    async def say(self, *events: dict[str, Any]) -> None:
        for event in events:
            await self.sockets[-1].send_json(event)

    async def cut(self) -> None:
        self.opened.clear()
        await self.sockets[-1].close()


def info(version: str) -> dict[str, Any]:
    return {
        "system": {"version": version, "entity_id": "02:00:00:00:00:01"},
        "status": {"startup_time": "2026-11-21T17:53:07.097+0000"},
    }


def event(kind: str, **about: Any) -> dict[str, Any]:
    return {
        "type": kind,
        "application": "fil",
        "timestamp": "2026-11-21T17:53:07.097+0000",
        **about,
    }


def digit(channel: str, key: str) -> dict[str, Any]:
    return event("ChannelDtmfReceived", digit=key, channel={"id": channel})


async def nothing_to_take_back(_: EngineInfo) -> None:
    """The recovery of a line without calls."""


@pytest.fixture
async def engine() -> AsyncIterator[Engine]:
    engine = Engine()
    await engine.start()
    yield engine
    await engine.runner.cleanup()


@pytest.fixture
async def ari(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Ari]:
    monkeypatch.setattr(door, "backoff_seconds", lambda _: 0.0)
    async with Ari(HttpWire(engine.url, "fil", PASSWORD)) as ari:
        yield ari


@pytest.fixture
async def live(ari: Ari) -> AsyncIterator[Ari]:
    """Connected, with nothing to take back."""
    ready = asyncio.Event()

    async def on_connected(_: EngineInfo) -> None:
        ready.set()

    running = asyncio.create_task(ari.run(on_connected))
    await ready.wait()
    yield ari
    running.cancel()
    await asyncio.wait([running])


async def until(promise: Callable[[], bool]) -> None:
    """Return when ``promise`` holds; the test's own limit says when it does not."""
    async with asyncio.timeout(3):
        while not promise():  # noqa: ASYNC110 - any promise, not only an event's
            await asyncio.sleep(0.001)


# --- events


async def test_events_come_in_the_order_they_were_sent(engine: Engine, live: Ari) -> None:
    mailbox = live.open_mailbox("c1")
    await engine.say(*[digit("c1", key) for key in "1234567890"])

    keys = []
    for _ in range(10):
        heard = await mailbox.get()
        assert isinstance(heard, ChannelDtmfReceived)
        keys.append(heard.digit)
    assert "".join(keys) == "1234567890"


async def test_an_event_that_overtakes_its_reply_is_received(engine: Engine, live: Ari) -> None:
    async def late(_: dict[str, Any]) -> tuple[int, Any]:
        await engine.say(event("StasisStart", args=[], channel={"id": "leg-1"}))
        await until(lambda: len(mailbox._events) == 1)
        return 200, {"id": "leg-1"}

    engine.answers["POST", "/channels"] = late
    mailbox = live.open_mailbox("leg-1")
    await live.channels.originate(endpoint="PJSIP/lea", app="fil", channelId="leg-1")

    assert isinstance(await mailbox.get(), StasisStart)


async def test_an_event_about_two_things_reaches_every_mailbox_concerned_once(
    engine: Engine, live: Ari
) -> None:
    both, bridge, other = (
        live.open_mailbox("c1", "b1"),
        live.open_mailbox("b1"),
        live.open_mailbox("c2"),
    )
    await engine.say(event("ChannelEnteredBridge", bridge={"id": "b1"}, channel={"id": "c1"}))
    await engine.say(event("ChannelEnteredBridge", bridge={"id": "b2"}, channel={"id": "c2"}))
    await other.get()

    assert [type(e) for e in both._events] == [ChannelEnteredBridge]
    assert [type(e) for e in bridge._events] == [ChannelEnteredBridge]


@pytest.mark.parametrize(
    ("about", "ids"),
    [
        (event("Dial", peer={"id": "leg"}, caller={"id": "c1"}, dialstatus=""), {"leg", "c1"}),
        (
            event("PlaybackFinished", playback={"id": "p1", "target_uri": "channel:c1"}),
            {"p1", "c1"},
        ),
        (
            event("RecordingFinished", recording={"name": "r1", "target_uri": "bridge:b1"}),
            {"r1", "b1"},
        ),
        (event("DeviceStateChanged", device_state={"name": "PJSIP/lea"}), set()),
        (event("SomethingNew", channel={"id": "c9"}, more=[1]), {"c9"}),
    ],
)
def test_an_event_is_addressed_to_all_it_speaks_of(about: dict[str, Any], ids: set[str]) -> None:
    assert ids_in(about) == ids


async def test_what_no_mailbox_is_open_for_goes_to_the_house(engine: Engine, live: Ari) -> None:
    orphans: list[Event] = []
    live.on_orphan = orphans.append
    mailbox = live.open_mailbox("c1")
    await engine.say(digit("stranger", "1"), digit("c1", "1"))
    await engine.say(event("CallBroadcast", channel={"id": "c1"}))

    assert isinstance(await mailbox.get(), ChannelDtmfReceived)
    assert isinstance(await mailbox.get(), CallBroadcast)
    # A call offered again is for the house, even while its old mailbox is open.
    assert [type(e) for e in orphans] == [ChannelDtmfReceived, CallBroadcast]


async def test_a_bug_in_the_house_does_not_stop_the_reader(
    engine: Engine, live: Ari, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(_: Event) -> None:
        raise RuntimeError(NUMBER)

    live.on_orphan = fail
    mailbox = live.open_mailbox("c1")
    await engine.say(digit("stranger", "1"), digit("c1", "2"))

    assert isinstance(await mailbox.get(), ChannelDtmfReceived)
    assert "orphan.failed" in caplog.text
    assert NUMBER not in caplog.text


async def test_a_mailbox_nobody_reads_hurts_no_other_call(
    engine: Engine, live: Ari, caplog: pytest.LogCaptureFixture
) -> None:
    stuck, alive = live.open_mailbox("c1"), live.open_mailbox("c2")
    for _ in range(door.MAILBOX_EVENTS_MAX + 1):
        await engine.say(digit("c1", "1"))
    await engine.say(digit("c2", "2"))

    assert isinstance(await alive.get(), ChannelDtmfReceived)
    with pytest.raises(MailboxOverflow):
        await stuck.get()
    assert "mailbox.overflowed" in caplog.text
    assert len(stuck._events) == door.MAILBOX_EVENTS_MAX


async def test_a_closed_mailbox_gives_what_it_holds_then_ends(ari: Ari) -> None:
    with ari.open_mailbox("c1") as mailbox:
        ari.tell("c1", StasisEnd())
    ari.tell("c1", StasisEnd())

    assert [type(e) async for e in mailbox] == [StasisEnd]
    with pytest.raises(MailboxClosed):
        await mailbox.get()
    assert ari._mailboxes == {}


async def test_closing_one_mailbox_leaves_the_other_of_the_same_call_open(ari: Ari) -> None:
    first, second = ari.open_mailbox("c1"), ari.open_mailbox("c1")
    first.close()
    ari.tell("c1", StasisEnd())

    assert isinstance(await second.get(), StasisEnd)


async def test_a_frame_that_cannot_be_read_is_passed_over(engine: Engine, live: Ari) -> None:
    mailbox = live.open_mailbox("c1")
    await engine.sockets[-1].send_str("{not json")
    await engine.sockets[-1].send_str("[1, 2]")
    await engine.say(digit("c1", "5"))

    assert isinstance(await mailbox.get(), ChannelDtmfReceived)


def test_an_unknown_event_is_given_raw() -> None:
    heard = read_event(event("Invented", channel={"id": "c1"}))

    assert isinstance(heard, RawEvent)
    assert heard.data["channel"] == {"id": "c1"}
    assert heard.application == "fil"


def test_unknown_and_missing_fields_are_tolerated() -> None:
    heard = read_event(event("PlaybackFinished", playback={"id": "p1", "colour": "blue"}, extra=1))

    assert isinstance(heard, PlaybackFinished)
    assert (heard.playback.id, heard.playback.state) == ("p1", "")
    assert heard.timestamp.isoformat() == "2026-11-21T17:53:07.097000+00:00"


FIELDS = st.sampled_from(
    [
        "id",
        "channel",
        "bridge",
        "playback",
        "caller",
        "args",
        "timestamp",
        "creationtime",
        "target_uri",
        "recording",
        "cause",
        "duration",
        "endpoint",
        "channels",
        "dialplan",
    ]
)
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(FIELDS, inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(sorted(EVENTS)), st.dictionaries(FIELDS, ANYTHING, max_size=6))
def test_reading_an_event_never_raises(kind: str, about: dict[str, Any]) -> None:
    data = {**about, "type": kind}

    assert type(read_event(data)).__name__ == kind
    assert all(isinstance(one, str) for one in ids_in(data))


@pytest.mark.parametrize("cause", [float("inf"), float("nan"), "16", "x", None, [], 16.0, 10**400])
def test_a_number_that_cannot_be_read_is_zero(cause: Any) -> None:
    heard = read_event(event("ChannelDestroyed", cause=cause, channel={"id": "c1"}))

    assert isinstance(heard, ChannelDestroyed)
    assert heard.cause == (16 if cause in ("16", 16.0) else 0)


def test_a_model_prints_no_number() -> None:
    channel = Channel(id="c1", name=f"PJSIP/{NUMBER}-1", caller=CallerID(number=NUMBER))

    assert repr(channel) == "<Channel c1>"
    assert NUMBER not in repr(StasisStart(channel=channel))


# --- connection


async def test_events_are_kept_while_calls_are_taken_back(engine: Engine, ari: Ari) -> None:
    recovered = asyncio.Event()
    mailbox = ari.open_mailbox("c1")

    async def slow(info: EngineInfo) -> None:
        assert (info.version, info.entity_id) == ("22.10.1", "02:00:00:00:00:01")
        await engine.opened.wait()
        await engine.say(*[digit("c1", key) for key in "123"])
        await until(lambda: ari._held is not None and len(ari._held) == 3)
        assert not mailbox._events
        recovered.set()

    running = asyncio.create_task(ari.run(slow))
    await recovered.wait()
    await engine.say(digit("c1", "4"))
    heard = [await mailbox.get() for _ in range(4)]
    running.cancel()

    assert [e.digit for e in heard if isinstance(e, ChannelDtmfReceived)] == list("1234")


async def test_too_many_events_during_recovery_start_it_again(
    engine: Engine, ari: Ari, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(door, "HELD_EVENTS_MAX", 2)
    begun = 0
    again = asyncio.Event()

    async def recover(_: EngineInfo) -> None:
        nonlocal begun
        begun += 1
        if begun == 1:
            await engine.opened.wait()
            await engine.say(*[digit("c1", "1")] * 3)
            await asyncio.Event().wait()
        again.set()

    running = asyncio.create_task(ari.run(recover))
    await again.wait()
    running.cancel()

    assert begun == 2


async def test_a_lost_wire_is_found_again_and_calls_are_compared_again(
    engine: Engine, ari: Ari, caplog: pytest.LogCaptureFixture
) -> None:
    recoveries: asyncio.Queue[None] = asyncio.Queue()
    running = asyncio.create_task(ari.run(lambda _: recoveries.put(None)))
    await recoveries.get()
    assert ari.connected
    await until(ari.in_step.is_set)
    mailbox = ari.open_mailbox("c1")

    await engine.cut()
    await recoveries.get()
    await engine.say(digit("c1", "1"))

    assert isinstance(await mailbox.get(), ChannelDtmfReceived)
    assert ari.connected
    assert "engine.lost" in caplog.text
    running.cancel()


async def test_a_wire_lost_during_recovery_stops_it_and_begins_it_again(
    engine: Engine, ari: Ari
) -> None:
    story: list[str] = []
    done = asyncio.Event()

    async def recover(_: EngineInfo) -> None:
        story.append("begun")
        if len(story) > 1:
            done.set()
            return
        try:
            await engine.opened.wait()
            await engine.cut()
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            story.append("stopped")
            raise

    running = asyncio.create_task(ari.run(recover))
    await done.wait()
    running.cancel()

    assert story == ["begun", "stopped", "begun"]


async def test_a_recovery_the_engine_left_alone_begins_again(engine: Engine, ari: Ari) -> None:
    tries = 0
    done = asyncio.Event()

    async def recover(_: EngineInfo) -> None:
        nonlocal tries
        tries += 1
        if tries == 1:
            raise EngineAway("channels.list")
        done.set()

    running = asyncio.create_task(ari.run(recover))
    await done.wait()
    running.cancel()

    assert tries == 2


async def test_a_bug_in_recovery_is_not_hidden(ari: Ari) -> None:
    async def recover(_: EngineInfo) -> None:
        raise KeyError("bug")

    with pytest.raises(KeyError):
        await ari.run(recover)
    assert not ari.in_step.is_set()


async def test_an_absent_engine_is_said_once_and_waited_for(
    engine: Engine, ari: Ari, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    engine.info_status = [503, 404, 503, 404, 503]
    ready = asyncio.Event()

    async def on_connected(_: EngineInfo) -> None:
        ready.set()

    running = asyncio.create_task(ari.run(on_connected))
    await ready.wait()
    running.cancel()

    said = [r.message for r in caplog.records if r.name == door.__name__]
    assert said == ["engine.absent", "engine.connected"]


async def test_the_wait_before_connecting_again_doubles_at_random_up_to_five_seconds(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    chosen_from: list[tuple[float, float]] = []

    def latest(low: float, high: float) -> float:
        chosen_from.append((low, high))
        return high

    monkeypatch.setattr("random.uniform", latest)

    waits = [door.backoff_seconds(attempt) for attempt in (0, 1, 2, 5, 6, 1000)]
    assert waits == [0.1, 0.2, 0.4, 3.2, 5.0, 5.0]
    assert {low for low, _ in chosen_from} == {0}


async def test_an_engine_that_hangs_up_at_once_is_tried_less_and_less_often(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    attempts: list[int] = []
    enough = asyncio.Event()

    def wait(attempt: int) -> float:
        attempts.append(attempt)
        if len(attempts) == 4:
            enough.set()
        return 0.0

    async def hung_up(_: EngineInfo) -> None:
        await engine.opened.wait()
        await engine.cut()

    monkeypatch.setattr(door, "backoff_seconds", wait)
    async with Ari(HttpWire(engine.url, "fil", PASSWORD)) as ari:
        running = asyncio.create_task(ari.run(hung_up))
        await enough.wait()
        running.cancel()

    assert attempts[:4] == [1, 2, 3, 4]


@pytest.mark.parametrize(
    "version", ["20.15.0", "22.10.0", "22.9.5~dfsg", "23.1.0", "16.28.0", "unknown", ""]
)
async def test_an_engine_of_another_version_is_refused_with_a_sentence(
    engine: Engine, ari: Ari, version: str
) -> None:
    engine.version = version

    with pytest.raises(EngineRefused, match=r"needs Asterisk 22, at least 22\.10\.1.* Rebuild"):
        await ari.run(nothing_to_take_back)
    assert not engine.sockets  # nothing was taken over


@pytest.mark.parametrize("version", ["22.10.1", "22.10.1~dfsg", "22.11.0+dfsg+~cs6.17", "22.10.12"])
async def test_a_sound_version_is_accepted(engine: Engine, ari: Ari, version: str) -> None:
    engine.version = version

    await ari._engine()


async def test_a_wrong_password_is_refused_with_a_sentence(engine: Engine, ari: Ari) -> None:
    engine.info_status = [401]

    with pytest.raises(EngineRefused, match="refused our name or password"):
        await ari.run(nothing_to_take_back)


async def test_a_controller_that_was_replaced_does_not_fight(engine: Engine, ari: Ari) -> None:
    running = asyncio.create_task(ari.run(nothing_to_take_back))
    await engine.opened.wait()
    await until(lambda: ari.connected)
    await engine.say(event("ApplicationReplaced"))

    with pytest.raises(AppTaken):
        await running
    assert len(engine.sockets) == 1
    assert not ari.connected


async def test_a_deaf_socket_is_left_for_a_new_one(
    engine: Engine, ari: Ari, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(door, "ASKED_EVERY_SECONDS", 0.02)
    monkeypatch.setattr(door, "ANSWER_SECONDS_MAX", 0.05)
    engine.deaf = True
    recoveries: asyncio.Queue[None] = asyncio.Queue()
    running = asyncio.create_task(ari.run(lambda _: recoveries.put(None)))
    await recoveries.get()
    engine.deaf = False

    await recoveries.get()
    await until(lambda: engine.questions > 2)
    assert len(engine.sockets) == 2  # a quiet one that answers is kept
    running.cancel()


async def test_a_socket_that_speaks_and_does_not_hear_is_left_for_a_new_one(
    engine: Engine, ari: Ari, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(door, "ASKED_EVERY_SECONDS", 0.05)
    monkeypatch.setattr(door, "ANSWER_SECONDS_MAX", 0.05)
    engine.deaf = True
    recoveries: asyncio.Queue[None] = asyncio.Queue()
    running = asyncio.create_task(ari.run(lambda _: recoveries.put(None)))
    await recoveries.get()

    async def speak() -> None:
        while True:
            await engine.say(digit("c1", "1"))
            await asyncio.sleep(0.01)

    speaking = asyncio.create_task(speak())
    async with asyncio.timeout(2):
        await recoveries.get()
    running.cancel()
    speaking.cancel()
    await asyncio.wait({running, speaking})


# --- commands


async def test_a_number_or_a_secret_is_never_part_of_an_url(engine: Engine, live: Ari) -> None:
    engine.reply("POST", "/channels", 200, {"id": "leg-1"})
    await live.channels.originate(
        endpoint=f"PJSIP/{NUMBER}@trunk",
        app="fil",
        callerId=NUMBER,
        channelId="leg-1",
        variables={"FIL_CALL": NUMBER},
    )

    assert engine.bodies[-1] == {
        "endpoint": f"PJSIP/{NUMBER}@trunk",
        "app": "fil",
        "callerId": NUMBER,
        "channelId": "leg-1",
        "variables": {"FIL_CALL": NUMBER},
    }
    assert not any(NUMBER in url or PASSWORD in url for url in engine.urls)
    assert any(url.startswith("/ari/events?app=fil&subscribeAll=false") for url in engine.urls)
    assert PASSWORD not in repr(live)


async def test_parameters_of_a_question_travel_in_its_url(engine: Engine, live: Ari) -> None:
    engine.reply("GET", "/channels/c1/variable", 200, {"value": "été"})
    said = await live.channels.getChannelVar(channelId="c1", variable="FIL_SINCE")
    await live.channels.hangup(channelId="c1", reason="normal")

    assert said.value == "été"
    assert engine.urls[-2:] == [
        "/ari/channels/c1/variable?variable=FIL_SINCE",
        "/ari/channels/c1?reason=normal",
    ]


async def test_an_id_is_quoted_and_an_empty_one_refused(engine: Engine, live: Ari) -> None:
    await live.channels.answer(channelId="a/b?c")
    assert engine.urls[-1] == "/ari/channels/a%2Fb%3Fc/answer"

    with pytest.raises(ValueError, match="empty id"):
        await live.channels.hangup(channelId="")


NOT_FOUND = {"message": "Channel not found"}


@pytest.mark.parametrize(
    ("status", "said", "kind"),
    [
        (404, NOT_FOUND, LegGone),
        (400, NOT_FOUND, LegGone),
        (404, {"message": "Bridge not found"}, Gone),
        (404, {"message": "Resource not found"}, EngineAway),
        (404, "<h1>Not Found</h1>", EngineAway),
        (503, "<h1>Busy</h1>", EngineAway),
        (409, {"message": "Channel not in Stasis application"}, AriConflict),
        (422, {"message": "Channel not in Stasis application"}, AriConflict),
        (500, {"error": "Allocation failed"}, PhoneUnreachable),
        (500, {"message": "Internal Server Error"}, AriError),
    ],
)
async def test_a_refusal_is_named_by_what_it_means(
    engine: Engine, live: Ari, status: int, said: Any, kind: type[AriError]
) -> None:
    engine.reply("POST", "/bridges/b1/addChannel", status, said)

    with pytest.raises(AriError) as refusal:
        await live.bridges.addChannel(bridgeId="b1", channel="c1")
    assert type(refusal.value) is kind


async def test_a_command_that_the_engine_failed_to_do_is_put_again(
    engine: Engine, live: Ari
) -> None:
    said = [500, 503, 204]

    async def answer(_: dict[str, Any]) -> tuple[int, Any]:
        return said.pop(0), None

    engine.answers["POST", "/bridges/b1/addChannel"] = answer
    await live.bridges.addChannel(bridgeId="b1", channel="c1")
    assert said == []


@pytest.mark.parametrize(
    "said", [{"error": "Allocation failed"}, {"message": "Possible duplicate bridge id 'b1'"}]
)
async def test_a_failure_that_means_something_is_taken_at_its_word(
    engine: Engine, live: Ari, said: dict[str, str]
) -> None:
    engine.reply("POST", "/bridges/b1/addChannel", 500, said)
    with pytest.raises(AriError):
        await live.bridges.addChannel(bridgeId="b1", channel="c1")
    assert engine.asked.count(("POST", "/bridges/b1/addChannel")) == 1


async def test_an_absent_engine_ends_no_call() -> None:
    async with Ari(HttpWire("http://127.0.0.1:9", "fil", PASSWORD)) as ari:
        with pytest.raises(EngineAway) as refusal:
            await ari.channels.originate(endpoint=f"PJSIP/{NUMBER}", app="fil", channelId="leg")
    assert refusal.value.__suppress_context__  # the URL library would have said more
    assert NUMBER not in str(refusal.value)


async def test_an_error_repeats_no_number(engine: Engine, live: Ari) -> None:
    engine.reply("POST", "/channels", 400, {"message": f"Bad endpoint PJSIP/{NUMBER}"})

    with pytest.raises(AriError) as refusal:
        await live.channels.originate(endpoint=f"PJSIP/{NUMBER}", app="fil", channelId="leg")
    assert str(refusal.value) == "channels.originate: Bad endpoint PJSIP/# (400)"


@pytest.mark.parametrize(
    ("status", "said"),
    [(409, "Bridge with id 'b1' already exists"), (500, "Possible duplicate bridge id 'b1'")],
)
async def test_a_bridge_created_twice_is_created(
    engine: Engine, live: Ari, status: int, said: str
) -> None:
    engine.reply("POST", "/bridges", status, {"message": said})
    engine.reply("POST", "/bridges/b1", status, {"message": said})
    engine.reply("GET", "/bridges/b1", 200, {"id": "b1", "name": "talk"})

    assert (await live.bridges.create(bridgeId="b1", type="holding")).name == "talk"
    assert (await live.bridges.createWithId(bridgeId="b1", type="holding")).name == "talk"


async def test_a_phone_rung_twice_under_one_id_rings_once(engine: Engine, live: Ari) -> None:
    engine.reply("POST", "/channels", 409, {"message": "Channel with given unique ID exists"})
    engine.reply("GET", "/channels/leg-1", 200, {"id": "leg-1", "state": "Ringing"})
    leg = await live.channels.originate(endpoint="PJSIP/lea", app="fil", channelId="leg-1")

    assert leg.state == "Ringing"


async def test_a_409_without_a_leg_is_a_phone_that_is_offline(engine: Engine, live: Ari) -> None:
    engine.reply("POST", "/channels", 409, {"message": "Channel with given unique ID exists"})
    engine.reply("GET", "/channels/leg-1", 404, NOT_FOUND)

    with pytest.raises(PhoneUnreachable):
        await live.channels.originate(endpoint="PJSIP/lea", app="fil", channelId="leg-1")


class Blocked:
    """A command the engine holds until it is let go, as under a playback."""

    def __init__(self) -> None:
        self.inside = 0
        self.most = 0
        self.order: list[str] = []
        self.open = asyncio.Event()

    async def __call__(self, body: dict[str, Any]) -> tuple[int, Any]:
        self.inside += 1
        self.most = max(self.most, self.inside)
        self.order.append(body.get("value", ""))
        await self.open.wait()
        self.inside -= 1
        return 204, None


async def test_one_command_is_in_flight_per_channel_in_the_order_given(
    engine: Engine, live: Ari
) -> None:
    blocked = Blocked()
    engine.answers["POST", "/channels/c1/variable"] = blocked
    commands = [
        asyncio.create_task(
            live.channels.setChannelVar(channelId="c1", variable="FIL", value=str(n))
        )
        for n in range(20)
    ]
    await until(lambda: blocked.inside == 1)
    async with asyncio.timeout(1):
        await live.asterisk.ping()
    blocked.open.set()
    await asyncio.gather(*commands)

    assert blocked.most == 1
    assert blocked.order == [str(n) for n in range(20)]
    del commands
    assert not live._turns


async def test_twenty_blocked_channels_leave_room_for_another_command(
    engine: Engine, live: Ari
) -> None:
    blocked = Blocked()
    for n in range(20):
        engine.answers["POST", f"/channels/c{n}/variable"] = blocked
    commands = [
        asyncio.create_task(
            live.channels.setChannelVar(channelId=f"c{n}", variable="FIL", value="")
        )
        for n in range(20)
    ]
    await until(lambda: blocked.inside == door.POOL_MAX - door.POOL_KEPT_FREE)

    async with asyncio.timeout(1):
        await asyncio.gather(*[live.asterisk.ping() for _ in range(20)])
    blocked.open.set()
    await asyncio.gather(*commands)
    assert len(blocked.order) == 20


async def test_what_frees_a_blocked_channel_does_not_stand_in_its_line(
    engine: Engine, live: Ari
) -> None:
    blocked = Blocked()
    engine.answers["POST", "/bridges/b1/addChannel"] = blocked
    joining = asyncio.create_task(live.bridges.addChannel(bridgeId="b1", channel="c1"))
    await until(lambda: blocked.inside == 1)
    queued = asyncio.create_task(live.channels.answer(channelId="c1"))

    async with asyncio.timeout(1):
        await live.playbacks.stop(playbackId="p1")
        await live.channels.hangup(channelId="c1")
        await live.channels.get(channelId="c1")
    assert not queued.done()
    blocked.open.set()
    await asyncio.gather(joining, queued)


async def test_a_command_without_an_answer_ends_within_its_limit(engine: Engine, live: Ari) -> None:
    blocked = Blocked()
    engine.answers["POST", "/channels/c1/answer"] = blocked

    with pytest.raises(AriTimeout):
        await live.channels.answer(channelId="c1", seconds_max=0.05)
    engine.reply("POST", "/channels/c1/answer", 204)
    await live.channels.answer(channelId="c1", seconds_max=1)  # its turn was given back
    blocked.open.set()
    assert inspect.signature(Channels.answer).parameters["seconds_max"].default == 5.0


async def test_a_call_that_gives_up_frees_its_turn(engine: Engine, live: Ari) -> None:
    blocked = Blocked()
    engine.answers["POST", "/channels/c1/answer"] = blocked
    first = asyncio.create_task(live.channels.answer(channelId="c1"))
    await until(lambda: blocked.inside == 1)
    second = asyncio.create_task(live.channels.hold(channelId="c1"))
    first.cancel()

    async with asyncio.timeout(1):
        await second
    blocked.open.set()


# --- the vocabulary


DESCRIPTION = {
    "resources": {"apiVersion": "10.0.0"},
    "phones": {
        "apis": [
            {
                "path": "/phones/{from}",
                "operations": [
                    {
                        "httpMethod": "POST",
                        "nickname": "ring",
                        "summary": 'Ring a "phone".',
                        "responseClass": "List[Phone]",
                        "parameters": [
                            {"name": "from", "paramType": "path", "dataType": "string"},
                            {"name": "loud", "paramType": "query", "dataType": "boolean"},
                            {"name": "variables", "paramType": "body", "dataType": "containers"},
                        ],
                    }
                ],
            }
        ],
        "models": {
            "Rung": {"properties": {"phone": {"type": "Phone", "required": True}}},
            "Event": {"properties": {"application": {"type": "string"}}, "subTypes": ["Rung"]},
            "Phone": {"properties": {"from": {"type": "int"}, "at": {"type": "Date"}}},
        },
    },
}


def test_the_vocabulary_is_written_from_the_description(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, said in DESCRIPTION.items():
        (tmp_path / f"{name}.json").write_text(json.dumps(said), "utf-8")
    source = generate_ari.generate(tmp_path)
    monkeypatch.setattr(generate_ari, "MODELS", tmp_path / "written.py")
    assert generate_ari.main([str(tmp_path)]) == 0
    assert (tmp_path / "written.py").read_text("utf-8") == source
    assert generate_ari.main([str(tmp_path), "--check"]) == 0

    (tmp_path / "written.py").write_text(source + "# touched\n", "utf-8")
    assert generate_ari.main([str(tmp_path), "--check"]) == 1
    assert "generate it again" in capsys.readouterr().err
    classes = [n.name for n in ast.parse(source).body if isinstance(n, ast.ClassDef)]
    assert classes == ["Event", "Rung", "Phone", "Phones"]
    assert "from_: str," in source
    assert '{"loud": loud, "variables": variables}' in source


def test_a_folder_without_a_description_is_refused(
    tmp_path: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    assert generate_ari.main([str(tmp_path)]) == 2
    assert "holds no REST description" in capsys.readouterr().err
