"""Another Asterisk's callers walk the same flow; knocking, lying and silent peers harm nobody."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
import shutil
import socket
from collections import deque
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest
import pytest_asyncio

import ivr
from cti.asterisk import agi
from cti.asterisk.agi import AgiServer
from cti.flows import FlowFiles, Flows
from ivr.leg import ALL_KEYS, DangerPressed
from ivr.versions import Versions

FLOWS = Path(ivr.__file__).parent / "flows"
NOON = datetime(2026, 3, 10, 11, 0, tzinfo=UTC)
MIDNIGHT = datetime(2026, 3, 10, 23, 0, tzinfo=UTC)
CANARY = "0639980123"


class Site:
    """An Asterisk that runs ``AGI(agi://…/path)`` for one caller."""

    def __init__(self, presses: Sequence[str | None] = (), hangs_up_after: int = 1000) -> None:
        self.heard: list[str] = []
        self.variables: dict[str, str] = {}
        self.commands: list[str] = []
        self._presses = deque(presses)
        self._hangs_up_after = hangs_up_after

    async def call(self, port: int, path: str, dialled: str = "0800190000") -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        header = {
            "agi_network": "yes",
            "agi_network_script": path,
            "agi_callerid": CANARY,
            "agi_calleridname": f"Camille {CANARY}",
            "agi_extension": dialled,
        }
        said = "".join(f"{name}: {value}\n" for name, value in header.items())
        writer.write(f"{said}\n".encode())
        with contextlib.suppress(OSError):
            while command := (await reader.readline()).decode().strip():
                writer.write(f"{self._answer(command)}\n".encode())
                await writer.drain()
        writer.close()

    def _pressed(self, among: str) -> int:
        pressed = self._presses.popleft() if self._presses else None
        return ord(pressed) if pressed is not None and pressed in among else 0

    def _answer(self, command: str) -> str:
        self.commands.append(command)
        if len(self.heard) >= self._hangs_up_after:
            return "HANGUP\n511 Command Not Permitted on a dead channel or intercept routine"
        verb = command.split()
        match verb[:2]:
            case ["STREAM", "FILE"]:
                self.heard.append(verb[2].removeprefix("/sounds/"))
                keys = command.partition('"')[2].rstrip('"')
                return f"200 result={self._pressed(keys)} endpos=0"
            case ["WAIT", "FOR"]:
                return f"200 result={self._pressed(ALL_KEYS)}"
            case ["GET", "VARIABLE"]:
                said = self.variables.get(verb[2])
                return "200 result=0" if said is None else f"200 result=1 ({said})"
            case ["SET", "VARIABLE"]:
                self.variables[verb[2]] = command.partition('"')[2].rstrip('"')
                return "200 result=1"
            case _:
                return "200 result=0"


@pytest.fixture
def flows(tmp_path: Path) -> Flows:
    shutil.copytree(FLOWS, tmp_path / "flows")
    for name in ("accueil", "aidants"):
        Versions(tmp_path / "flows").publish(name, None, None, by="ada", why="essai", at=NOON)
    return FlowFiles(tmp_path, "accueil").load()


@pytest_asyncio.fixture
async def port(flows: Flows, unused_tcp_port: int) -> AsyncIterator[int]:
    async for found in served(flows, unused_tcp_port, NOON):
        yield found


async def served(flows: Flows, port: int, at: datetime) -> AsyncIterator[int]:
    server = AgiServer(flows, lambda *_: 3.0, "/sounds", lambda: at)
    task = asyncio.create_task(server.serve("127.0.0.1", port))
    await asyncio.sleep(0.1)
    yield port
    task.cancel()
    await asyncio.wait({task})


async def test_an_open_line_leaves_where_it_leads_in_the_channel(port: int) -> None:
    site = Site()

    await site.call(port, "welcome")

    assert site.heard == []
    assert site.variables == {
        "FIL_FLOW": "accueil@1",
        "FIL_LANGUAGE": "fr",
        "FIL_LINE": "regulators",
        "FIL_STEP": "regulation",
        "FIL_RESULT": "line",
    }


async def test_a_closed_line_says_so(flows: Flows, unused_tcp_port: int) -> None:
    async for port in served(flows, unused_tcp_port, MIDNIGHT):
        site = Site()
        await site.call(port, "welcome")

        assert site.heard == ["fr/ferme"]
        assert site.variables["FIL_RESULT"] == "end"


async def test_a_number_of_its_own_walks_its_own_flow(flows: Flows, unused_tcp_port: int) -> None:
    async for port in served(flows, unused_tcp_port, MIDNIGHT):
        site = Site()
        await site.call(port, "welcome", dialled="0199005510")

        assert site.heard == ["fr/personne-disponible"]  # its relay is not live


async def test_the_danger_key_is_heard_at_any_moment(flows: Flows, unused_tcp_port: int) -> None:
    async for port in served(flows, unused_tcp_port, MIDNIGHT):
        site = Site(["0"])
        await site.call(port, "welcome")

        assert site.heard == ["fr/ferme", "fr/danger"]
        assert (site.variables["FIL_DANGER"], site.variables["FIL_LINE"]) == ("1", "regulators")


@pytest.mark.parametrize(
    ("path", "heard", "result"),
    [
        ("no-staff/regulators", ["fr/personne-disponible"], "end"),
        ("full/regulators", ["fr/complet"], "end"),
        ("long/listeners", ["fr/attente-longue", "fr/attente-longue"], "line"),
        ("no-staff/nobody", [], "failed"),
        ("../../etc/passwd", [], "failed"),
    ],
)
async def test_each_part_of_a_line_has_its_path(
    port: int, path: str, heard: list[str], result: str
) -> None:
    site = Site()

    await site.call(port, path)

    assert (site.heard, site.variables["FIL_RESULT"]) == (heard, result)


@pytest.mark.parametrize("path", ["full/regulators", "long/regulators"])
async def test_danger_leads_back_to_the_line_from_where_it_is_left(port: int, path: str) -> None:
    site = Site(presses=["0"])

    await site.call(port, path)

    assert site.heard[-1] == "fr/danger"
    told = [site.variables.get(f"FIL_{name}") for name in ("RESULT", "LINE", "DANGER")]
    assert told == ["line", "regulators", "1"]


async def test_a_later_request_goes_on_in_the_flow_and_the_language_of_the_first(
    port: int,
) -> None:
    site = Site(presses=["0"] * 9)
    site.variables = {"FIL_FLOW": "aidants@1", "FIL_LANGUAGE": "en", "FIL_DANGER": "1"}

    await site.call(port, "no-staff/regulators", dialled="s")

    assert site.heard == ["en/personne-disponible"]
    assert site.variables["FIL_FLOW"] == "aidants@1"


@pytest.mark.parametrize("before", ["../../etc@1", "aidants@x", "accueil@99", "@"])
async def test_a_flow_that_nobody_published_is_the_number_s_own(port: int, before: str) -> None:
    site = Site()
    site.variables = {"FIL_FLOW": before}

    await site.call(port, "welcome", dialled="0199005510")

    assert site.variables["FIL_FLOW"] == "aidants@1"


async def test_a_caller_who_hangs_up_ends_it(flows: Flows, unused_tcp_port: int) -> None:
    async for port in served(flows, unused_tcp_port, MIDNIGHT):
        site = Site(hangs_up_after=1)
        await site.call(port, "welcome")

        assert "FIL_RESULT" not in site.variables


async def test_knocking_lying_and_silent_peers_harm_nobody(
    port: int, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(agi, "HEADER_SECONDS_MAX", 0.2)
    monkeypatch.setattr(agi, "COMMAND_SECONDS_MAX", 0.2)
    caplog.set_level(logging.INFO)
    for said in (
        b"",
        b"GET / HTTP/1.1\r\n\r\n",
        b"x" * 100_000,
        b"a: b\n" * 1000,
        b"agi_network_script: welcome\n\n",
        b"agi_network_script: welcome\n\n" + b"200 result=banana\n" * 3,
        b"\xff\xfe\n\n",
    ):
        for lingers in (False, True):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(said)
            with contextlib.suppress(OSError):
                await writer.drain()
            if lingers:
                await asyncio.sleep(0.3)
            writer.close()
    site = Site()
    await asyncio.wait_for(site.call(port, "welcome"), 5)

    assert site.variables["FIL_RESULT"] == "line"
    assert "agi.failed" not in caplog.text


async def test_who_calls_is_in_no_command_and_in_no_log(
    port: int, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    site = Site(["7", "9"])

    await site.call(port, "no-staff/regulators")

    digits = re.sub(r"\D", "", " ".join(site.commands) + caplog.text)
    assert CANARY not in digits


@contextlib.asynccontextmanager
async def a_leg() -> AsyncIterator[tuple[agi.AgiLeg, socket.socket]]:
    """A leg that listens for danger, and the other end of its connection."""
    ours, theirs = socket.socketpair()
    reader, writer = await asyncio.open_connection(sock=ours)
    leg = agi.AgiLeg(reader, writer, lambda *_: 1.0, "/sounds", "fr")
    leg.danger_key = "0"
    with theirs, contextlib.closing(writer):
        yield leg, theirs
    await writer.wait_closed()


async def test_a_rest_is_music_that_the_danger_key_ends(flows: Flows) -> None:
    async with a_leg() as (leg, site):
        site.sendall(b"200 result=0\n200 result=48\n")
        with pytest.raises(DangerPressed):
            await leg.rest(20.0)
        said = site.recv(1000).decode().splitlines()

    assert said[0] == "SET MUSIC ON"
    assert 19_000 < int(said[1].removeprefix("WAIT FOR DIGIT ")) <= 20_000  # what is left of it


@pytest.mark.parametrize(
    ("keys", "gathered"), [("75", "75"), ("7#", "7"), ("", ""), ("06", "06"), ("123", "12")]
)
async def test_digits_are_gathered_and_a_zero_among_them_is_no_danger(
    keys: str, gathered: str
) -> None:
    async with a_leg() as (leg, site):
        for key in keys:
            site.sendall(f"200 result={ord(key)}\n".encode())
        site.sendall(b"200 result=0\n" * 3)

        assert await leg.gather("departement", 2, 5.0) == gathered


async def test_a_zero_alone_is_danger() -> None:
    async with a_leg() as (leg, site):
        site.sendall(b"200 result=48\n200 result=0\n")
        with pytest.raises(DangerPressed):
            await leg.gather("departement", 2, 5.0)
