"""The watch over AMI keeps its promises, against a small AMI scripted here."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable

import pytest

from cti.asterisk import ami
from cti.asterisk.ami import AmiAway, AmiWatch

NUMBER = "0199001234"
SECRET = "very-secret-word"


class Engine:
    """An AMI that lets one watcher in, answers it, and says what it is told to say."""

    def __init__(self) -> None:
        self.actions: list[dict[str, str]] = []
        self.lines: list[asyncio.StreamWriter] = []
        self.password = SECRET
        self.deaf = False
        self.server: asyncio.Server | None = None
        self.port = 0

    async def start(self) -> None:
        self.server = await asyncio.start_server(self._line, "127.0.0.1", self.port)
        self.port = self.server.sockets[0].getsockname()[1]

    async def _line(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.lines.append(writer)
        writer.write(b"Asterisk Call Manager/11.0.0\r\n")
        action: dict[str, str] = {}
        async for line in reader:
            key, colon, value = line.decode().strip().partition(": ")
            if colon:
                action[key] = value
                continue
            self.actions.append(action)
            if not self.deaf:
                for answer in self._answer(action):
                    self.say(ActionID=action["ActionID"], **answer)
            action = {}

    def _answer(self, action: dict[str, str]) -> list[dict[str, str]]:
        match action["Action"]:
            case "Login" if action["Secret"] != self.password:
                return [{"Response": "Error", "Message": "Authentication failed"}]
            case "PJSIPShowRegistrationsOutbound":
                return [
                    {"Response": "Success", "EventList": "start", "Message": "will follow"},
                    {"Event": "OutboundRegistrationDetail", "Status": "Registered"},
                    {"Event": "OutboundRegistrationDetailComplete", "EventList": "Complete"},
                ]
        return [{"Response": "Success", "Message": "ok"}]

    def say(self, **fields: str) -> None:
        text = "".join(f"{key}: {value}\r\n" for key, value in fields.items())
        self.lines[-1].write(f"{text}\r\n".encode())

    async def stop(self) -> None:
        assert self.server is not None
        self.server.close()
        for line in self.lines:
            line.close()


async def until(promise: Callable[[], bool]) -> None:
    """Return when ``promise`` holds; the test's own limit says when it does not."""
    async with asyncio.timeout(3):
        while not promise():  # noqa: ASYNC110 - any promise, not only an event's
            await asyncio.sleep(0.001)


@pytest.fixture
async def engine() -> AsyncIterator[Engine]:
    engine = Engine()
    await engine.start()
    yield engine
    await engine.stop()


@pytest.fixture
async def watch(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[AmiWatch]:
    monkeypatch.setattr(ami, "RECONNECT_SECONDS_MAX", 0.01)
    watch = AmiWatch("127.0.0.1", engine.port, "fil", SECRET)
    running = asyncio.create_task(watch.run())
    yield watch
    running.cancel()
    await asyncio.wait([running])


async def test_the_trunk_is_known_from_the_start_and_followed(
    engine: Engine, watch: AmiWatch, caplog: pytest.LogCaptureFixture
) -> None:
    await until(lambda: watch.status.trunk == "Registered")
    assert watch.status.connected

    engine.say(Event="Registry", Username=f"sip:{NUMBER}@trunk", Status="Rejected")
    await until(lambda: watch.status.trunk == "Rejected")
    engine.say(Event="Registry", Status=f"forged {NUMBER}")
    await until(lambda: watch.status.trunk is None)
    assert [r.message for r in caplog.records] == ["trunk.changed"] * 2
    assert NUMBER not in str([vars(r) for r in caplog.records])


async def test_an_engine_that_starts_and_stops_is_noticed(engine: Engine, watch: AmiWatch) -> None:
    await until(lambda: watch.status.trunk is not None)
    engine.say(Event="FullyBooted", Status="Fully Booted")
    await until(lambda: watch.status.ready)

    engine.say(Event="Shutdown", Shutdown="Cleanly")
    await until(lambda: not watch.status.ready)
    await until(lambda: len(engine.lines) == 2 and watch.status.trunk is not None)  # it is back


async def test_refused_passwords_are_counted_and_do_not_fill_the_log(
    engine: Engine, watch: AmiWatch, caplog: pytest.LogCaptureFixture
) -> None:
    await until(lambda: watch.status.trunk is not None)
    for kind in ("InvalidPassword", "ChallengeResponseFailed", "InvalidAccountID") * 10:
        engine.say(Event=kind, AccountID=NUMBER)

    await until(lambda: watch.status.refusals == 30)
    assert [r.message for r in caplog.records] == ["password.refused"]
    assert NUMBER not in str([vars(r) for r in caplog.records])


async def test_a_lost_line_is_found_again_and_nothing_is_sent_late(
    engine: Engine, watch: AmiWatch
) -> None:
    await until(lambda: watch.status.trunk is not None)
    engine.deaf = True
    asked = asyncio.create_task(watch.ask("PJSIPQualify", Endpoint="lea"))
    await until(lambda: engine.actions[-1]["Action"] == "PJSIPQualify")
    await engine.stop()
    await until(lambda: not watch.status.connected)
    with pytest.raises(AmiAway, match="not connected"):
        await watch.ask("Originate", Channel="PJSIP/lea")
    asked.cancel()

    engine.deaf = False
    await engine.start()
    await until(lambda: watch.status.trunk is not None)
    again = [action["Action"] for action in engine.actions]
    assert again.count("PJSIPQualify") == 1
    assert "Originate" not in again
    assert again[-2:] == ["Login", "PJSIPShowRegistrationsOutbound"]


async def test_nothing_is_asked_before_the_engine_let_us_in(engine: Engine) -> None:
    engine.deaf = True
    watch = AmiWatch("127.0.0.1", engine.port, "fil", SECRET)
    running = asyncio.create_task(watch.run())
    await until(lambda: len(engine.actions) == 1)

    with pytest.raises(AmiAway, match="not connected"):
        await watch.ask("Ping")
    assert [action["Action"] for action in engine.actions] == ["Login"]
    running.cancel()


async def test_a_line_that_no_longer_answers_is_replaced(
    engine: Engine, watch: AmiWatch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ami, "PING_SECONDS", 0.02)
    monkeypatch.setattr(ami, "ANSWER_SECONDS_MAX", 0.1)
    await until(lambda: watch.status.trunk is not None)
    engine.deaf = True
    await until(lambda: not watch.status.connected)
    engine.deaf = False

    await until(lambda: watch.status.trunk is not None)
    assert len(engine.lines) > 1


@pytest.mark.parametrize("value", ["x\r\nAction: Originate", "x\ny", "x\r"])
async def test_a_value_cannot_carry_a_second_action(
    engine: Engine, watch: AmiWatch, value: str
) -> None:
    await until(lambda: watch.status.trunk is not None)

    with pytest.raises(ValueError, match="line break"):
        await watch.ask("Setvar", Variable="FIL", Value=value)
    assert engine.actions[-1]["Action"] != "Setvar"


async def test_a_shut_door_is_said_once_and_tells_no_secret(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(ami, "RECONNECT_SECONDS_MAX", 0.0)
    caplog.set_level(logging.DEBUG)
    engine.password = "another"
    watch = AmiWatch("127.0.0.1", engine.port, "fil", SECRET)
    running = asyncio.create_task(watch.run())
    await until(lambda: len(engine.actions) >= 3)
    running.cancel()
    await asyncio.wait([running])

    said = [r for r in caplog.records if r.name != "asyncio"]
    assert [r.message for r in said] == ["ami.absent"]
    assert SECRET not in str([vars(r) for r in caplog.records])
    assert SECRET not in repr(watch)
