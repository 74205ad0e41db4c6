"""Runs simulated worlds by the thousand, and tells what was found, or replays one of them.

A world's seed is made of the run's seed and the world's number, so that the command
printed with a violation lives through exactly that world again.
"""

from __future__ import annotations

import gc
import multiprocessing
import os
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from cti.simulation import days, plans
from cti.simulation.checker import Checker, timeline
from cti.simulation.days import Day
from cti.simulation.habits import DayWorld
from cti.simulation.verdicts import Violation
from cti.simulation.virtual import Stuck
from cti.simulation.world import Plan, World

BATCH_WORLDS = 8  # given to a process at once
VIOLATIONS_TOLD_MAX = 5  # each with its timeline
TIMELINE_LINES_MAX = 120
Say = Callable[[str], object]


@dataclass
class Tally:
    """What came out of some worlds."""

    worlds: int = 0
    calls: int = 0
    lives: int = 0  # of controllers
    virtual_seconds: float = 0.0
    faults: Counter[str] = field(default_factory=Counter)
    outcomes: Counter[str] = field(default_factory=Counter)
    met: Counter[str] = field(default_factory=Counter)  # what the judge of turns had to judge
    talks_of_three: int = 0
    found: list[tuple[int, Violation, str]] = field(default_factory=list)  # (world, …, timeline)

    def add(self, other: Tally) -> None:
        """Count another tally in."""
        self.worlds += other.worlds
        self.calls += other.calls
        self.lives += other.lives
        self.virtual_seconds += other.virtual_seconds
        self.faults += other.faults
        self.outcomes += other.outcomes
        self.met += other.met
        self.talks_of_three += other.talks_of_three
        self.found += other.found


def world_seed(seed: str, number: int) -> str:
    """The seed of one world of a run."""
    return f"{seed}/{number}"


def draw(seed: str, day: bool) -> Plan:
    """The plan of one world: a day of the line, or some minutes with every fault there is."""
    return days.draw(seed) if day else plans.draw(seed)


def world_of(plan: Plan, seed: str, keep_logs: bool = False) -> World:
    """The world of a plan, not yet begun."""
    return (
        DayWorld(plan, seed, keep_logs) if isinstance(plan, Day) else World(plan, seed, keep_logs)
    )


def run_world(plan: Plan, seed: str, number: int = 0) -> Tally:
    """Live through one world and judge it."""
    world = world_of(plan, seed)
    try:
        try:
            world.run()
        except Stuck as stuck:
            stopped = Violation("stuck", world.loop.time(), str(stuck))
            return Tally(1, found=[(number, stopped, timeline(world))])
        checker = Checker(world)
        violations = checker.check()
        return Tally(
            worlds=1,
            calls=len(world.callers),
            lives=len(world.lives),
            virtual_seconds=world.loop.time(),
            faults=Counter(world.faults_done),
            outcomes=Counter(
                e.data["outcome"] for e in world.journal.entries if e.op == "call.closed"
            ),
            met=checker.turns.met(),
            talks_of_three=sum(
                any(sound.startswith("people:") and "," in sound for _, sound in caller.end.heard)
                for caller in world.callers
                if caller.end is not None
            ),
            found=[(number, v, timeline(world, v.caller)) for v in violations],
        )
    finally:
        world.close()


@contextmanager
def unhurried() -> Iterator[None]:
    """Garbage is collected between batches only: when it is must not change what happens."""
    gc.collect()
    gc.freeze()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
        gc.unfreeze()


Batch = tuple[str, list[int], bool]  # the run's seed, the worlds, whether they are days


def run_batch(batch: Batch) -> Tally:
    """Live through some worlds, one after the other."""
    seed, numbers, day = batch
    tally = Tally()
    with unhurried():
        for number in numbers:
            name = world_seed(seed, number)
            tally.add(run_world(draw(name, day), name, number))
    return tally


def batches(seed: str, calls: int, day: bool = False) -> Iterator[Batch]:
    """The worlds that have so many callers together, some at a time."""
    numbers: list[int] = []
    number = 0
    while calls > 0:
        calls -= len(draw(world_seed(seed, number), day).callers)
        numbers.append(number)
        number += 1
        if len(numbers) == BATCH_WORLDS or calls <= 0:
            yield seed, numbers, day
            numbers = []


def simulate(
    seed: str, calls: int, processes: int = 1, progress: Say | None = None, *, day: bool = False
) -> Tally:
    """Live through as many worlds as so many calls need."""
    tally, began = Tally(), time.monotonic()

    def take(part: Tally) -> None:
        tally.add(part)
        if progress is not None:
            seconds = time.monotonic() - began
            rate = tally.calls / seconds
            worlds = sorted({number for number, _, _ in tally.found})
            progress(f"{tally.calls} calls, {rate:.0f} a second, violations in worlds {worlds}")

    if processes == 1:
        for batch in batches(seed, calls, day):
            take(run_batch(batch))
        return tally
    with multiprocessing.get_context("spawn").Pool(processes, _stand_back) as pool:
        for part in pool.imap_unordered(run_batch, batches(seed, calls, day)):
            take(part)
    tally.found.sort(key=lambda found: found[0])
    return tally


def _stand_back() -> None:
    """Whatever else runs on this machine may be listening to real sound: it goes first."""
    os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))


def report(tally: Tally, seed: str, seconds: float, say: Say, *, day: bool = False) -> int:
    """Tell what was found. Returns the exit code: 1 when anything was."""
    say(
        f"{tally.calls} calls in {tally.worlds} worlds, {tally.virtual_seconds / 3600:.1f} h of"
        f" their time, {tally.lives} controllers;"
        f" {seconds:.1f} s, {tally.calls / seconds:.0f} calls/s"
    )
    say(f"faults: {_told(tally.faults)}")
    say(f"records: {_told(tally.outcomes)}")
    say(f"seed {seed}; judged: {_told(tally.met)}")
    say(f"violations: {len(tally.found)} {_told(Counter(v.kind for _, v, _ in tally.found))}")
    for number, violation, lines in tally.found[:VIOLATIONS_TOLD_MAX]:
        say(f"\n{violation.kind} at {violation.at:.3f} s, {violation.caller}: {violation.text}")
        kind = "--day " if day else ""
        say(f"again: fil simulate-calls {kind}--seed {seed} --world {number} --trace")
        say("\n".join(lines.splitlines()[:TIMELINE_LINES_MAX]))
    return 1 if tally.found else 0


def _told(counts: Counter[str]) -> str:
    return ", ".join(f"{name} {number}" for name, number in sorted(counts.items()))


def replay(seed: str, number: int, trace: bool, say: Say, *, day: bool = False) -> int:
    """Live through one world again. Returns the exit code."""
    name = world_seed(seed, number)
    world = world_of(draw(name, day), name, keep_logs=trace)
    try:
        world.run()
        if trace:
            say(timeline(world))
        violations = Checker(world).check()
        for violation in violations:
            say(f"{violation.kind} at {violation.at:.3f} s, {violation.caller}: {violation.text}")
        say(f"{len(world.callers)} calls, {len(violations)} violations")
        return 1 if violations else 0
    finally:
        world.close()


def command(options: Any, say: Say, progress: Say | None) -> int:
    """``fil simulate-calls``."""
    seed = str(options.seed)
    if options.world is not None:
        return replay(seed, options.world, options.trace, say, day=options.day)
    began = time.monotonic()
    tally = simulate(seed, options.calls, options.processes, progress, day=options.day)
    return report(tally, seed, time.monotonic() - began, say, day=options.day)
