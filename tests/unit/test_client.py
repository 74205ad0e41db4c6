"""``fil cti``, the reference client: what it prints, says and does after a cut."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import os
import queue
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from yarl import URL

from cti import client as fil_cti
from cti.__main__ import main
from cti.client import Client
from cti.config import SettingsError
from cti.people.agents import Presence
from cti.web.screen import SCREENS
from tests import promised
from tests.screen import Client as Browser
from tests.web_house import PASSWORDS, House

CUT = 4008


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fil_cti, "RETRY_SECONDS_MIN", 0.01)
    monkeypatch.setattr(fil_cti, "ACKS_APART_SECONDS", 0.01)


@pytest.fixture
def house() -> House:
    return House()


@pytest_asyncio.fixture
async def browser(house: House) -> AsyncIterator[Browser]:
    async with TestClient(TestServer(house.app)) as browser:
        yield browser


class Running:
    """A client at work, and what it printed."""

    def __init__(self, url: URL, password: str = PASSWORDS["rosa"], **more: Any) -> None:
        self.lines: list[dict[str, Any]] = []
        self.said: list[str] = []
        self._keyboard: queue.Queue[str] = queue.Queue()
        self.client = Client(url, "rosa", password, show=self._show, say=self.said.append, **more)
        typed: Any = iter(self._keyboard.get, "")
        self.task = asyncio.ensure_future(self.client.run(typed))

    def _show(self, line: str) -> None:
        assert "\n" not in line
        assert line.isascii()
        self.lines.append(promised.frame(json.loads(line)))

    def type(self, line: str) -> None:
        self._keyboard.put(line + "\n")

    async def end(self) -> None:
        """Stop it, as Ctrl-C does. Raises what it ended with before."""
        self._keyboard.put("")
        self.task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self.task

    async def until(self, true: Callable[[], object]) -> None:
        async with asyncio.timeout(4):
            while not true():
                assert not self.task.done() or self.task.exception() is None
                await asyncio.sleep(0.002)

    def of(self, type_: str) -> list[dict[str, Any]]:
        return [line for line in self.lines if line.get("type") == type_]

    def results(self) -> list[dict[str, Any]]:
        """What came of the commands, acks apart."""
        return [x for x in self.lines if x.get("op") == "result" and x["id"].startswith("c")]

    def numbered(self) -> list[int]:
        """The numbers printed since the last snapshot."""
        seqs: list[int] = []
        for line in self.lines:
            if line.get("type") == "snapshot":
                seqs = []
            elif line.get("type", "hello") != "hello":
                seqs.append(line["seq"])
        return seqs


@asynccontextmanager
async def running(browser: Browser, **more: Any) -> AsyncIterator[Running]:
    mine = Running(browser.make_url("/"), **more)
    try:
        yield mine
    finally:
        await mine.end()


def cut(house: House, code: int = CUT) -> None:
    for screen in house.app[SCREENS].all():
        screen.stop(code)


async def test_it_prints_each_frame_and_acks_it_so_that_the_phone_rings(
    house: House, browser: Browser
) -> None:
    async with running(browser) as rosa:
        await rosa.until(lambda: rosa.of("snapshot"))
        pop = house.offer("rosa")
        assert await house.agent("rosa").outbox.displayed(pop, 2)
        assert rosa.of("call.offered")[0]["data"]["offer"] == "offer-c1"


async def test_what_is_typed_is_sent_and_its_result_printed(house: House, browser: Browser) -> None:
    async with running(browser) as rosa:
        await rosa.until(lambda: rosa.of("snapshot"))
        rosa.type('presence.set {"presence": "READY"}')
        rosa.type("presence.here")
        rosa.type("call.end {pas du json")
        rosa.type('call.end {"call": "c1"}')
        rosa.type("")
        await rosa.until(lambda: len(rosa.results()) == 3)
        assert [(one["id"], one["ok"]) for one in rosa.results()] == [
            ("c1", True),
            ("c2", True),
            ("c3", False),
        ]
        assert house.agent("rosa").presence is Presence.READY
        assert any("pas du JSON" in said for said in rosa.said)


async def test_after_a_cut_it_resumes_by_itself_and_prints_nothing_twice(
    house: House, browser: Browser
) -> None:
    async with running(browser) as rosa:
        await rosa.until(lambda: rosa.of("snapshot"))
        for number in range(30):
            house.told_presence("rosa")
            if number % 7 == 3:
                await asyncio.sleep(0.01)
                cut(house)
            if number == 20:
                await rosa.until(lambda: not house.agent("rosa").outbox.screens)
        await rosa.until(lambda: rosa.numbered()[-1:] == [30])
        assert rosa.numbered() == list(range(1, 31))
        assert len(rosa.of("snapshot")) == 1
        assert len(rosa.of("hello")) > 2
        last = house.agent("rosa").outbox
        await rosa.until(lambda: last._acked == 30)


async def test_a_pop_printed_and_not_acked_before_the_cut_is_acked_after_it(
    house: House, browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fil_cti, "ACKS_APART_SECONDS", 0.3)
    async with running(browser) as rosa:
        await rosa.until(lambda: house.agent("rosa").outbox.screens)
        await rosa.until(lambda: rosa.results() or rosa.of("snapshot"))
        await asyncio.sleep(0.05)
        pop = house.offer("rosa")
        await rosa.until(lambda: rosa.of("call.offered"))
        cut(house)
        assert await house.agent("rosa").outbox.displayed(pop, 2)


async def test_another_life_of_the_line_is_taken_as_it_is(house: House, browser: Browser) -> None:
    async with running(browser) as rosa:
        await rosa.until(lambda: rosa.of("snapshot"))
        house.told_presence("rosa", 40)
        await rosa.until(lambda: len(rosa.numbered()) == 40)
        house.agent("rosa").outbox = type(house.agent("rosa").outbox)()  # as a restart makes it
        house.told_presence("rosa", 50)
        house.offer("rosa", "c9")
        cut(house)
        await rosa.until(lambda: len(rosa.of("snapshot")) == 2)
        assert rosa.of("snapshot")[-1]["data"]["call"]["id"] == "c9"
        house.told_presence("rosa")
        await rosa.until(lambda: len(rosa.numbered()) == 1)


async def test_what_was_printed_of_one_life_is_not_acked_in_the_next(
    house: House, browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fil_cti, "ACKS_APART_SECONDS", 0.3)
    async with running(browser) as rosa:
        await rosa.until(lambda: rosa.of("snapshot"))
        await asyncio.sleep(0.02)
        house.told_presence("rosa", 40)  # printed, and not acked for a while
        await rosa.until(lambda: len(rosa.numbered()) == 40)
        outbox = house.agent("rosa").outbox = type(house.agent("rosa").outbox)()
        house.told_presence("rosa", 50)
        acked: list[int] = []
        ack = outbox.ack
        monkeypatch.setattr(outbox, "ack", lambda seq: (acked.append(seq), ack(seq)))
        send = web.WebSocketResponse.send_str

        async def slowly(socket: web.WebSocketResponse, text: str) -> None:
            await asyncio.sleep(0.05)
            await send(socket, text)

        monkeypatch.setattr(web.WebSocketResponse, "send_str", slowly)
        cut(house)
        await rosa.until(lambda: acked)
        assert acked == [50]


async def test_a_cut_between_the_hello_of_another_life_and_its_snapshot_loses_nothing() -> None:
    shown: list[str] = []
    client = Client(URL("http://localhost"), "rosa", "x", show=shown.append)
    client._epoch, client._seq = "before", 5
    hello = {"type": "hello", "seq": 90, "data": {"epoch": "after", "resumed": False}}
    await client._hear(hello)
    assert client._epoch == ""  # so that the next opening asks for a snapshot
    state = {"presence": "READY", "reason": None}
    await client._hear({"type": "snapshot", "seq": 90, "data": {"presence": state}})
    assert (client._epoch, client._seq) == ("after", 90)


async def test_what_had_no_answer_before_the_cut_is_said(house: House, browser: Browser) -> None:
    async with running(browser) as rosa:
        await rosa.until(lambda: rosa.of("snapshot"))

        async def never(*_: object) -> str | None:
            await asyncio.sleep(60)
            return None

        house.team.set_presence = never
        rosa.type('presence.set {"presence": "READY"}')
        await rosa.until(lambda: rosa.client._waiting)
        cut(house)
        await rosa.until(lambda: any("presence.set" in said for said in rosa.said))


async def test_the_presence_asked_for_is_said_at_first_and_when_a_cut_took_it_away(
    house: House, browser: Browser
) -> None:
    async with running(browser, presence="READY") as rosa:
        await rosa.until(lambda: house.agent("rosa").presence is Presence.READY)
        house.team.move(house.agent("rosa"), Presence.NOT_READY, "screen_lost")
        await rosa.until(lambda: house.agent("rosa").presence is Presence.READY)
        rosa.type('presence.set {"presence": "NOT_READY", "reason": "pause"}')
        await rosa.until(lambda: house.agent("rosa").presence is Presence.NOT_READY)
        cut(house)
        await rosa.until(lambda: len(rosa.of("hello")) == 2)
        await asyncio.sleep(0.05)
        assert house.agent("rosa").presence is Presence.NOT_READY  # chosen, not lost


async def test_a_session_that_is_over_is_opened_again_with_the_password(
    house: House, browser: Browser
) -> None:
    async with running(browser) as rosa:
        await rosa.until(lambda: rosa.of("snapshot"))
        house.door.sessions.clear()
        cut(house, 4401)
        await rosa.until(lambda: len(rosa.of("hello")) == 2)
        assert len(house.door.sessions) == 1


async def test_leaving_ends_the_session(house: House, browser: Browser) -> None:
    async with running(browser) as rosa:
        await rosa.until(lambda: rosa.of("snapshot"))
        assert len(house.door.sessions) == 1
    assert house.door.sessions == {}


async def test_a_wrong_password_ends_it_in_words_and_is_not_tried_again(
    house: House, browser: Browser
) -> None:
    with pytest.raises(SettingsError, match="mot de passe"):
        await Client(browser.make_url("/"), "rosa", "wrong").run()
    assert house.door.tested == 1


async def test_one_screen_too_many_stays_away(house: House, browser: Browser) -> None:
    rosa = Running(browser.make_url("/"))
    await rosa.until(lambda: rosa.of("snapshot"))
    cut(house, 4009)
    await asyncio.wait({rosa.task}, timeout=4)
    with pytest.raises(SettingsError, match="écrans"):
        await rosa.end()


async def test_the_line_may_be_away_for_a_while(house: House, browser: Browser) -> None:
    house.door.away = True
    async with running(browser) as rosa:
        await rosa.until(lambda: any("ne répond pas" in said for said in rosa.said))
        house.door.away = False
        await rosa.until(lambda: rosa.of("snapshot"))


async def test_a_socket_lives_longer_than_an_answer_may_take(
    house: House, browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fil_cti, "ANSWER_SECONDS_MAX", 0.2)
    async with running(browser) as rosa:
        await rosa.until(lambda: rosa.of("snapshot"))
        await asyncio.sleep(0.5)
        house.told_presence("rosa")
        await rosa.until(lambda: rosa.numbered() == [1])
        assert len(rosa.of("hello")) == 1


async def test_a_long_absence_is_acked_with_few_acks(house: House, browser: Browser) -> None:
    async with running(browser) as rosa:
        await rosa.until(lambda: rosa.of("snapshot"))
        for _ in range(200):
            house.told_presence("rosa")
            await asyncio.sleep(0.001)
        await rosa.until(lambda: house.agent("rosa").outbox._acked == 200)
        acks = [x for x in rosa.lines if x.get("op") == "result"]
        assert len(acks) < 100


# The command


async def test_the_command_speaks_json_and_leaves_in_good_order(
    house: House, browser: Browser
) -> None:
    program = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "cti", "cti", "rosa", "--url", str(browser.make_url("/")),
        "--presence", "READY", stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        env={"CTI_PASSWORD": PASSWORDS["rosa"], "PATH": os.environ["PATH"]},
    )  # fmt: skip
    assert program.stdin is not None
    assert program.stdout is not None
    program.stdin.write(b'duty.set {"one_more": true}\n')
    seen: list[str] = []
    async with asyncio.timeout(20):
        while not house.agent("rosa").one_more or house.agent("rosa").presence != "READY":
            frame = promised.frame(json.loads(await program.stdout.readline()))
            seen.append(frame.get("type", "result"))
            if seen[-1] == "snapshot":
                program.stdin.write(b'duty.set {"one_more": true}\n')
        program.send_signal(signal.SIGINT)
        assert await program.wait() == 0
    assert seen[:2] == ["hello", "snapshot"]
    assert house.door.sessions == {}


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("http://ligne.example.org", "en clair"),
        ("ligne", "écrivez https"),
        ("ftp://127.0.0.1", "écrivez https"),
        ("https://rosa:secret@127.0.0.1", "écrivez https"),
        ("https://h?token=x", "écrivez https"),
    ],
)
def test_an_address_that_would_give_the_password_away_is_refused(
    url: str,
    sentence: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("CTI_PASSWORD", "demo-rosa")
    assert main(["cti", "rosa", "--url", url]) == 78
    assert sentence in capsys.readouterr().err


def test_the_password_is_never_an_argument_and_never_read_from_the_commands(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("CTI_PASSWORD", raising=False)
    monkeypatch.setattr("sys.stdin", io.StringIO("demo-rosa\n"))
    assert main(["cti", "rosa"]) == 78
    assert "CTI_PASSWORD" in capsys.readouterr().err
    for option in ("--password", "-p"):
        with pytest.raises(SystemExit):
            main(["cti", "rosa", option, "demo-rosa"])
