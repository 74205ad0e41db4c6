"""The simulator: it replays exactly, it serves a call whatever breaks, and it sees bugs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from cti.asterisk import exchange as exchange_module
from cti.asterisk.caller import CallerLeg
from cti.asterisk.exchange import Exchange
from cti.asterisk.legs import ChannelLeg
from cti.calls import call as call_module
from cti.calls import handover, offering
from cti.calls import waiting as waiting_module
from cti.calls.reception import Reception
from cti.calls.state import Stage
from cti.people.agents import Outbox
from cti.people.team import Team
from cti.records.record import Records
from cti.simulation import run
from cti.simulation.plans import draw
from tests.simulated import (
    CRASHES_MIN,
    printed_with_other_hashes,
    served_though_it_crashes_at,
    steps_of_the_story,
    told,
)

ROOT = Path(__file__).parents[2]
FAR = datetime(2040, 1, 1, tzinfo=UTC)
SEED = "check"
CHECK_CALLS = 300
CRASH_EVERY = 24  # steps; tests/simulation crashes at each
CRASH_PARTS = 2


@pytest.fixture(autouse=True)
def no_collection_within_a_world() -> Iterator[None]:
    with run.unhurried():
        yield


# -- exactness ------------------------------------------------------------------------

HASH = """
from cti.simulation.plans import draw
from cti.simulation.run import unhurried
from cti.simulation.checker import trace_hash
from cti.simulation.world import World
with unhurried():
    for number in range(3):
        world = World(draw(f"exact/{number}", (5, 12)), f"exact/{number}")
        world.run()
        print(trace_hash(world))
        world.close()
"""


def test_a_seed_replays_exactly_in_another_process_with_other_hashes() -> None:
    one, other = printed_with_other_hashes(HASH)
    assert one == other
    assert len(set(one.split())) == 3


# -- no violation -----------------------------------------------------------------------


def test_three_hundred_calls_with_faults_break_no_promise() -> None:
    tally = run.simulate(SEED, CHECK_CALLS)
    assert tally.calls >= CHECK_CALLS
    assert set(tally.faults) >= {"crash", "hang", "stall"}
    assert tally.found == [], told(tally, SEED)


# -- a crash between any two steps --------------------------------------------------------


@pytest.mark.parametrize("part", range(CRASH_PARTS))
def test_a_caller_is_served_though_the_controller_crashes_at_any_step(part: int) -> None:
    steps = range(1 + part * CRASH_EVERY // CRASH_PARTS, steps_of_the_story(), CRASH_EVERY)
    assert len(steps) * CRASH_EVERY > CRASHES_MIN
    wrong = [found for step in steps if (found := served_though_it_crashes_at(step))]
    assert wrong == [], "\n".join(wrong[:3])


# -- bugs that the simulator must see -------------------------------------------------------

Patch = Callable[[pytest.MonkeyPatch], object]
CALLS_TO_A_BUG_MAX = 400
FEW_CALLERS = (3, 9)  # in a world: a bug is seen in a small one


async def nothing(*_: Any) -> None:
    """Do not do it."""


def holds_nobody(patch: pytest.MonkeyPatch) -> None:
    async def hold(self: Exchange, caller: CallerLeg, line: str) -> None:
        caller.held_in = line

    patch.setattr(Exchange, "hold", hold)


def says_no_goodbye(patch: pytest.MonkeyPatch) -> None:
    async def farewell(call: Any, house: Any, line: Any) -> Any:
        await house.exchange.hang_up(call.caller)
        return Stage.ENDED

    patch.setattr(handover, "farewell", farewell)


def joins_all_in_one_bridge(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(exchange_module, "talk_bridge", lambda _: "talk-all")


def reserves_nobody(patch: pytest.MonkeyPatch) -> None:
    async def reserve(self: Team, *_: Any) -> bool:
        return True

    patch.setattr(Team, "reserve", reserve)


def rings_without_a_pop(patch: pytest.MonkeyPatch) -> None:
    async def displayed(self: Outbox, message: Any, seconds_max: float) -> bool:
        return True

    patch.setattr(Outbox, "displayed", displayed)


def never_closes_a_record(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Records, "closed", lambda self, call_id, **_: None)


def closes_a_record_late(patch: pytest.MonkeyPatch) -> None:
    close = call_module.close

    async def late(call: Any, house: Any) -> None:
        call.caller.gone_at = None
        await asyncio.sleep(3)
        await close(call, house)

    patch.setattr(call_module, "close", late)


def says_that_everybody_abandoned(patch: pytest.MonkeyPatch) -> None:
    closed = Records.closed
    patch.setattr(
        Records, "closed", lambda self, id_, **k: closed(self, id_, **{**k, "outcome": "abandoned"})
    )


def serves_the_latest_first(patch: pytest.MonkeyPatch) -> None:
    order = waiting_module.Ask.counts_from

    def reversed_order(ask: Any) -> Any:
        return FAR - (order(ask) - FAR)

    patch.setattr(waiting_module.Ask, "counts_from", reversed_order)


def keeps_talk_bridges(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Exchange, "forget_talk", nothing)


def keeps_agents_reserved(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Team, "withdraw", lambda *_: None)


def leaves_mailboxes_open(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(CallerLeg, "close", lambda _: None)


def waits_without_a_word(patch: pytest.MonkeyPatch) -> None:
    async def mute(*_: Any) -> None:
        await asyncio.sleep(1000)

    patch.setattr(offering, "hear", mute)


def lets_phones_ring_on(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Exchange, "release_unborn", nothing)


def greets_again(patch: pytest.MonkeyPatch) -> None:
    play = CallerLeg.play

    async def again(self: CallerLeg, prompt: str, whole: bool = False) -> None:
        self.greeted = False
        await play(self, prompt, whole)

    patch.setattr(CallerLeg, "play", again)


def forgets_calls_at_a_restart(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Reception, "_take_back", nothing)


def one_call_stops_all(patch: pytest.MonkeyPatch) -> None:
    async def run_out(self: ChannelLeg) -> None:
        raise RuntimeError("a bug")

    patch.setattr(CallerLeg, "keep_lease", run_out)


@pytest.mark.parametrize(
    ("bug", "kind"),
    [
        (holds_nobody, "silence"),
        (says_no_goodbye, "lost"),
        (joins_all_in_one_bridge, "company"),
        (reserves_nobody, "two offers"),
        (rings_without_a_pop, "ring without pop"),
        (never_closes_a_record, "record"),
        (closes_a_record_late, "record"),
        (says_that_everybody_abandoned, "record"),
        (serves_the_latest_first, "order"),
        (keeps_talk_bridges, "left over"),
        (keeps_agents_reserved, "left over"),
        (leaves_mailboxes_open, "left over"),
        (waits_without_a_word, "no word"),
        (lets_phones_ring_on, "ended call offered"),
        (greets_again, "greeted again"),
        (forgets_calls_at_a_restart, "left over"),
        (one_call_stops_all, "broken"),
    ],
)
def test_a_planted_bug_is_seen(bug: Patch, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    bug(monkeypatch)
    calls, number, kinds = 0, 0, set[str]()
    while kind not in kinds and calls < CALLS_TO_A_BUG_MAX:
        seed = f"bug/{number}"
        tally = run.run_world(draw(seed, FEW_CALLERS), seed)
        calls, number = calls + tally.calls, number + 1
        kinds |= {violation.kind for _, violation, _ in tally.found}
    assert kind in kinds, f"{calls} calls: {kinds}"
