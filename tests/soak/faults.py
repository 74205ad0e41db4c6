"""What breaks during a soak: one fault every few seconds, drawn from a seed, each written down.

Faults of different groups overlap; two of one group do not. A fault ends, in the
evidence, when the controller has compared itself with the engine again.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
import sqlite3
import time
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from itertools import count

from cti.asterisk.engine import EngineFailed
from tests.soak.evidence import Evidence
from tests.soak.stage import Stage, seeded

EVERY_SECONDS = (3.0, 6.0)
RECOVERED_SECONDS_MAX = 60.0  # two or three, on a machine that does nothing else
NOTICED_SECONDS = 2.0  # a wire that is mended may or may not have been given up meanwhile

Break = Callable[["Faults", random.Random], Awaitable[None]]


async def kill_controller(faults: Faults, rng: random.Random) -> None:
    with contextlib.suppress(OSError, IndexError):  # between two lives there is none
        os.kill(faults.stage.line.controller_pid(), signal.SIGKILL)
    await faults.recovered()


async def kill_both(faults: Faults, rng: random.Random) -> None:
    faults.stage.line.kill()
    await asyncio.sleep(rng.uniform(0, 8))
    faults.stage.start_soon()
    await faults.recovered()


async def stop_controller(faults: Faults, rng: random.Random) -> None:
    with contextlib.suppress(OSError, IndexError):
        pid = faults.stage.line.controller_pid()
        os.kill(pid, signal.SIGSTOP)
        await asyncio.sleep(rng.uniform(1, 15))
        with contextlib.suppress(OSError):  # its parent has killed it meanwhile
            os.kill(pid, signal.SIGCONT)
    await faults.settled()


async def stop_both(faults: Faults, rng: random.Random) -> None:
    faults.stage.line.signal_all(signal.SIGSTOP)
    await asyncio.sleep(rng.uniform(1, 15))
    faults.stage.line.signal_all(signal.SIGCONT)
    await faults.settled()


async def cut(faults: Faults, rng: random.Random) -> None:
    faults.stage.proxy.cut()
    await faults.recovered()


async def refuse(faults: Faults, rng: random.Random) -> None:
    faults.stage.proxy.cut(refusing=True)
    await asyncio.sleep(rng.uniform(1, 6))
    faults.stage.proxy.mend()
    await faults.recovered()


async def stall(faults: Faults, rng: random.Random) -> None:
    ways = rng.choice([("to_engine",), ("to_controller",), ("to_engine", "to_controller")])
    faults.stage.proxy.stall(*ways)
    await asyncio.sleep(rng.uniform(1, 8))
    faults.stage.proxy.mend()
    await faults.settled()


async def lock_database(faults: Faults, rng: random.Random) -> None:
    await asyncio.to_thread(_hold_lock, faults.stage, rng.uniform(1, 10))


def _hold_lock(stage: Stage, seconds: float) -> None:
    path = stage.line.settings.data / "base/fil.sqlite"
    with contextlib.closing(sqlite3.connect(path, timeout=1, isolation_level=None)) as held:
        with contextlib.suppress(sqlite3.OperationalError):  # busy at that very moment
            held.execute("begin immediate")
            time.sleep(seconds)
            held.execute("rollback")


async def fill_database_disk(faults: Faults, rng: random.Random) -> None:
    await _fill(faults, "base", rng.uniform(1, 8))


async def fill_journal_disk(faults: Faults, rng: random.Random) -> None:
    await _fill(faults, "journal", rng.uniform(1, 6))


async def _fill(faults: Faults, disk: str, seconds: float) -> None:
    ballast = faults.stage.disks[disk] / "ballast"
    try:
        with contextlib.suppress(OSError), ballast.open("wb", buffering=0) as file:
            for size in (65_536, 512):
                with contextlib.suppress(OSError):
                    while True:
                        file.write(b"\0" * size)
        await asyncio.sleep(seconds)
    finally:
        ballast.unlink(missing_ok=True)
    await asyncio.sleep(NOTICED_SECONDS)


async def restart_engine(faults: Faults, rng: random.Random) -> None:
    line = faults.stage.line
    with contextlib.suppress(EngineFailed):
        if rng.random() < 0.5:
            await asyncio.to_thread(line.engine, "restart")
        else:
            await asyncio.to_thread(line.engine, "kill")
            await asyncio.sleep(rng.uniform(0, 3))
            await asyncio.to_thread(line.engine, "start")
    await faults.recovered()


async def flap_agent(faults: Faults, rng: random.Random) -> None:
    await faults.ask_phones({"do": "flap", "agent": rng.choice(faults.agents)})
    await asyncio.sleep(10)


# kind: (how often, group, what it does)
KINDS: dict[str, tuple[int, str, Break]] = {
    "kill controller": (26, "process", kill_controller),
    "kill both": (9, "process", kill_both),
    "stop controller": (8, "process", stop_controller),
    "stop both": (5, "process", stop_both),
    "cut": (10, "wire", cut),
    "refuse": (6, "wire", refuse),
    "stall": (10, "wire", stall),
    "lock database": (8, "database", lock_database),
    "fill database disk": (5, "database", fill_database_disk),
    "fill journal disk": (4, "journal", fill_journal_disk),
    "restart engine": (2, "engine", restart_engine),
    "flap": (8, "screen", flap_agent),
}
# A journal that cannot write holds entries in memory: a kill then loses them, by design.
# An engine that is gone says nothing of the others.
APART = {
    "journal": {"process", "engine"},
    "process": {"journal", "engine"},
    "engine": {"journal", "process", "wire", "database"},
    "wire": {"engine"},
    "database": {"engine"},
}
ONLY_OURS = {"flap", "lock database", "fill database disk", "fill journal disk"}


class Faults:
    """The schedule of one run."""

    def __init__(
        self,
        stage: Stage,
        evidence: Evidence,
        agents: list[str],
        ask_phones: Callable[[dict[str, str]], Awaitable[None]],
    ) -> None:
        self.stage, self.agents, self.ask_phones = stage, agents, ask_phones
        self._evidence = evidence
        self._rng = seeded(stage.options, "faults")
        self._numbers = count(1)
        self._busy: set[str] = set()
        self._before: dict[str, int] = {}  # kind -> recoveries counted when it broke
        self._kind: ContextVar[str] = ContextVar("kind")
        self._kinds = {
            kind: how
            for kind, how in KINDS.items()
            if (kind != "fill journal disk" or "journal" in stage.disks)
            and (kind != "fill database disk" or "base" in stage.disks)
            and (stage.options.controller == "ours" or kind not in ONLY_OURS)
        }

    async def run(self, seconds: float) -> None:
        """Break one thing after the other, then wait until all is whole again."""
        until = time.monotonic() + seconds
        async with asyncio.TaskGroup() as tasks:
            while time.monotonic() < until:
                await asyncio.sleep(self._rng.uniform(*EVERY_SECONDS))
                free = {k: how for k, how in self._kinds.items() if self._is_free(how[1])}
                if not free:
                    continue
                kind = self._rng.choices(list(free), [often for often, _, _ in free.values()])[0]
                own = random.Random(self._rng.random())
                group = self._kinds[kind][1]
                self._busy.add(group)
                tasks.create_task(self._break(kind, own))

    def _is_free(self, group: str) -> bool:
        """Two of a group at once, or of groups that are apart, would say nothing of either."""
        return group not in self._busy and not APART.get(group, set()) & self._busy

    async def _break(self, kind: str, rng: random.Random) -> None:
        _, group, act = self._kinds[kind]
        self._before[kind] = await asyncio.to_thread(self.stage.recovered)
        number = next(self._numbers)
        self._evidence.write("fault", kind=kind, what="start", id=number)
        try:
            self._kind.set(kind)
            await act(self, rng)
        finally:
            self._evidence.write("fault", kind=kind, what="end", id=number)
            self._busy.discard(group)

    async def recovered(self) -> None:
        """Wait until the controller has compared itself with the engine once more."""
        before = self._before[self._kind.get()]
        await self._until(lambda: self.stage.recovered() > before)

    async def settled(self) -> None:
        """Wait until the controller serves, when what was broken may have gone unnoticed."""
        await asyncio.sleep(NOTICED_SECONDS)
        await self._until(self.stage.serves)

    async def _until(self, true: Callable[[], bool]) -> None:
        until = time.monotonic() + RECOVERED_SECONDS_MAX
        while time.monotonic() < until:
            if await asyncio.to_thread(true):
                return
            await asyncio.sleep(0.1)
