"""The story of one call, with a crash at a chosen step; and what a run of worlds has to tell."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

from cti.simulation import run
from cti.simulation.actors import AgentPlan, CallerPlan
from cti.simulation.checker import Checker, timeline
from cti.simulation.world import Plan, World

ROOT = Path(__file__).parents[1]
CRASHES_MIN = 500  # steps of the controller in the story of one call


def told(tally: run.Tally, seed: str) -> str:
    lines: list[str] = []
    run.report(tally, seed, 1.0, lines.append)
    return "\n".join(lines)


def printed_with_other_hashes(program: str) -> tuple[str, str]:
    """What the same Python program prints in two processes whose sets differ in order.

    By the hashes of words, and by where in memory things lie: the system's own allocator puts them
    elsewhere in each process.
    """
    printed = []
    for hash_seed in ("1", "2"):
        done = subprocess.run(
            [sys.executable, "-c", program],
            env=os.environ
            | {"PYTHONHASHSEED": hash_seed, "PYTHONMALLOC": "malloc", "PYTHONPATH": str(ROOT)},
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        )
        printed.append(done.stdout)
    return printed[0], printed[1]


def story(crash_at_step: int | None) -> Plan:
    """Greeting, ring, talk, orientation to a listener, talk, goodbye: one caller, two agents."""
    return Plan(
        callers=(CallerPlan(at=1.0, patience_seconds=200.0, talk_seconds=100.0),),
        agents=(
            AgentPlan("rosa", frozenset({"regulator"}), frozenset({"fr"}), True, "orient"),
            AgentPlan("lea", frozenset({"listener"}), frozenset({"fr"}), True, "end"),
        ),
        crash_at_step=crash_at_step,
        quiet_seconds=40.0,
    )


def steps_of_the_story() -> int:
    """How many steps the controller takes until the call is over."""
    world = World(replace(story(None), quiet_seconds=0.0), "story")
    world.run()
    world.close()
    return world.lives[0].life.steps


def served_though_it_crashes_at(step: int) -> str:
    """What was wrong in the story with a crash at that step; empty when nothing was."""
    world = World(story(step), "story")
    try:
        world.run()
        wrong = [f"{v.kind}: {v.text}" for v in Checker(world).check()]
        end = world.callers[0].end
        assert end is not None
        heard = [sound for _, sound in end.heard]
        if len(world.lives) != 2:
            wrong.append(f"{len(world.lives)} lives")
        for sound in ("people:rosa", "people:lea", "prompt:/sounds/fr/au-revoir"):
            if sound not in heard:
                wrong.append(f"never heard {sound}")
        return f"step {step}: {wrong}\n{timeline(world)}" if wrong else ""
    finally:
        world.close()
