"""Starting: what cannot work is refused in a sentence, and what may come later is waited for."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.request
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import pytest
import pytest_asyncio

from cti import setup
from cti.asterisk.engine import SCRIPT
from cti.config import SettingsError, load
from cti.parent import EXIT_REFUSED, SILENCE_SECONDS_MAX
from tests.line import NUMBER, Line, free_ports

OUR_MISTAKES = ("Traceback", "task.failed", "controller.restarting")


class Installation:
    """A data directory that is ready to be served, with ports of its own."""

    def __init__(self, data: Path) -> None:
        sip, ari, ami, web = free_ports(4, first=26000)
        self.data, self.web_port = data, web
        self.environment = {k: v for k, v in os.environ.items() if not k.startswith("FIL_")} | {
            "FIL_DATA": str(data),
            "FIL_FLOW": "demo.yaml",
            "FIL_SIP_PORT": str(sip),
            "FIL_ARI_PORT": str(ari),
            "FIL_AMI_PORT": str(ami),
            "FIL_WEB_PORT": str(web),
        }
        self.log_path = data.with_suffix(".log")

    def start(self, *arguments: str) -> subprocess.Popen[bytes]:
        """Start a command of the line; what it says goes to ``log_path``."""
        with self.log_path.open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "cti", *arguments],
                env=self.environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    @property
    def said(self) -> str:
        return self.log_path.read_text()

    def refusal(self, *arguments: str, seconds_max: float = 45) -> str:
        """Run a command that must refuse to go on; returns what it says."""
        process = self.start(*arguments)
        try:
            code = process.wait(seconds_max)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        assert code == EXIT_REFUSED, self.said
        assert not any(mistake in self.said for mistake in OUR_MISTAKES), self.said
        return self.said

    def events(self, name: str) -> int:
        """How often an event stands in the log."""
        rows = [row for row in self.said.splitlines() if row.startswith("{")]
        return sum(json.loads(row)["event"] == name for row in rows)

    def health(self) -> str:
        """What the web answers of the line's health; empty when it does not answer."""
        try:
            url = f"http://127.0.0.1:{self.web_port}/health"
            with urllib.request.urlopen(url, timeout=2) as reply:
                return str(json.load(reply)["status"])
        except OSError:
            return ""


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def prepared(shared_line: Line, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data directory made once: what is built is taken from the shared line."""
    data = tmp_path_factory.mktemp("prepared") / "data"
    shutil.copytree(shared_line.sounds, data / "sounds")
    settings = load({"FIL_DATA": str(data)})
    setup.init(settings, lambda text: None)
    await setup.prepare_database(settings)
    await setup.add_demo_people(settings)
    return data


@pytest.fixture
def installed(prepared: Path, tmp_path: Path) -> Installation:
    """A fresh copy of it."""
    data = tmp_path / "data"
    shutil.copytree(prepared, data, copy_function=shutil.copy)
    return Installation(data)


@contextmanager
def taken(port: int, kind: socket.SocketKind = socket.SOCK_STREAM) -> Iterator[None]:
    """Another program has the port."""
    with socket.socket(socket.AF_INET, kind) as other:
        other.bind(("127.0.0.1", port))
        if kind == socket.SOCK_STREAM:
            other.listen()
        yield


async def test_a_broken_flow_is_refused_with_its_place_and_what_to_write(
    installed: Installation,
) -> None:
    flow = installed.data / "flows/demo.yaml"
    rows = flow.read_text().splitlines()
    row = rows.index("    then: patience")
    rows[row] = "    then: patiense"
    flow.write_text("\n".join(rows))
    said = await asyncio.to_thread(installed.refusal, "flow", "publish", "demo", "--why", "essai")
    assert f"{flow}:{row + 1}:11: étape inconnue `patiense` ; écrivez `patience`" in said


async def test_a_line_without_a_published_flow_says_how_to_publish_one(
    installed: Installation,
) -> None:
    shutil.rmtree(installed.data / "flows/published/demo")
    said = await asyncio.to_thread(installed.refusal, "serve")
    assert "fil flow publish demo" in said


@pytest.mark.parametrize(
    ("revision", "advice"),
    [(None, "Run: fil migrate"), ("ffff", "made by a newer version")],
)
async def test_another_versions_database_is_refused_and_what_to_run_is_said(
    installed: Installation, revision: str | None, advice: str
) -> None:
    database = installed.data / "fil.sqlite"
    if revision is None:
        database.unlink()
    else:
        with sqlite3.connect(database) as connection:
            connection.execute("update alembic_version set version_num = ?", [revision])
        connection.close()
    assert advice in await asyncio.to_thread(installed.refusal, "controller")
    if revision is None:  # and what was said to be run helps
        assert await asyncio.to_thread(installed.start("migrate").wait, 20) == 0
        async with running(installed, "controller"):
            await until(lambda: installed.health() != "", 15, installed)


@pytest.mark.parametrize("name", ["ari", "ami", "seal.key"])
async def test_a_secret_that_other_accounts_can_read_is_refused_and_the_remedy_is_said(
    installed: Installation, name: str
) -> None:
    secret = installed.data / "secrets" / name
    secret.chmod(0o644)
    said = await asyncio.to_thread(installed.refusal, "controller")
    assert f"Run: chmod 600 {secret}" in said
    assert secret.read_text().strip() not in said


async def test_a_web_port_that_is_taken_is_named_with_its_setting(
    installed: Installation,
) -> None:
    with taken(installed.web_port):
        said = await asyncio.to_thread(installed.refusal, "controller")
    assert f"The port {installed.web_port} of 127.0.0.1 is taken" in said
    assert "FIL_WEB_PORT" in said


async def test_the_demo_refuses_a_taken_telephone_port_before_it_makes_anything(
    tmp_path: Path,
) -> None:
    fresh = Installation(tmp_path / "data")
    fresh.environment["PATH"] = str(tmp_path)  # should it go on: it finds no Docker
    port = int(fresh.environment["FIL_SIP_PORT"])
    with taken(port, socket.SOCK_DGRAM):
        said = await asyncio.to_thread(fresh.refusal, "demo")
    assert f"The port {port} of 127.0.0.1 is taken by another program" in said
    assert "FIL_SIP_PORT" in said
    assert not (fresh.data / "sounds").exists()


async def test_every_port_of_the_engine_is_looked_at_and_free_ones_are_not_refused(
    tmp_path: Path,
) -> None:
    fresh = Installation(tmp_path / "data")
    settings = load(fresh.environment)
    setup.refuse_taken_ports(settings)
    for name in ("FIL_ARI_PORT", "FIL_AMI_PORT", "FIL_WEB_PORT"):
        with taken(int(fresh.environment[name])), pytest.raises(SettingsError, match=name):
            setup.refuse_taken_ports(settings)


async def test_a_second_serve_of_the_same_line_leaves_and_names_the_first(line: Line) -> None:
    assert line.process is not None
    before = line.controller_pid()
    second = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "cti", "serve"],
        env=line.environment,
        capture_output=True,
        text=True,
        timeout=15,
    )
    assert second.returncode == EXIT_REFUSED
    assert f"already served by process {line.process.pid}." in second.stderr
    assert str(line.settings.data) in second.stderr
    assert line.process.poll() is None
    assert line.controller_pid() == before


async def test_an_absent_engine_is_waited_for_said_once_and_served_when_it_comes(
    line: Line, installed: Installation
) -> None:
    shutil.copy(line.settings.data / "secrets/ari", installed.data / "secrets/ari")
    ari_port = int(installed.environment["FIL_ARI_PORT"])
    line.stop()  # two controllers would fight for the one engine
    try:
        async with running(installed, "serve"):
            await until(lambda: installed.events("engine.absent") == 1, 10, installed)
            await until(lambda: installed.health() == "ok", 5, installed)
            await asyncio.sleep(1)  # meanwhile it tries again and again
            assert installed.events("engine.absent") == 1
            assert installed.events("engine.connected") == 0
            assert "fil: ready" not in installed.said
            async with relayed(ari_port, line.settings.ari_port):
                await until(lambda: "fil: ready" in installed.said, 10, installed)
                async with line.caller() as telephone:
                    call = await telephone.call(NUMBER)
                    await call.answered(2)
                    await call.hears_sound(2)
                    await until(lambda: installed.events("call.opened") == 1, 3, installed)
                    await call.hang_up()
                    await until(lambda: installed.events("call.closed") == 1, 3, installed)
            assert not any(mistake in installed.said for mistake in OUR_MISTAKES), installed.said
    finally:
        await line.start()


async def test_a_hung_controller_is_killed_and_started_again(line: Line) -> None:
    assert line.process is not None
    parent, hung = line.process.pid, line.controller_pid()
    before = line.log_path.stat().st_size

    def log() -> str:
        return line.log_path.read_bytes()[before:].decode()

    began = time.monotonic()
    os.kill(hung, signal.SIGSTOP)
    async with line.caller() as telephone:
        call = await telephone.call(NUMBER)  # a hung controller costs a caller nothing
        await call.answered(2)
        await line.until(lambda: "house.recovered" in log(), 25, "ready again")
        took = time.monotonic() - began
        assert call.silences(call.answered_at + 0.1, time.monotonic(), longer_than_s=2.0) == []
        await call.hang_up()
    assert '"event": "controller.hung"' in log()
    assert SILENCE_SECONDS_MAX - 1.5 <= took <= SILENCE_SECONDS_MAX + 8
    assert not Path(f"/proc/{hung}").exists()
    assert line.process.pid == parent
    assert line.process.poll() is None
    assert line.controller_pid() != hung


@pytest.mark.parametrize(
    ("version", "sentence"),
    [
        ("22.10.1~dfsg+~cs6.15.60671435-1", None),
        ("22.10.1", None),
        ("22.11.0", None),
        ("22.10.0", "has known security holes that 22.10.1 closed"),
        ("22.9.9~dfsg-1", "has known security holes that 22.10.1 closed"),
        ("22.2.0", "has known security holes that 22.10.1 closed"),
        ("20.15.0", "needs Asterisk 22"),
        ("23.1.0", "needs Asterisk 22"),
        ("2.10.1", "needs Asterisk 22"),
        ("certified-22.8-cert1", "needs Asterisk 22"),
        ("GIT-master-1a2b3c", "needs Asterisk 22"),
        ("", "needs Asterisk 22"),
    ],
)
async def test_an_engine_of_another_version_does_not_start(
    tmp_path: Path, version: str, sentence: str | None
) -> None:
    stub = tmp_path / "asterisk"
    stub.write_text(
        f'#!/bin/sh\nif [ "$1" = -V ]; then echo "Asterisk {version}"; else echo "started $*"; fi\n'
    )
    stub.chmod(0o755)
    done = await asyncio.to_thread(
        subprocess.run,
        ["sh", str(SCRIPT.with_name("entrypoint"))],
        env=os.environ | {"PATH": f"{tmp_path}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        timeout=5,
    )
    if sentence is None:
        assert done.returncode == 0, done.stderr
        assert done.stdout == "started -f -C /etc/asterisk/asterisk.conf\n"
    else:
        assert done.returncode != 0
        assert "started" not in done.stdout
        assert sentence in done.stderr
        assert "make engine" in done.stderr


# -- how ------------------------------------------------------------------------


@asynccontextmanager
async def running(installed: Installation, command: str) -> AsyncIterator[subprocess.Popen[bytes]]:
    """A command of the line runs."""
    process = installed.start(command)
    try:
        yield process
    finally:
        process.terminate()
        try:
            await asyncio.to_thread(process.wait, 15)
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


async def until(true: object, seconds_max: float, installed: Installation) -> None:
    """Wait until something is true of an installation."""
    assert callable(true)
    end = time.monotonic() + seconds_max
    while not await asyncio.to_thread(true):
        assert time.monotonic() < end, installed.said[-3000:]
        await asyncio.sleep(0.05)


@asynccontextmanager
async def relayed(port: int, target: int) -> AsyncIterator[None]:
    """The engine's door, opened under another port."""
    carriers: list[asyncio.Task[None]] = []
    writers: list[asyncio.StreamWriter] = []

    async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        while part := await reader.read(65536):
            writer.write(part)
            await writer.drain()
        writer.close()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there_reader, there_writer = await asyncio.open_connection("127.0.0.1", target)
        carriers.append(asyncio.create_task(carry(reader, there_writer)))
        carriers.append(asyncio.create_task(carry(there_reader, writer)))

    server = await asyncio.start_server(accept, "127.0.0.1", port)
    try:
        yield
    finally:
        server.close()
        for carrier in carriers:
            carrier.cancel()
        await asyncio.gather(*carriers, return_exceptions=True)
        for writer in writers:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()
