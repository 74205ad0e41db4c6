"""The long rehearsal: twenty thousand calls with faults, and a crash at every single step."""

from __future__ import annotations

import multiprocessing

import pytest

from cti.simulation import plans, run
from tests.simulated import CRASHES_MIN, served_though_it_crashes_at, steps_of_the_story, told

SEED = "test"
CALLS = 20_000
PROCESSES = 2


@pytest.mark.timeout(900)
def test_twenty_thousand_calls_with_faults_break_no_promise() -> None:
    tally = run.simulate(SEED, CALLS, PROCESSES)
    assert tally.calls >= CALLS
    assert set(tally.faults) == set(plans.FAULTS)
    assert tally.found == [], told(tally, SEED)


@pytest.mark.timeout(900)
def test_a_caller_is_served_though_the_controller_crashes_at_any_step_at_all() -> None:
    with run.unhurried():
        steps = range(1, steps_of_the_story())
    assert len(steps) > CRASHES_MIN
    with multiprocessing.get_context("spawn").Pool(PROCESSES) as pool:
        wrong = [found for found in pool.imap(crash_at, steps, chunksize=20) if found]
    assert wrong == [], "\n".join(wrong[:3])


def crash_at(step: int) -> str:
    with run.unhurried():
        return served_though_it_crashes_at(step)
