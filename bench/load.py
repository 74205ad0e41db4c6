"""A load on one line of its own: many callers, many agents, and what becomes of each of them.

``make load MINUTES=10 RATE=5 CALLERS=100 AGENTS=30 SEED=1``, or ``python -m bench.load --help``.
Calls come as a Poisson stream, drawn from a seed. A third of the callers give up during the
greeting; the others talk (about 20 s in all: greeting, talk, goodbye). Each caller and each
agent speaks a tone: nothing is counted as talked unless each side heard the other.
Exits with 1 when a caller was lost, a record is wrong, or something was left behind.
``--curve`` measures instead what a call costs at several rates, beside the engine alone;
``--sustained`` raises the rate step by step until a caller is lost or hears it.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ProcessPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import aiohttp

from bench import curve
from bench.choir import Choir
from bench.judge import Fate, heard_both_ways, judge, passage, percentile, records_agree
from bench.people import Agent, Callers, Plan, Screen, agent_name, at_work, plans
from bench.usage import Meter, Usage
from cti.records.database import create_database
from cti.records.people import PeopleStore
from cti.records.privacy import Keys
from cti.rehearsal.sound import Samples, read_wav
from tests.line import NUMBER, Line, a_line

AGENTS_MAX = 70  # their tones must stay within what a telephone carries
DRAIN_SECONDS_MAX = 240.0
SILENCE_SECONDS_MAX = 3.0  # of any caller
SUSTAINED_TRIES = 2
PRIORITY = -10  # niceness
LAG_ASKED_EVERY_SECONDS = 10.0  # the window that /health looks back on
RTP_PORTS = {"FIL_RTP_PORT_FIRST": "27000", "FIL_RTP_PORT_LAST": "30999"}


@dataclass(eq=False)
class Load:
    """One line under load: what is needed to put calls on it and to judge them."""

    line: Line
    choir: Choir
    callers: Callers
    agents: list[Agent]
    screens: list[Screen]
    meter: Meter
    goodbye: Samples
    court: ProcessPoolExecutor  # where calls are judged


@asynccontextmanager
async def a_loaded_line(agents: int, callers: int, dialplan: str = "") -> AsyncIterator[Load]:
    """A line with so many agents at work and room for so many callers; down again at the end."""
    if agents > AGENTS_MAX:
        raise SystemExit(f"A load has at most {AGENTS_MAX} agents.")

    async def prepare(line: Line) -> None:
        await staff(line, agents)
        written = line.settings.data / "engine/etc/extensions.conf"
        written.write_text(written.read_text() + dialplan)

    with tempfile.TemporaryDirectory(prefix="fil-load-") as folder:
        async with a_line(Path(folder), prepare=prepare, **RTP_PORTS) as line:
            _go_first()
            meter = Meter(line)
            with ProcessPoolExecutor(1, get_context("spawn")) as court:
                meter.add(court.submit(_sit).result())
                async with (
                    Choir() as choir,
                    Callers(choir, line.server, callers) as crowd,
                    at_work(line, choir, crowd, agents) as (people, screens),
                ):
                    goodbye = read_wav(line.sounds / "fr/au-revoir.wav")
                    yield Load(line, choir, crowd, people, screens, meter, goodbye, court)


def _go_first() -> None:
    """Be served before the line where we may: phones that stutter would be taken for its fault."""
    with contextlib.suppress(PermissionError):
        os.setpriority(os.PRIO_PROCESS, 0, PRIORITY)


def _sit() -> int:
    """In the process that judges: after everybody else, and deaf to a stop meant for us."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.nice(20)
    return os.getpid()


async def staff(line: Line, count: int) -> None:
    """Write so many agents in the line's database."""
    database = create_database(line.settings.database)
    try:
        store = PeopleStore(database, Keys.load_or_create(line.settings.data / "secrets"))
        for name in map(agent_name, range(count)):
            await store.add(
                name, name=name, roles=["regulator"], phone=name,
                password=f"demo-{name}", languages=["fr", "en"], sip_secret=f"demo-{name}",
            )  # fmt: skip
    finally:
        await database.close()


async def put_calls(
    load: Load, wanted: list[Plan], to: Callable[[Plan], str] = lambda _: NUMBER
) -> list[Fate]:
    """Place every call at its time; returns what became of each, when the last one is over."""
    began = time.monotonic()
    fates: list[Fate] = []

    async def one(plan: Plan) -> None:
        over = passage(await load.callers.one(plan, to(plan)))
        # Elsewhere: what takes a tenth of a second would make every phone here stutter.
        judging = asyncio.get_running_loop().run_in_executor(
            load.court, judge, over, len(load.agents), load.goodbye
        )
        fates.append(await judging)

    async with asyncio.timeout(wanted[-1].at + DRAIN_SECONDS_MAX), asyncio.TaskGroup() as calls:
        for plan in wanted:
            await asyncio.sleep(max(0.0, began + plan.at - time.monotonic()))
            calls.create_task(one(plan))
    return fates


async def watch_lag(load: Load, seen: list[dict[str, Any]]) -> None:
    """Ask the line how late it is, for every ten seconds of the load. For ever."""
    async with aiohttp.ClientSession() as session:
        while True:
            await asyncio.sleep(LAG_ASKED_EVERY_SECONDS)
            with contextlib.suppress(aiohttp.ClientError, TimeoutError):
                async with session.get(f"{load.line.web}/health") as reply:
                    seen.append(await reply.json())


async def what_is_left(load: Load, fates: list[Fate]) -> list[str]:
    """What should not be there once all calls are over."""
    left = []
    try:
        await load.line.until(load.line.is_quiet, 15, "nothing left in the engine")
    except AssertionError:
        left.append(f"in the engine: {load.line.channels()} {load.line.talk_bridges()}")
    await asyncio.sleep(3)  # the longest wrap-up, and the records' way to the database
    until = time.monotonic() + 10
    while (wrong := await records_agree(load.line, fates)) and time.monotonic() < until:  # noqa: ASYNC110
        await asyncio.sleep(0.5)
    busy = Counter(str(presence) for s in load.screens if (presence := s.presence_now()) != "READY")
    left += [f"{count} agents are {presence}" for presence, count in busy.items()]
    return left + [f"{n} times {what}" for what, n in Counter(wrong).items()]


def figures(
    load: Load, fates: list[Fate], used: tuple[Usage, Usage], lags: list[dict[str, Any]]
) -> dict[str, Any]:
    """Everything that is told of a load."""
    before, after = used
    cost = after.since(before)
    kinds = Counter(fate.kind for fate in fates)
    told = {
        "calls": len(fates),
        "answered": sum(fate.answer_ms is not None for fate in fates),
        "talked": kinds["talked"],
        "abandoned": kinds["abandoned"],
        "lost": kinds["lost"],
        "goodbyes": sum(fate.goodbye for fate in fates),
        "callers_at_once": load.callers.peak,
        "held_back": load.callers.held_back,
        "degraded_windows": sum(lag["status"] != "ok" for lag in lags),
        "answer_ms": _spread([f.answer_ms for f in fates]),
        "first_sound_ms": _spread([f.sound_ms for f in fates]),
        "human_s": _spread([f.human_s for f in fates]),
        "longest_silence_s": max((f.silence_s for f in fates), default=0.0),
        "pop_ack_ms": _spread([ms for screen in load.screens for ms in screen.pop_ms]),
        "withdrawn": dict(sum((a.withdrawn for a in load.agents), Counter())),
        "agent_troubles": dict(sum((a.troubles for a in load.agents), Counter())),
        "seconds": cost["at"],
        "memory_mb": {
            "controller": [before.controller_mb, after.controller_mb],
            "engine": [before.engine_mb, after.engine_mb],
        },
    }
    for name in ("event_lag_ms", "loop_lag_ms"):
        windows = [lag[name] for lag in lags if name in lag]
        told[name] = {
            "p50": percentile([float(w["p50"]) for w in windows], 50),
            "p99": percentile([float(w["p99"]) for w in windows], 100),
            "max": percentile([float(w["worst"]) for w in windows], 100),
        }
    parts = ("controller", "engine", "harness", "machine")
    told["cpu_percent_of_a_core"] = {p: 100 * cost[p] / cost["at"] for p in parts}
    told["cpu_ms_per_call"] = {p: 1000 * cost[p] / max(1, len(fates)) for p in parts}
    return _rounded(told)


def _spread(values: list[float | None]) -> dict[str, float]:
    known = [value for value in values if value is not None]
    return {f"p{p}": percentile(known, p) for p in (50, 99)} | {"max": percentile(known, 100)}


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _rounded(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_rounded(one) for one in value]
    return round(value, 1) if isinstance(value, float) else value


def table(told: dict[str, Any]) -> str:
    """The figures as two columns."""

    def shown(value: Any) -> str:
        if isinstance(value, dict):
            return ", ".join(f"{key} {shown(one)}" for key, one in value.items()) or "none"
        if isinstance(value, list):
            return " to ".join(map(shown, value))
        return str(value)

    rows = [f"| {name.replace('_', ' ')} | {shown(value)} |" for name, value in told.items()]
    return "\n".join(["| measure | value |", "|---|---|", *rows])


async def load_once(options: argparse.Namespace) -> int:
    """Run one load and tell of it; the exit status."""
    wanted = plans(options.seed, options.rate, options.minutes * 60)
    lags: list[dict[str, Any]] = []
    say(f"a line of its own with {options.agents} agents is starting (about a minute)")
    async with a_loaded_line(options.agents, options.callers) as load:
        say(f"{len(wanted)} calls in {options.minutes:g} minutes")
        watching = asyncio.create_task(watch_lag(load, lags))
        before = load.meter.read()
        load.choir.late = 0.0
        fates = await put_calls(load, wanted)
        after, harness_late = load.meter.read(), load.choir.late
        watching.cancel()
        left = await what_is_left(load, fates)
        heard_both_ways(fates, load.agents)
        told = figures(load, fates, (before, after), lags)
        told["harness_late_ms"] = round(harness_late * 1000)
        if options.keep_log:
            Path(options.keep_log).write_text(load.line.log_path.read_text())
    faults = Counter(fault for fate in fates for fault in fate.faults)
    told |= {"faults": dict(faults), "left_behind": left}
    print(table(told))
    print(json.dumps(told | {"options": vars(options)}))
    return 1 if faults or left else 0


async def measure_curve(options: argparse.Namespace) -> int:
    """Measure the curve, print its table and write its chart; the exit status."""
    agents = min(AGENTS_MAX, round(curve.AGENTS_A_RATE * max(options.rates)))
    say(f"a line of its own with {agents} agents is starting (about a minute)")
    async with a_loaded_line(agents, 2 * options.callers, curve.NATIVE_DIALPLAN) as load:

        async def put(wanted: list[Plan], ours: bool) -> list[Fate]:
            if ours:
                fates = await put_calls(load, wanted)
            else:
                alone = [asyncio.create_task(agent.work_alone()) for agent in load.agents]
                fates = await put_calls(
                    load, wanted, lambda plan: curve.native_number(plan, len(load.agents))
                )
                for job in alone:
                    job.cancel()
            heard_both_ways(fates, load.agents)
            for agent in load.agents:
                agent.talks.clear()
            return fates

        rest = await curve.at_rest(load)
        turns = await curve.measure(load, put, options.rates, options.turns, options.seconds, say)
    points = curve.medians(turns)
    print(curve.table(points))
    print(f"At rest: engine {rest['engine']:.1f}, controller {rest['controller']:.1f} ms a second.")
    print(json.dumps({"rest": rest, "turns": [asdict(turn) for turn in turns]}))
    Path(options.svg).write_text(curve.chart(points, "What a call costs, by calls a second"))
    return 1 if any(point.lost for point in points) else 0


async def measure_sustained(options: argparse.Namespace) -> int:
    """Raise the rate until a caller is lost or is in silence for too long; the exit status.

    A step that fails is tried once more: one moment of the machine's is no limit of the line's.
    """
    agents = min(AGENTS_MAX, round(curve.AGENTS_A_RATE * max(options.rates)))
    say(f"a line of its own with {agents} agents is starting (about a minute)")
    print("| calls a second | calls | lost | longest silence | harness late |")
    print("|---|---|---|---|---|")
    sustained = 0.0
    async with a_loaded_line(agents, 4 * options.callers) as load:
        for rate in options.rates:
            for turn in range(SUSTAINED_TRIES):
                wanted = plans(options.seed + turn, rate, options.seconds)
                load.choir.late = 0.0
                fates = await put_calls(load, wanted)
                heard_both_ways(fates, load.agents)
                for agent in load.agents:
                    agent.talks.clear()
                lost = sum(fate.kind == "lost" for fate in fates)
                silence = max(fate.silence_s for fate in fates)
                late = f"{load.choir.late * 1000:.0f} ms"
                print(
                    f"| {rate:g} | {len(fates)} | {lost} | {silence:.1f} s | {late} |", flush=True
                )
                if not lost and silence <= SILENCE_SECONDS_MAX:
                    sustained = rate
                    break
            if sustained != rate:
                break
    print(f"Sustained: {sustained:g} calls a second for {options.seconds:g} s, none lost.")
    return 0 if sustained else 1


def say(text: str) -> None:
    """Tell whoever waits."""
    print(text, file=sys.stderr, flush=True)


def read_options() -> argparse.Namespace:
    """What was asked for on the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--rate", type=float, default=5, help="calls a second")
    parser.add_argument("--callers", type=int, default=100, help="at a time, at most")
    parser.add_argument("--agents", type=int, default=30)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep-log", default="", help="where to copy the controller's log")
    parser.add_argument("--curve", action="store_true", help="cost at several rates instead")
    parser.add_argument("--sustained", action="store_true", help="the highest rate instead")
    parser.add_argument("--rates", type=float, nargs="+", default=curve.RATES)
    parser.add_argument("--turns", type=int, default=3, help="of each kind at each rate")
    parser.add_argument("--seconds", type=float, default=60, help="of each turn")
    parser.add_argument("--svg", default="bench/curve.svg", help="where to write the chart")
    return parser.parse_args()


async def main() -> int:
    """Do what was asked; a stop (SIGTERM, Ctrl-C) takes everything down first."""
    task = asyncio.current_task()
    assert task is not None
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    try:
        options = read_options()
        if options.sustained:
            return await measure_sustained(options)
        return await (measure_curve(options) if options.curve else load_once(options))
    except asyncio.CancelledError:
        say("stopped; everything is down again")
        return 130


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
