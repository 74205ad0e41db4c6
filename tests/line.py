"""A whole line for tests: its own data, ports, engine and controller, and people who use it.

Everything stays on 127.0.0.1, on ports of its own, beside any other line of this machine.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import itertools
import json
import os
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import time
import urllib.request
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import aiohttp
from sqlalchemy import text
from sqlalchemy.exc import NoResultFound

from cti import setup
from cti.asterisk.engine import run_script
from cti.config import Settings, load
from cti.records.database import create_database
from cti.rehearsal.phone import Phone, PhoneCall
from cti.rehearsal.sound import RATE, Samples, correlation, read_wav, rms_dbfs

NUMBER = "0800190000"
CALLERS = itertools.count()
SCREEN_SECONDS_MAX = 5.0
READY_SECONDS_MAX = 60.0  # two seconds on a machine that does nothing else
os.environ["ENGINE_RESTART"] = "no"  # an engine of a test that was killed must not come back
BUILT_SOUNDS = Path(__file__).parents[1] / "var/test-sounds"  # spoken once, by tests/prepare


def free_ports(count: int, first: int = 21000) -> list[int]:
    """Ports nobody listens on now, below the range that the kernel gives to clients."""
    found = []
    for port in range(first + (os.getpid() % 200) * 20, 32000):
        with socket.socket() as tcp, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
            try:
                tcp.bind(("127.0.0.1", port))
                udp.bind(("127.0.0.1", port))
            except OSError:
                continue
        found.append(port)
        if len(found) == count:
            return found
    raise AssertionError("no free ports")


def likeness(heard: Samples, reference: Samples) -> float:
    """How well a prompt was heard: the median correlation of its half seconds, 1.0 at best.

    Piece by piece, because a packet that this machine delivers late shifts what follows.
    """
    step = RATE // 2
    pieces = [reference[at : at + step] for at in range(0, len(reference) - step, step)]
    loud = [piece for piece in pieces if rms_dbfs(piece) > -40]
    return statistics.median(correlation(heard, piece)[0] for piece in loud)


@dataclass
class Line:
    """One line: settings, a running engine, and a controller that tests may kill."""

    settings: Settings
    environment: dict[str, str]
    log_path: Path
    process: subprocess.Popen[bytes] | None = None
    program: tuple[str, ...] = ("-m", "cti")
    server: tuple[str, int] = field(init=False)
    web: str = field(init=False)

    def __post_init__(self) -> None:
        self.server = (self.settings.bind_address, self.settings.sip_port)
        self.web = f"http://127.0.0.1:{self.settings.web_port}"

    @property
    def sounds(self) -> Path:
        return self.settings.data / "sounds"

    def engine(self, *arguments: str) -> str:
        """Run the engine's script for this line."""
        return run_script(self.settings, *arguments)

    def cli(self, command: str) -> str:
        """Ask Asterisk itself."""
        return self.engine("cli", command)

    def ari(self, path: str) -> Any:
        """Ask the engine, beside the controller: GET ``/ari/<path>``."""
        request = urllib.request.Request(f"{self.settings.ari_url}/ari/{path}")
        secret = base64.b64encode(f"fil:{self.settings.secret('ari')}".encode()).decode()
        request.add_header("Authorization", f"Basic {secret}")
        with urllib.request.urlopen(request, timeout=5) as reply:
            return json.load(reply)

    def channels(self) -> list[str]:
        """The names of the channels the engine holds."""
        return [channel["name"] for channel in self.ari("channels")]

    def talk_bridges(self) -> list[str]:
        """The talk bridges the engine holds."""
        return [b["id"] for b in self.ari("bridges") if b["id"].startswith("talk-")]

    def is_quiet(self) -> bool:
        """Whether the engine holds no channel and no talk bridge."""
        return not self.channels() and not self.talk_bridges()

    async def until(self, true: Callable[[], bool], seconds_max: float, what: str) -> float:
        """Wait until something is true; returns the seconds it took."""
        began = time.monotonic()
        while not await asyncio.to_thread(true):
            if time.monotonic() - began > seconds_max:
                raise AssertionError(f"after {seconds_max} s, still not: {what}\n{self.tail()}")
            await asyncio.sleep(0.05)
        return time.monotonic() - began

    def tail(self) -> str:
        """The last words of the controller's log."""
        return "\n".join(self.log_path.read_text().splitlines()[-25:])

    def on_call(self) -> str:
        """Whom the engine rings by itself, as it was told on disk."""
        return (self.settings.data / "engine/state/on-call.conf").read_text()

    def likeness(self, heard: Samples, prompt: str) -> float:
        """How well a built prompt (``fr/accueil``) is recognised in what was heard."""
        return likeness(heard, read_wav(self.sounds / f"{prompt}.wav"))

    # -- the controller

    async def start(
        self, command: str = "serve", seconds_max: float = READY_SECONDS_MAX, **more: str
    ) -> None:
        """Start ``fil serve`` and wait until it is ready; ``more``: settings of this life alone."""
        before = self.log_path.read_text().count("house.recovered") if self.log_path.exists() else 0
        with self.log_path.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, *self.program, command],
                env=self.environment | more,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        await self.until(
            lambda: self.log_path.read_text().count("house.recovered") > before,
            seconds_max,
            "ready",
        )

    def controller_pid(self) -> int:
        """The process of the controller (the child of ``fil serve``)."""
        assert self.process is not None
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text()
        return int(children.split()[0])

    def signal_all(self, number: int) -> None:
        """Send a signal to ``fil serve`` and its controller at once."""
        assert self.process is not None
        os.killpg(self.process.pid, number)

    def kill(self) -> None:
        """kill -9 of ``fil serve`` and of its controller: nobody starts it again."""
        self.signal_all(signal.SIGKILL)
        assert self.process is not None
        self.process.wait(10)
        self.process = None

    def stop(self) -> None:
        """An ordinary stop."""
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            self.process.wait(15)
        self.process = None

    async def fil(self, *arguments: str) -> tuple[int, str]:
        """Run a command beside the line; returns its exit code and what it said."""
        program = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "cti",
            *arguments,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        said, _ = await program.communicate()
        assert program.returncode is not None
        return program.returncode, said.decode()

    # -- people

    @asynccontextmanager
    async def agent(self, name: str, hz: float = 1000, **phone: Any) -> AsyncIterator[Desk]:
        """An agent at work: signed in, screen open, phone registered, READY."""
        async with (
            Phone(name, secret=f"demo-{name}", server=self.server, tone_hz=hz, **phone) as handset,
            Desk.sign_in(self, name, handset) as desk,
        ):
            await handset.register()
            await desk.be("READY")
            # Who is free first rings first, and the engine tells of a phone when it likes.
            await self.until(desk.at_work, SCREEN_SECONDS_MAX, f"{name} is at work")
            try:
                yield desk
            finally:
                with contextlib.suppress(Exception):
                    await desk.be("LOGGED_OUT")

    @asynccontextmanager
    async def caller(self, number: str = "", hz: float = 440, **more: Any) -> AsyncIterator[Phone]:
        """Somebody's telephone; its number is nobody else's, for one who rings again is known."""
        number = number or f"0199002{next(CALLERS) % 1000:03d}"
        async with Phone(number, server=self.server, tone_hz=hz, **more) as phone:
            yield phone

    async def record(self, call_id: str) -> dict[str, Any]:
        """What the database holds of a call, its legs included."""
        database = create_database(self.settings.database)
        try:
            async with database.sessions() as session:
                calls = await session.execute(
                    text("select * from calls where id = :id"), {"id": call_id}
                )
                legs = await session.execute(
                    text("select * from legs where call_id = :id order by rung_at"), {"id": call_id}
                )
                call = dict(calls.mappings().one())
                return call | {"legs": [dict(leg) for leg in legs.mappings()]}
        finally:
            await database.close()

    async def closed_record(self, call_id: str, seconds_max: float = 5) -> dict[str, Any]:
        """The record of a call, once it is closed."""
        until = time.monotonic() + seconds_max
        while True:
            with contextlib.suppress(NoResultFound):
                record = await self.record(call_id)
                if record["ended_at"]:
                    return record
            assert time.monotonic() < until, f"no closed record of {call_id}\n{self.tail()}"
            await asyncio.sleep(0.1)


class Desk:
    """An agent's screen, as a program: it acks what it is shown and keeps every frame."""

    def __init__(
        self,
        line: Line,
        name: str,
        phone: Phone,
        socket_: aiohttp.ClientWebSocketResponse[bool],
    ) -> None:
        self.line, self.name, self.phone = line, name, phone
        self.frames: list[tuple[float, dict[str, Any]]] = []
        self.acked: dict[str, float] = {}  # offer -> when
        self.acks = True
        self._socket = socket_
        self._results: dict[str, dict[str, Any]] = {}
        self._news = asyncio.Event()
        self._number = 0
        self._seen = 0

    @classmethod
    @asynccontextmanager
    async def sign_in(cls, line: Line, name: str, phone: Phone) -> AsyncIterator[Self]:
        async with aiohttp.ClientSession() as session:
            async with session.post(
                f"{line.web}/api/v1/login", json={"username": name, "password": f"demo-{name}"}
            ) as reply:
                assert reply.status == 200, await reply.text()
                token = (await reply.json())["token"]
            async with session.ws_connect(
                f"{line.web}/cti/v1",
                protocols=["fil.cti.v1"],
                headers={"Authorization": f"Bearer {token}"},
            ) as socket_:
                desk = cls(line, name, phone, socket_)
                reader = asyncio.create_task(desk._read())
                try:
                    await desk.sees("snapshot")
                    yield desk
                finally:
                    reader.cancel()

    async def _read(self) -> None:
        async for message in self._socket:
            frame = json.loads(message.data)
            if frame.get("op") == "result":
                self._results[frame["id"]] = frame
            else:
                self.frames.append((time.monotonic(), frame))
                if self.acks:
                    if frame["type"] == "call.offered":
                        self.acked[frame["data"]["offer"]] = time.monotonic()
                    await self._socket.send_json(
                        {"op": "ack", "id": f"a{frame['seq']}", "data": {"seq": frame["seq"]}}
                    )
            self._news.set()

    async def does(self, op: str, **data: Any) -> dict[str, Any]:
        """Send a command; returns its result."""
        self._number += 1
        id_ = f"c{self._number}"
        await self._socket.send_json({"op": op, "id": id_, "data": data})
        async with asyncio.timeout(SCREEN_SECONDS_MAX):
            while id_ not in self._results:
                self._news.clear()
                await self._news.wait()
        return self._results[id_]

    async def be(self, presence: str, reason: str | None = None) -> None:
        """Choose a presence."""
        result = await self.does("presence.set", presence=presence, reason=reason)
        assert result["ok"], result

    async def sees(self, type_: str, seconds_max: float = SCREEN_SECONDS_MAX) -> dict[str, Any]:
        """The next frame of a type, among those not yet looked at."""
        try:
            async with asyncio.timeout(seconds_max):
                while True:
                    while self._seen < len(self.frames):
                        _, frame = self.frames[self._seen]
                        self._seen += 1
                        if frame["type"] == type_:
                            return frame
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            seen = [(f["type"], f["data"].get("presence")) for _, f in self.frames]
            raise AssertionError(
                f"{self.name} never saw {type_} in {seconds_max} s; saw {seen}\n{self.line.tail()}"
            ) from None

    async def becomes(self, presence: str, reason: str | None = None) -> None:
        """Wait until the screen shows this presence: its frame follows the one that caused it."""
        await self.line.until(
            lambda: self.presence() == (presence, reason), 2, f"{self.name} is {presence} {reason}"
        )

    def at_work(self) -> bool:
        """Whether this agent takes calls, or has one already."""
        return self.presence()[0] not in ("NOT_READY", "LOGGED_OUT")

    def presence(self) -> tuple[str, str | None]:
        """The last presence shown."""
        for _, frame in reversed(self.frames):
            if frame["type"] in ("presence.changed", "snapshot"):
                data = frame["data"].get("presence")
                if isinstance(data, dict):
                    return data["presence"], data["reason"]
                return data, frame["data"].get("reason")
        raise AssertionError("no presence was ever shown")

    async def ring(self, seconds_max: float = 10) -> PhoneCall:
        """The next call that rings this agent's phone."""
        try:
            async with asyncio.timeout(seconds_max):
                return await self.phone.incoming.get()
        except TimeoutError:
            raise AssertionError(
                f"{self.name}'s phone did not ring in {seconds_max} s\n{self.line.tail()}"
            ) from None


async def as_it_is(_: Line) -> None:
    """Nothing more to prepare."""


async def made_ready(environment: dict[str, str]) -> Line:
    """A line of these settings: its data directory, its sounds, its people; nothing runs yet."""
    settings = load(environment)
    log = "fil.log" if settings.demo else "controller.log"
    line = Line(settings, environment, settings.data / log)
    if BUILT_SOUNDS.exists():
        shutil.copytree(BUILT_SOUNDS, line.sounds, dirs_exist_ok=True)
    setup.init(line.settings, lambda text: None)
    await setup.prepare_database(line.settings)
    await setup.add_demo_people(line.settings)
    return line


@asynccontextmanager
async def a_line(
    data: Path,
    *,
    flow: str = "demo.yaml",
    prepare: Callable[[Line], Awaitable[None]] = as_it_is,
    **settings: str,
) -> AsyncIterator[Line]:
    """A whole line of its own in ``data``; down again at the end. ``prepare``: before it starts."""
    sip, ari, ami, web = free_ports(4)
    rtp = 10000 + os.getpid() % 50 * 200
    environment = {k: v for k, v in os.environ.items() if not k.startswith("FIL_")} | {
        "FIL_DATA": str(data),
        "FIL_SIP_PORT": str(sip),
        "FIL_ARI_PORT": str(ari),
        "FIL_AMI_PORT": str(ami),
        "FIL_WEB_PORT": str(web),
        "FIL_RTP_PORT_FIRST": str(rtp),
        "FIL_RTP_PORT_LAST": str(rtp + 399),
        "FIL_FLOW": flow,
        "FIL_WRAP_UP_SECONDS": "2",
        **settings,
    }
    line = await made_ready(environment)
    await prepare(line)
    try:
        line.engine("up")
        await line.start()
        yield line
    finally:
        line.stop()
        line.engine("down")
