"""Run a soak: a line, its people, its faults; then judge the evidence and tell what it says."""

from __future__ import annotations

import argparse
import asyncio
import json
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

from tests.soak.evidence import Evidence
from tests.soak.faults import Faults
from tests.soak.stage import (
    AGENTS_MAX,
    CALLERS_MAX,
    Options,
    Stage,
    a_stage,
    keep,
    keep_closings,
)

ROOT = Path(__file__).parents[2]
SETTLED_SECONDS = 6.0  # people arrive before anything breaks
QUIET_SECONDS_MAX = 30.0


def _asked() -> Options:
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--callers", type=int, default=12, help=f"at most {CALLERS_MAX}")
    parser.add_argument("--agents", type=int, default=12, help=f"at most {AGENTS_MAX}")
    parser.add_argument("--controller", choices=("ours", "naive"), default="ours")
    given = parser.parse_args()
    if given.callers > CALLERS_MAX or given.agents > AGENTS_MAX:
        parser.error("there are not so many tones that a telephone carries well apart")
    return Options(**vars(given))


class Phones:
    """The people, in their own process."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process

    async def ask(self, command: dict[str, str]) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(command).encode() + b"\n")
        await self.process.stdin.drain()


async def _quiet(stage: Stage, evidence: Evidence) -> None:
    """Wait, a while at most, until nothing is left in the engine; write what is left."""
    began = time.monotonic()

    async def left(look: Callable[[], Any]) -> Any:
        try:
            return await asyncio.to_thread(look)
        except OSError as error:
            return f"cannot be asked: {type(error).__name__}"

    while True:
        channels = await left(stage.line.channels)
        bridges = await left(stage.line.talk_bridges)
        rows = await left(lambda: _rows(stage))
        whole = channels == [] and bridges == [] and rows["open"] == 0
        if whole or time.monotonic() - began > QUIET_SECONDS_MAX:
            break
        await asyncio.sleep(0.5)
    await asyncio.sleep(2.5)  # what screens are told follows within two seconds
    evidence.write(
        "quiet",
        seconds=round(time.monotonic() - began, 1),
        channels=len(channels),
        bridges=len(bridges),
        memory_kb=_memory_kb(stage),
        **await left(lambda: _rows(stage)),
    )


def _rows(stage: Stage) -> dict[str, Any]:
    path = stage.line.settings.data / "base/fil.sqlite"
    base = sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=2)
    try:
        open_ = base.execute("select count(*) from calls where ended_at is null").fetchone()[0]
        presences = dict(base.execute("select id, presence from agents").fetchall())
    finally:
        base.close()
    return {"open": open_, "presences": presences}


def _memory_kb(stage: Stage) -> int:
    try:
        status = Path(f"/proc/{stage.line.controller_pid()}/status").read_text()
    except (OSError, IndexError):
        return 0
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS"))


async def play(options: Options, folder: Path) -> None:
    """One run, from the empty line to the empty line; its evidence is left in ``folder``."""
    async with a_stage(options) as (stage, plan):
        (folder / "tails").mkdir(parents=True)
        (folder / "plan.json").write_text(json.dumps(plan, indent=1))
        keep_closings(stage.line, folder)
        evidence = Evidence(folder)
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.soak.phones", str(folder),
            cwd=ROOT, stdin=subprocess.PIPE,
        )  # fmt: skip
        phones = Phones(process)
        try:
            await asyncio.sleep(SETTLED_SECONDS)
            agents = [agent["id"] for agent in plan["agents"]]
            faults = Faults(stage, evidence, agents, phones.ask)
            await faults.run(options.minutes * 60 - SETTLED_SECONDS)
            await asyncio.sleep(SETTLED_SECONDS)
            await phones.ask({"do": "stop"})
            await _quiet(stage, evidence)
            await phones.ask({"do": "close"})
            await asyncio.wait_for(process.wait(), 20)
        finally:
            if process.returncode is None:
                process.kill()
        stage.line.stop()
        keep(stage, plan, folder)


def main() -> int:
    """Play, judge, tell. Returns 1 when an invariant did not hold."""
    options = _asked()
    at = datetime.now().strftime("%Y%m%d-%H%M%S")
    name = f"{options.seed}-{at}" + ("-naive" if options.controller == "naive" else "")
    folder = ROOT / "var/soak" / name
    print(f"soak: {options.minutes:g} minutes, seed {options.seed}; evidence in {folder}")
    asyncio.run(play(options, folder))
    judged = subprocess.run(
        [sys.executable, "-m", "tests.soak.checker", str(folder)], cwd=ROOT, check=False
    )
    return judged.returncode


if __name__ == "__main__":
    sys.exit(main())
