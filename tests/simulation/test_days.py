"""Whole days of the line: whose turn it was, kept for every caller and every agent."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from cti.simulation import run
from tests.simulated import printed_with_other_hashes, told

ROOT = Path(__file__).parents[2]
SEED = "days"
CALLS = 3000
PROCESSES = 2

HASH = """
from cti.simulation import run
from cti.simulation.checker import trace_hash
with run.unhurried():
    for number in range(3):
        seed = run.world_seed("exact", number)
        world = run.world_of(run.draw(seed, True), seed)
        world.run()
        print(trace_hash(world), len(world.frames), world.frames[-1].at)
        world.close()
"""
# What a day has to have in it for the judge to have judged: fewer would prove little.
MET_MIN = Counter(
    {
        "longest_idle": 100,
        "fewest_calls": 100,
        "linear": 100,
        "ring_all": 100,
        "least_load": 100,
        "overtakes": 100,
        "behind": 20,
        "danger": 20,
        "gender": 50,
        "lost": 20,
        "missed": 50,
        "one more": 20,
        "rests": 5,
        "returned": 20,
        "skills": 50,
        "stands in": 20,
        "young": 50,
    }
)


def test_a_day_replays_exactly_in_another_process_with_other_hashes() -> None:
    one, other = printed_with_other_hashes(HASH)
    assert one == other
    assert len(set(one.splitlines())) == 3


def test_a_violation_says_how_to_live_through_its_day_again() -> None:
    with run.unhurried():
        tally = run.run_world(run.draw(run.world_seed("1", 4), day=True), "1/4", 4)
    found = run.Violation("order", 12.0, "somebody was overtaken")
    tally.found.append((4, found, "the timeline"))
    lines: list[str] = []
    assert run.report(tally, "1", 1.0, lines.append, day=True) == 1
    assert "again: fil simulate-calls --day --seed 1 --world 4 --trace" in lines


@pytest.mark.timeout(600)
def test_three_thousand_calls_of_whole_days_keep_every_turn() -> None:
    tally = run.simulate(SEED, CALLS, PROCESSES, day=True)
    print(f"seed {SEED}: {tally.calls} calls in {tally.worlds} days; {dict(tally.met)}")
    assert tally.calls >= CALLS
    assert tally.found == [], told(tally, SEED)
    assert tally.met >= MET_MIN, tally.met
    assert set(tally.outcomes) >= {"talked", "abandoned", "no_staff", "relayed"}
