"""How soon a pop is on the screen of its agent, and what a screen that waits costs the line.

``python -m bench.screens``: 150 agents' websockets in a process of their own, 30 callers who
talk, and a few who wait and are refused by one telephone after the other, so that pops come all
the time. Exits with 1 when the 99th percentile of a run's pops is above 300 ms.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import itertools
import json
import os
import random
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import aiohttp

from bench.choir import Choir, Crowd, Member, agent_hz
from bench.judge import percentile
from bench.load import RTP_PORTS, staff
from bench.people import agent_name
from bench.usage import Meter, memory_mb
from cti.rehearsal.phone import CallEnded, PhoneCall
from tests.line import NUMBER, Line, a_line

POP_MS_MAX = 300.0  # the 99th percentile of each run
WAITING = 6  # callers at a time who are refused by one agent after the other
REFUSED_AFTER_SECONDS = (0.3, 1.0)
RUN_SECONDS_MAX = 240.0
SIGNED_IN_AT_ONCE = 4
SETTLE_SECONDS = 5.0
CALLER_NUMBER = "0199{:06d}"


# -- the screens, in their own process


@dataclass(eq=False)
class Screens:
    """Every agent's screen: acks its pops, notes when they came, and is READY when told to be."""

    web: str
    http: aiohttp.ClientSession
    tokens: list[str] = field(default_factory=list)
    sockets: list[aiohttp.ClientWebSocketResponse[bool]] = field(default_factory=list)
    ready: set[int] = field(default_factory=set)
    pops: list[tuple[int, str, float, float]] = field(default_factory=list)
    talking: int = 0
    frames: int = 0
    _reading: list[asyncio.Task[None]] = field(default_factory=list)

    async def sign_in(self, count: int) -> None:
        """Have sessions for so many agents."""
        for first in range(len(self.tokens), count, SIGNED_IN_AT_ONCE):
            wanted = range(first, min(count, first + SIGNED_IN_AT_ONCE))
            self.tokens += await asyncio.gather(*map(self._sign_in, wanted))

    async def _sign_in(self, index: int) -> str:
        name = agent_name(index)
        body = {"username": name, "password": f"demo-{name}"}
        async with self.http.post(f"{self.web}/api/v1/login", json=body) as reply:
            return str((await reply.json())["token"])

    async def open(self, count: int) -> None:
        """Have so many screens open, one for each agent."""
        for index in range(len(self.sockets), count):
            socket = await self.http.ws_connect(
                f"{self.web}/cti/v1",
                protocols=["fil.cti.v1"],
                headers={"Authorization": f"Bearer {self.tokens[index]}"},
            )
            self.sockets.append(socket)
            self._reading.append(asyncio.create_task(self._read(index, socket)))

    async def be_ready(self, first: int, end: int) -> None:
        """Have these agents take calls, from now on."""
        for index in range(first, end):
            self.ready.add(index)
            await self._say(index, "presence.set", presence="READY", reason=None)

    async def _read(self, index: int, socket: aiohttp.ClientWebSocketResponse[bool]) -> None:
        async for message in socket:
            at = time.time()
            frame = json.loads(message.data)
            self.frames += 1
            match frame.get("type"):
                case "call.offered":
                    decided = datetime.fromisoformat(frame["time"]).timestamp()
                    self.pops.append((index, frame["data"]["call"]["id"], decided, at))
                    await self._say(index, "ack", seq=frame["seq"])
                case "call.connected":
                    self.talking += 1
                case "call.ended":
                    self.talking -= 1
                case "presence.changed" if frame["data"]["presence"] == "NOT_READY":
                    if index in self.ready:
                        await self._say(index, "presence.set", presence="READY", reason=None)

    async def _say(self, index: int, op: str, **data: Any) -> None:
        await self.sockets[index].send_json({"op": op, "id": op, "data": data})


async def be_screens(web: str) -> None:
    """Obey what the standard input asks; answer each with one line of JSON."""
    loop = asyncio.get_running_loop()
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as http:
        screens = Screens(web, http)
        while line := await loop.run_in_executor(None, sys.stdin.readline):
            what, *numbers = line.split()
            match what:
                case "sign_in":
                    await screens.sign_in(int(numbers[0]))
                case "open":
                    await screens.open(int(numbers[0]))
                case "ready":
                    await screens.be_ready(int(numbers[0]), int(numbers[1]))
            told = {"talking": screens.talking, "pops": len(screens.pops)}
            if what == "report":
                told |= {"all_pops": screens.pops, "frames": screens.frames}
                screens.pops = []
            print(json.dumps(told), flush=True)


class Theirs:
    """The process of the screens, from outside."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process

    @classmethod
    @asynccontextmanager
    async def of(cls, line: Line) -> AsyncIterator[Theirs]:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "bench.screens", "--be-screens", line.web,
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, limit=2**26,
        )  # fmt: skip
        try:
            yield cls(process)
        finally:
            assert process.stdin is not None
            process.stdin.close()
            await process.wait()

    async def ask(self, *words: object) -> dict[str, Any]:
        """Have it do something; returns what it tells then."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write((" ".join(map(str, words)) + "\n").encode())
        told: dict[str, Any] = json.loads(await self.process.stdout.readline())
        return told


# -- the calls


@dataclass(eq=False)
class Run:
    """One run: pops, and the telephones that refused to be rung."""

    refusals: list[tuple[int, float]] = field(default_factory=list)  # agent, when
    pops: list[tuple[int, str, float, float]] = field(default_factory=list)

    def frame_ms(self) -> list[float]:
        """From the line's decision, which the frame tells, to the frame in the agent's program."""
        return [(received - decided) * 1000 for _, _, decided, received in self.pops]

    def event_ms(self) -> list[float]:
        """From a telephone's “busy” to the same caller's pop in the next agent's program."""
        by_call: dict[str, list[tuple[int, str, float, float]]] = {}
        for pop in sorted(self.pops, key=lambda pop: pop[3]):
            by_call.setdefault(pop[1], []).append(pop)
        found = []
        for pops in by_call.values():
            for pop, after in itertools.pairwise(pops):
                said = [at for agent, at in self.refusals if agent == pop[0] and at > pop[3]]
                if said and min(said) < after[3]:
                    found.append((after[3] - min(said)) * 1000)
        return found


async def refuse(run: Run, index: int, call: PhoneCall) -> None:
    """Ring for a while, then be busy."""
    await asyncio.sleep(random.uniform(*REFUSED_AFTER_SECONDS))
    if call.state == "ringing":
        run.refusals.append((index, time.time()))
        await call.decline(486)


async def wait_for(theirs: Theirs, what: str, count: int, seconds_max: float) -> bool:
    """Ask until it has come that far; whether it did."""
    until = time.monotonic() + seconds_max
    while (await theirs.ask("tell"))[what] < count:
        if time.monotonic() > until:
            return False
        await asyncio.sleep(0.5)
    return True


async def pops_run(options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """A line of its own, so many screens and talks, and enough pops; returns the figures."""

    async def prepare(line: Line) -> None:
        await staff(line, options.agents)

    run = Run()
    async with (
        a_line(folder, prepare=prepare, **RTP_PORTS, FIL_WRAP_UP_SECONDS="1") as line,
        Choir() as choir,
        Theirs.of(line) as theirs,
        contextlib.AsyncExitStack() as here,
    ):
        meter = Meter(line)
        for index in range(options.agents):
            phone = Member(
                choir, agent_name(index), agent_hz(index % 50), secret=f"demo-{agent_name(index)}",
                server=line.server, answering="auto",
            )  # fmt: skip
            if index >= options.calls:
                phone.answering = lambda call, index=index: refuse(run, index, call)
            await here.enter_async_context(phone)
            await phone.register()
        await theirs.ask("sign_in", options.agents)
        await theirs.ask("open", options.agents)
        await theirs.ask("ready", 0, options.calls)
        crowd = Crowd(choir, line.server)
        await here.enter_async_context(crowd)
        talks = [
            await crowd.call_as(CALLER_NUMBER.format(n), n, NUMBER) for n in range(options.calls)
        ]
        assert await wait_for(theirs, "talking", options.calls, 60), line.tail()
        await theirs.ask("ready", options.calls, options.agents)
        await theirs.ask("report")
        run.refusals.clear()
        before, choir.late = meter.read(), 0.0
        waiting = [
            await crowd.call_as(CALLER_NUMBER.format(options.calls + n), options.calls + n, NUMBER)
            for n in range(WAITING)
        ]
        enough = await wait_for(theirs, "pops", options.pops, RUN_SECONDS_MAX)
        after = meter.read()
        told = await theirs.ask("report")
        run.pops = [tuple(pop) for pop in told["all_pops"]]
        assert enough, line.tail()
        assert told["talking"] >= options.calls
        for call in (*waiting, *talks):
            with contextlib.suppress(CallEnded):
                await call.hang_up()
        await line.until(line.is_quiet, 15, "nothing left in the engine")
    cost = after.since(before)
    return {
        "pops": len(run.pops),
        "agents offered": len({pop[0] for pop in run.pops}),
        "seconds": cost["at"],
        "pop_ms": spread(run.frame_ms()),
        "refusal_to_next_pop_ms": spread(run.event_ms()),
        "refusals_followed": len(run.event_ms()),
        "controller_percent": 100 * cost["controller"] / cost["at"],
        "machine_percent_of_200": 100 * cost["machine"] / cost["at"],
        "harness_late_ms": choir.late * 1000,
        "load_average": os.getloadavg()[0],
    }


def spread(values: list[float]) -> dict[str, float]:
    """The figures of some milliseconds."""
    return {
        "p50": percentile(values, 50), "p99": percentile(values, 99), "worst": max(values)
    }  # fmt: skip


async def memory_run(options: argparse.Namespace, folder: Path) -> dict[str, float]:
    """The controller's memory with screens that nobody uses; megabytes."""

    async def prepare(line: Line) -> None:
        await staff(line, options.idle)

    found: dict[str, float] = {}
    async with a_line(folder, prepare=prepare) as line, Theirs.of(line) as theirs:

        async def note(what: str) -> None:
            await asyncio.sleep(SETTLE_SECONDS)
            found[what] = memory_mb(line.controller_pid())

        await note("started")
        await theirs.ask("sign_in", options.idle)
        await note("0")
        for count in (options.agents, options.idle):
            await theirs.ask("open", count)
            await note(str(count))
    most, none = found[str(options.idle)], found["0"]
    found["kilobytes an agent"] = 1024 * (most - none) / options.idle
    return found


async def measure(options: argparse.Namespace) -> int:
    """All runs, told one by one, and their medians; the exit status."""
    runs = []
    for turn in range(options.runs):
        with tempfile.TemporaryDirectory(prefix="fil-screens-") as folder:
            runs.append(await pops_run(options, Path(folder)))
        print(f"run {turn + 1}: {json.dumps(rounded(runs[-1]))}", flush=True)
    for what in ("pop_ms", "refusal_to_next_pop_ms"):
        medians = {p: statistics.median(run[what][p] for run in runs) for p in runs[0][what]}
        print(f"median of {len(runs)} runs, {what}: {json.dumps(rounded(medians))}", flush=True)
    memories = []
    for _ in range(options.memory_runs):
        with tempfile.TemporaryDirectory(prefix="fil-screens-") as folder:
            memories.append(await memory_run(options, Path(folder)))
        print(f"controller, MB by idle screens: {json.dumps(rounded(memories[-1]))}", flush=True)
    return int(any(run["pop_ms"]["p99"] > POP_MS_MAX for run in runs))


def rounded(value: Any) -> Any:
    """Figures fit to be read."""
    if isinstance(value, dict):
        return {key: rounded(one) for key, one in value.items()}
    return round(value, 1) if isinstance(value, float) else value


def main() -> None:
    """Measure, or be the screens that are measured."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--memory-runs", type=int, default=3)
    parser.add_argument("--pops", type=int, default=520, help="in each run, at least")
    parser.add_argument("--agents", type=int, default=150)
    parser.add_argument("--calls", type=int, default=30, help="in progress meanwhile")
    parser.add_argument("--idle", type=int, default=1000, help="screens, for the memory")
    parser.add_argument("--be-screens", metavar="URL", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.be_screens:
        asyncio.run(be_screens(options.be_screens))
        return
    sys.exit(asyncio.run(measure(options)))


if __name__ == "__main__":
    main()
