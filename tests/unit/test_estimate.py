"""An estimated wait is near the truth, or nothing is said."""

from __future__ import annotations

import statistics
from datetime import UTC, datetime, timedelta
from random import Random
from types import SimpleNamespace
from typing import cast

import pytest
import time_machine
from hypothesis import given, settings
from hypothesis import strategies as st

from cti import clock
from cti.calls.estimate import (
    ERROR_MAX,
    GRAIN_SECONDS,
    JUDGED_MAX,
    JUDGED_MIN,
    RING_SECONDS,
    TALKS_KEPT_MAX,
    TALKS_MIN,
    Busy,
    Estimates,
    Past,
    outlook,
    wait_seconds,
)
from cti.calls.house import House
from cti.calls.state import Call
from cti.people.agents import Agent, Engagement, Presence, Role
from ivr.walk import Outlook

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)

RING = 8.0
FIVE_MINUTES = [Past(300.0, 20.0)] * 20


def near(seconds: float) -> object:
    """As exact as it is reckoned."""
    return pytest.approx(seconds, abs=GRAIN_SECONDS)


# -- the reckoning ---------------------------------------------------------------------------------


def test_the_next_waits_for_the_rest_of_the_talk_its_wrap_up_and_a_ring() -> None:
    assert wait_seconds(1, 0, [Busy(100.0)], FIVE_MINUTES, RING) == near(200 + 20 + RING)


def test_the_longer_a_talk_has_lasted_the_less_short_ones_tell_of_it() -> None:
    short_or_long = [Past(60.0, 0.0)] * 10 + [Past(600.0, 0.0)] * 9

    assert wait_seconds(1, 0, [Busy(0.0)], short_or_long, 0.0) == near(60)
    assert wait_seconds(1, 0, [Busy(120.0)], short_or_long, 0.0) == near(480)


def test_who_writes_after_a_talk_is_back_sooner_than_who_has_just_begun_one() -> None:
    assert wait_seconds(1, 0, [Busy(5.0, wrapping_up=True)], FIVE_MINUTES, RING) == near(15 + RING)


def test_the_second_waits_for_the_second_agent_to_come_free() -> None:
    busy = [Busy(290.0), Busy(100.0)]

    assert wait_seconds(2, 0, busy, FIVE_MINUTES, 0.0) == near(220)


def test_who_comes_free_takes_the_next_and_comes_free_again() -> None:
    assert wait_seconds(3, 0, [Busy(200.0)], FIVE_MINUTES, RING) == near(
        120 + 2 * (320 + RING) + RING
    )


def test_where_somebody_is_free_it_is_soon_and_needs_no_past() -> None:
    assert wait_seconds(1, 1, [], [], RING) == RING


def test_who_is_behind_those_that_the_free_ones_take_waits_for_a_whole_round() -> None:
    assert wait_seconds(2, 1, [], FIVE_MINUTES, RING) == near(320 + RING)


@pytest.mark.parametrize("position", [1, 2, 3, 6])
def test_it_is_the_median_of_all_that_may_happen(position: int) -> None:
    chance = Random(5)
    past = [Past(chance.expovariate(1 / 400.0), 20.0) for _ in range(100)]
    busy = [Busy(0.0), Busy(90.0), Busy(250.0)]

    def waited() -> float:
        """One of the ways in which it may go on, agents coming free again and again."""
        longer = [[t for t in past if t.talk_seconds > b.elapsed_seconds] for b in busy]
        free_at = [
            sum(chance.choice(talks)) - b.elapsed_seconds
            for b, talks in zip(busy, longer, strict=True)
        ]
        for _ in range(position - 1):
            first = min(range(len(free_at)), key=free_at.__getitem__)
            free_at[first] += RING + sum(chance.choice(past))
        return min(free_at) + RING

    truth = statistics.median(waited() for _ in range(4000))

    assert wait_seconds(position, 0, busy, past, RING) == pytest.approx(truth, rel=0.12)


def test_too_few_talks_tell_nothing() -> None:
    assert wait_seconds(1, 0, [Busy(0.0)], FIVE_MINUTES[: TALKS_MIN - 1], RING) is None
    assert wait_seconds(1, 0, [Busy(0.0)], FIVE_MINUTES[:TALKS_MIN], RING) is not None


def test_a_talk_longer_than_any_before_tells_nothing() -> None:
    assert wait_seconds(1, 0, [Busy(301.0)], FIVE_MINUTES, RING) is None
    assert wait_seconds(1, 0, [Busy(301.0), Busy(0.0)], FIVE_MINUTES, RING) == near(320 + RING)


def test_nobody_who_could_answer_tells_nothing() -> None:
    assert wait_seconds(1, 0, [], FIVE_MINUTES, RING) is None


SECONDS = st.floats(0, 3600)
TALKS = st.lists(st.builds(Past, SECONDS, st.floats(0, 120)), min_size=TALKS_MIN, max_size=30)
AGENTS = st.lists(st.builds(Busy, SECONDS, st.booleans()), max_size=5)
FAR = float("inf")


def known(estimate: float | None) -> float:
    return FAR if estimate is None else estimate


@settings(max_examples=150, deadline=None)
@given(st.integers(1, 12), st.integers(0, 4), AGENTS, TALKS, st.floats(0, 30))
def test_further_back_is_never_sooner_and_nothing_is_before_the_ring(
    position: int, ready: int, busy: list[Busy], past: list[Past], ring: float
) -> None:
    here = wait_seconds(position, ready, busy, past, ring)
    behind = wait_seconds(position + 1, ready, busy, past, ring)

    assert known(here) <= known(behind)
    assert here is None or here >= ring >= 0


@settings(max_examples=150, deadline=None)
@given(st.integers(1, 12), st.integers(0, 4), AGENTS, TALKS, st.builds(Busy, SECONDS))
def test_one_more_agent_never_makes_it_longer(
    position: int, ready: int, busy: list[Busy], past: list[Past], more: Busy
) -> None:
    before = known(wait_seconds(position, ready, busy, past, RING))

    assert known(wait_seconds(position, ready, [*busy, more], past, RING)) <= before
    assert known(wait_seconds(position, ready + 1, busy, past, RING)) <= before


# -- what is learned, and when nothing is said -----------------------------------------------------


class Line:
    """One agent's days, by the clock of the test."""

    def __init__(self, traveller: time_machine.Traveller) -> None:
        self.now = 1000.0
        self.estimates = Estimates()
        self.rosa = Agent("rosa", "rosa", frozenset({Role.REGULATOR}), "rosa")
        self._traveller = traveller

    def goes_by(self, seconds: float) -> None:
        self.now += seconds
        self._traveller.shift(timedelta(seconds=seconds))

    def is_now(self, presence: Presence, call: str | None = None) -> None:
        self.rosa.presence, self.rosa.call_id, self.rosa.since_at = presence, call, clock.now()
        if presence is Presence.TALKING:
            self.rosa.engagement = Engagement(call or "", {"tier": "regulators"})
        self.estimates.moved(self.rosa)

    def talks(self, seconds: float, ring: float = 4.0, wrap_up: float = 20.0) -> None:
        for presence, lasts in (
            (Presence.RESERVED, ring),
            (Presence.TALKING, seconds),
            (Presence.WRAP_UP, wrap_up),
        ):
            self.is_now(presence, "c1")
            self.goes_by(lasts)
        self.is_now(Presence.READY)

    def foretold(self, position: int = 1) -> float | None:
        return self.estimates.foretell("regulators", position, [self.rosa])

    def judged(self, said: float, waited: float, times: int = 1) -> None:
        for number in range(times):
            self.estimates.given(f"call{number}", "regulators", said)
            self.goes_by(waited)
            self.estimates.came_true(f"call{number}")

    @property
    def trusted(self) -> bool:
        return self.estimates.trusted("regulators")


@pytest.fixture
def line(monkeypatch: pytest.MonkeyPatch) -> Line:
    with time_machine.travel(NOW, tick=False) as traveller:
        line = Line(traveller)
        monkeypatch.setattr(clock, "monotonic", lambda: line.now)
        monkeypatch.setattr(clock, "now", lambda: NOW + timedelta(seconds=line.now))
        return line


def test_rings_talks_and_wrap_ups_are_learned_as_they_end(line: Line) -> None:
    for _ in range(TALKS_MIN):
        line.talks(300.0, ring=4.0, wrap_up=30.0)
    line.is_now(Presence.TALKING, "c2")
    line.goes_by(100.0)

    assert line.foretold() == near(200 + 30 + 4)


def test_the_other_line_learns_nothing_from_it(line: Line) -> None:
    for _ in range(TALKS_MIN):
        line.talks(300.0)

    assert line.estimates.foretell("listeners", 2, [line.rosa]) is None


def test_a_phone_that_is_lost_and_rings_again_makes_one_talk_of_two(line: Line) -> None:
    for _ in range(TALKS_MIN):
        line.is_now(Presence.TALKING, "c1")
        line.goes_by(150.0)
        line.is_now(Presence.RESERVED, "c1")
        line.goes_by(10.0)
        line.is_now(Presence.TALKING, "c1")
        line.goes_by(140.0)
        line.is_now(Presence.WRAP_UP, "c1")
        line.is_now(Presence.READY)
    line.is_now(Presence.TALKING, "c2")

    assert line.foretold() == near(300 + RING_SECONDS)


def test_a_talk_begun_in_a_life_before_counts_from_its_beginning(line: Line) -> None:
    line.estimates.recall("regulators", FIVE_MINUTES)
    line.rosa.presence, line.rosa.since_at = Presence.TALKING, clock.now()
    line.goes_by(100.0)

    assert line.foretold() == near(200 + 20 + RING_SECONDS)


def test_a_talk_taken_back_from_a_life_before_is_learned_whole(line: Line) -> None:
    line.is_now(Presence.TALKING, "c1")
    line.rosa.since_at -= timedelta(seconds=100.0)  # as the presence that was stored tells
    line.estimates = Estimates()
    line.estimates.moved(line.rosa)
    line.goes_by(100.0)
    line.is_now(Presence.WRAP_UP, "c1")
    line.is_now(Presence.READY)

    assert list(line.estimates._line("regulators").past)[-1] == Past(200.0, 0.0)


def test_only_what_rang_before_a_talk_was_a_ring(line: Line) -> None:
    line.is_now(Presence.WRAP_UP, "c0")
    line.goes_by(500.0)
    line.is_now(Presence.TALKING, "c1")

    assert line.estimates.soon("regulators") == RING_SECONDS


def test_the_last_talks_count_and_those_of_before_a_start_are_older(line: Line) -> None:
    for _ in range(TALKS_KEPT_MAX // 2 + 1):
        line.talks(60.0, wrap_up=0.0)
    line.estimates.recall("regulators", [Past(3000.0, 0.0)] * TALKS_KEPT_MAX)
    line.is_now(Presence.TALKING, "c2")

    assert line.foretold() == near(60 + 4)


def test_once_the_last_fifty_were_wrong_nothing_is_said(line: Line) -> None:
    line.judged(said=300.0, waited=600.0, times=JUDGED_MAX)

    assert not line.trusted
    assert line.estimates.trusted("listeners")


def test_up_to_the_error_allowed_it_is_said(line: Line) -> None:
    line.judged(said=600.0 * (1 - ERROR_MAX) + 1, waited=600.0, times=JUDGED_MAX)

    assert line.trusted


def test_a_few_wrong_ones_may_be_chance(line: Line) -> None:
    line.judged(said=300.0, waited=600.0, times=JUDGED_MIN - 1)
    assert line.trusted

    line.judged(said=300.0, waited=600.0)
    assert not line.trusted


def test_right_again_it_speaks_again_for_only_the_last_fifty_count(line: Line) -> None:
    line.judged(said=300.0, waited=600.0, times=JUDGED_MAX * 2)
    line.judged(said=300.0, waited=310.0, times=JUDGED_MAX // 2 - 1)
    assert not line.trusted

    line.judged(said=300.0, waited=310.0, times=2)
    assert line.trusted


def test_who_leaves_proves_nothing(line: Line) -> None:
    for number in range(JUDGED_MAX):
        line.estimates.given(f"call{number}", "regulators", 300.0)
        line.goes_by(5.0)
        line.estimates.left(f"call{number}")
        line.estimates.came_true(f"call{number}")

    assert line.trusted


def test_of_one_wait_the_first_estimate_is_judged(line: Line) -> None:
    for number in range(JUDGED_MIN):
        line.estimates.given(f"call{number}", "regulators", 3000.0)
        line.goes_by(590.0)
        line.estimates.given(f"call{number}", "regulators", 10.0)
        line.goes_by(10.0)
        line.estimates.came_true(f"call{number}")

    assert not line.trusted


# -- what one caller is told -----------------------------------------------------------------------


class Waiting:
    """One caller who waits in rosa's line, with so many before them."""

    def __init__(
        self, line: Line, position: int = 1, presence: Presence = Presence.TALKING
    ) -> None:
        line.estimates.recall("regulators", FIVE_MINUTES)
        line.is_now(presence, "c1")
        self.ask = SimpleNamespace(line="regulators", wanted=None)
        self.call = SimpleNamespace(id="me", ask=self.ask, ringing=None)
        lines = SimpleNamespace(prospects=lambda _: (position, [line.rosa]))
        self.house = SimpleNamespace(estimates=line.estimates, lines=lines)

    @property
    def told(self) -> Outlook:
        return outlook(cast(Call, self.call), cast(House, self.house))


def test_a_caller_is_told_their_place_and_their_wait(line: Line) -> None:
    told = Waiting(line, position=2).told

    assert told.position == 2
    assert told.seconds == near(2 * 320 + 2 * RING_SECONDS)


def test_a_caller_for_whom_it_rings_is_next_and_soon(line: Line) -> None:
    waiting = Waiting(line, position=2)
    waiting.call.ringing = object()

    assert waiting.told == Outlook(RING_SECONDS, 1)


def test_who_waits_for_one_person_and_no_other_is_told_nothing(line: Line) -> None:
    waiting = Waiting(line)
    waiting.ask.wanted = "rosa"

    assert waiting.told == Outlook()


def test_who_is_about_to_be_served_by_somebody_free_is_no_proof(line: Line) -> None:
    free = Waiting(line, presence=Presence.READY)
    assert free.told == Outlook(RING_SECONDS, 1)
    for _ in range(JUDGED_MIN):
        assert free.told
        line.goes_by(600.0)
        line.estimates.came_true("me")

    assert line.trusted
