"""Every sequence of keys, to a depth, in every shipped flow: nobody is left in silence or lost."""

from __future__ import annotations

import itertools
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import pytest

import ivr
from ivr.flow import load_flow
from ivr.leg import Ended, ToLine, ToRelay
from ivr.relays import load_relays
from ivr.situation import Crisis, Situation
from ivr.steps import LINES, LineStep, ways
from ivr.versions import Versions
from ivr.walk import Surroundings, Where, walk
from tests.unit.test_walk import Enough, ScriptedLeg

FLOWS = Path(ivr.__file__).parent / "flows"
RELAYS = load_relays(FLOWS.parent / "relays.yaml")
DEPTH = 4
KEYS = (None, "0", "1", "2", "5", "7", "9", "#")  # 3, 4, 6, 8 and * mean nothing in any of them
NOON, MIDNIGHT = (datetime(2026, 3, 10, hour, 0, tzinfo=UTC) for hour in (11, 23))
EVER = datetime(2100, 1, 1, tzinfo=UTC)
CRISIS = Situation(crisis=Crisis(profile="canicule", until=EVER.isoformat()))
WHERE = {"waiting": Where.WAITING, "crowded": Where.WAITING, "no_staff": Where.NOBODY}
SEQUENCES = list(itertools.product(KEYS, repeat=DEPTH))


@pytest.mark.parametrize("name", Versions(FLOWS).names())
@pytest.mark.parametrize("at", [NOON, MIDNIGHT], ids=["noon", "midnight"])
async def test_every_sequence_of_keys_comes_to_a_line_a_relay_or_a_spoken_goodbye(
    name: str, at: datetime
) -> None:
    flow = load_flow(FLOWS / f"{name}.yaml", None, RELAYS)
    around = Surroundings(lambda: at, lambda: CRISIS, lambda: RELAYS)
    roots = {flow.start: Where.APART}
    for step in flow.steps.values():
        if isinstance(step, LineStep):
            for way in ways(step):
                roots[way.target] = WHERE.get(way.how, Where.APART)
    assert {step.line for step in flow.steps.values() if isinstance(step, LineStep)} == set(LINES)
    for root, where in roots.items():
        for keys in SEQUENCES:
            leg = ScriptedLeg(keys, rests_max=8)
            came_out = None
            with suppress(Enough):
                came_out = await walk(flow, root, leg, around, where)
            said = (name, root, keys, leg.heard, came_out)
            match came_out:
                case None:  # still in line, under music and words
                    assert where is Where.WAITING, said
                case ToLine() | ToRelay():
                    assert where is not Where.WAITING or any(keys), said
                case Ended(reason):
                    assert reason == "goodbye", said
                    assert leg.heard, said
                    assert where is not Where.WAITING or any(keys), said
