"""Ten thousand pops to screens that are cut all the time: none lost, doubled or misdirected."""

from __future__ import annotations

import pytest

from cti.simulation import run
from tests import flapped
from tests.simulated import printed_with_other_hashes

POPS = 10_000
CALLERS, PEOPLE = 40, 30
SAME_TWICE = """
from tests import flapped
tally = flapped.Tally()
wrong = flapped.live("flapping/same", 12, 8, tally)
print(wrong, tally.pops, tally.cuts, sorted(tally.fates.items()), sorted(tally.met.items()))
"""


@pytest.fixture(autouse=True)
def frames_are_as_promised() -> None:
    """Not held against the document here, where each is counted; it would be a third longer."""


@pytest.mark.timeout(300)
def test_ten_thousand_pops_reach_who_is_concerned_once_though_sockets_flap() -> None:
    tally, wrong, world = flapped.Tally(), [], 0
    while tally.pops < POPS and not wrong:
        with run.unhurried():
            wrong += flapped.live(f"flapping/{world}", CALLERS, PEOPLE, tally)
        world += 1
    assert wrong == [], f"{len(wrong)}; {wrong[:5]}"
    # And it was not for want of trying.
    assert tally.cuts > 4500
    assert tally.lives > 30
    assert tally.rings > 7000, "each after its own agent's ack"
    fates, met, closes = tally.fates, tally.met, tally.closes
    assert fates["told after a cut"] > 800
    assert fates["in a snapshot"] + fates["over before the snapshot"] > 150
    assert fates["died with its line"] < 400
    assert met["resumed"] > 2000
    assert met["told by command"] > 800
    assert met["came a second time"] > 100
    assert met["too much missed"] + met["all anew by command"] > 80
    assert closes[4008] > 60, "a queue was full"
    assert closes[4009] > 15, "a sixth screen was opened"


def test_the_same_seed_lives_through_the_same_cuts_in_any_process() -> None:
    one, other = printed_with_other_hashes(SAME_TWICE)
    assert one == other
    assert one.startswith("[] ")
