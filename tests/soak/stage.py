"""What a soak plays on: a line with enough people, a wire that may be cut, disks that may fill."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from cti.asterisk.engine import PhoneAccount, write_phones
from cti.records.database import create_database
from cti.records.people import PeopleStore
from cti.records.privacy import Keys
from cti.records.privacy import Phone as Number
from tests.line import NUMBER, READY_SECONDS_MAX, Line, a_line
from tests.proxy import Proxy, a_proxy

Controller = Literal["ours", "naive"]
REGULATORS = ("rosa", "remy", "ines", "yann", "chloe", "paul")
LISTENERS = ("lea", "louis", "nour", "hugo", "emma", "jean")
RING_SECONDS = 8
CALLER_HZ, CALLER_HZ_STEP = 300, 40
AGENT_HZ, AGENT_HZ_STEP = 1200, 100
CONTROL_HZ = (3200, 3300)
CALLERS_MAX, AGENTS_MAX = 20, 12
DISK_MB = {"journal": 8, "base": 64}  # small disks of their own, so that they can be filled
ENGLISH_EVERY = 2  # one agent in so many speaks English too


@dataclass
class Options:
    """What a run was asked to be."""

    minutes: float = 5.0
    seed: int = 1
    callers: int = 12
    agents: int = 12
    controller: Controller = "ours"


@dataclass
class Stage:
    """A running line and what may be broken of it."""

    line: Line
    proxy: Proxy
    options: Options
    disks: dict[str, Path] = field(default_factory=dict)
    _starting: set[asyncio.Task[None]] = field(default_factory=set)

    def recovered(self) -> int:
        """How often the controller has compared itself with the engine, all its lives counted."""
        return self.line.log_path.read_bytes().count(b"house.recovered")

    def serves(self) -> bool:
        """Whether nothing the log tells of is still to be recovered from."""
        log = self.line.log_path.read_bytes()
        ends = (b"engine.lost", b"controller.hung", b"controller.restarting")
        return log.rfind(b"house.recovered") > max(log.rfind(end) for end in ends)

    async def start(self) -> None:
        """Start the controller behind the wire; returns when it serves."""
        await self.line.start(FIL_ARI_PORT=str(self.proxy.port))

    def start_soon(self) -> None:
        """Start the controller, whatever state the rest is in; does not wait."""

        async def start() -> None:
            with contextlib.suppress(AssertionError):  # later than usual, with the rest broken
                await self.start()

        task = asyncio.create_task(start())
        self._starting.add(task)
        task.add_done_callback(self._starting.discard)


class NaiveLine(Line):
    """The same line with the naive controller in place of ours."""

    async def start(self, **more: str) -> None:
        before = self.log_path.read_bytes().count(b"house.recovered")
        with self.log_path.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tests.soak.naive"],
                env=self.environment | more,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        await self.until(
            lambda: self.log_path.read_bytes().count(b"house.recovered") > before,
            READY_SECONDS_MAX,
            "ready",
        )

    def stop(self) -> None:
        if self.process is not None:
            self.kill()


def plan_of(options: Options, line: Line) -> dict[str, Any]:
    """Who takes part, and where the line is: all that the phones are told."""
    names = [who for both in zip(REGULATORS, LISTENERS, strict=True) for who in both]
    callers = [
        {"id": f"caller-{n}", "number": f"06399801{n:02d}", "hz": CALLER_HZ + n * CALLER_HZ_STEP}
        for n in range(options.callers)
    ]
    agents = [
        {
            "id": name,
            "hz": AGENT_HZ + n * AGENT_HZ_STEP,
            "role": "regulator" if name in REGULATORS else "listener",
        }
        for n, name in enumerate(names[: options.agents])
    ]
    return {
        "seed": options.seed,
        "minutes": options.minutes,
        "controller": options.controller,
        "dial": NUMBER,
        "sip_port": line.settings.sip_port,
        "web": line.web,
        "screens": options.controller == "ours",
        "ring_seconds": RING_SECONDS,
        "callers": callers,
        "agents": agents,
        "control": [
            {"id": f"control-{n}", "hz": hz} for n, hz in enumerate(CONTROL_HZ)
        ],
    }  # fmt: skip


async def _add_people(line: Line, plan: dict[str, Any]) -> None:
    """Everybody of the plan, with their password, and their phone's account in the engine."""
    database = create_database(line.settings.database)
    try:
        store = PeopleStore(database, Keys.load_or_create(line.settings.data / "secrets"))
        for n, agent in enumerate(plan["agents"]):
            name = agent["id"]
            await store.add(
                name,
                name=name.capitalize(),
                roles=[agent["role"]],
                phone=name,
                password=f"demo-{name}",
                languages=["fr"] if n % ENGLISH_EVERY else ["fr", "en"],
                sip_secret=f"demo-{name}",
            )
        accounts = (await store.sip_secrets()).items()
        write_phones(line.settings, [PhoneAccount(*account) for account in accounts])
    finally:
        await database.close()


def pseudonyms(line: Line, plan: dict[str, Any]) -> dict[str, str]:
    """caller_ref -> caller: so that the checker needs no key of the line."""
    keys = Keys.load_or_create(line.settings.data / "secrets")
    found = {}
    for caller in plan["callers"]:
        number = Number.parse(caller["number"])
        assert number is not None
        found[keys.caller_ref(number)] = caller["id"]
    return found


def _mount(data: Path) -> dict[str, Path]:
    """Small disks under the data directory, where this account may make some; else none."""
    disks = {}
    for name, size in DISK_MB.items():
        folder = data / name
        folder.mkdir(mode=0o700)
        if os.geteuid() != 0:
            continue
        options = f"size={size}m,mode=0700"
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", options, "soak", str(folder)],
            check=False,
            capture_output=True,
        )
        if done.returncode == 0:
            disks[name] = folder
    return disks


@asynccontextmanager
async def a_stage(options: Options) -> AsyncIterator[tuple[Stage, dict[str, Any]]]:
    """A line with its people, started behind the proxy; gone at the end, its disks too."""
    data = Path(tempfile.mkdtemp(prefix="fil-soak-"))
    disks = _mount(data)
    try:
        async with a_line(
            data,
            FIL_RING_SECONDS_MAX=str(RING_SECONDS),
            FIL_DATABASE_URL=f"sqlite+aiosqlite:///{data}/base/fil.sqlite",
        ) as line:
            line.stop()
            plan = plan_of(options, line)
            await _add_people(line, plan)
            async with a_proxy(line.settings.ari_port) as proxy:
                if options.controller == "naive":
                    line = await _made_naive(line, plan)
                stage = Stage(line, proxy, options, disks)
                await stage.start()
                try:
                    yield stage, plan
                finally:
                    for starting in stage._starting:
                        starting.cancel()
                    line.stop()
            await asyncio.sleep(0.1)  # the wire's last connections end with the loop turning
    finally:
        for folder in disks.values():
            subprocess.run(["umount", "-l", str(folder)], check=False)
        shutil.rmtree(data, ignore_errors=True)


async def _made_naive(line: Line, plan: dict[str, Any]) -> NaiveLine:
    """The dialplan that most begin with, in place of ours."""
    from tests.soak import naive

    dialplan = line.settings.data / "engine/etc/extensions.conf"
    dialplan.write_text(naive.DIALPLAN)
    line.cli("dialplan reload")
    line.cli("module reload res_pjsip.so")
    phones = ",".join(agent["id"] for agent in plan["agents"] if agent["role"] == "regulator")
    environment = line.environment | {"SOAK_PHONES": phones}
    return NaiveLine(line.settings, environment, line.log_path)


def keep(stage: Stage, plan: dict[str, Any], folder: Path) -> None:
    """Copy into the evidence what the line itself wrote: database, journal, logs."""
    data = stage.line.settings.data
    for source in (*(data / "base").glob("fil.sqlite*"), stage.line.log_path):
        shutil.copyfile(source, folder / source.name)
    (folder / "journal").mkdir(exist_ok=True)
    for source in (data / "journal").glob("*.jsonl"):
        shutil.copyfile(source, folder / "journal" / source.name)
    (folder / "engine.log").write_text(stage.line.engine("logs"))
    (folder / "pseudonyms.json").write_text(json.dumps(pseudonyms(stage.line, plan)))


def keep_closings(line: Line, folder: Path) -> None:
    """The messages that end a call, for the checker to recognise."""
    for language in ("fr", "en"):
        for prompt in ("au-revoir", "personne-disponible", "secours-numeros", "ferme"):
            source = line.sounds / language / f"{prompt}.wav"
            shutil.copyfile(source, folder / f"{language}-{prompt}.wav")


def seeded(options: Options, what: str) -> random.Random:
    """A source of chance of its own for each part, so that one does not disturb another."""
    return random.Random(f"{options.seed}-{what}")
