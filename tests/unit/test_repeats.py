"""One number that calls again and again: what changes for its callers, and what never does."""

from __future__ import annotations

import asyncio
import itertools
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from cti import clock
from cti.calls.repeats import (
    ARRIVALS_KEPT_MAX,
    HOUR_SECONDS,
    Repeats,
    compare,
    is_behind,
)
from cti.calls.state import Call

ANY_FLOW: Any = None
NUMBERS = itertools.count(1)
NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


class House:
    """What comparing needs of a house; its callers are channels without an engine."""

    def __init__(self, at_once_max: int = 5, per_hour_max: int = 30) -> None:
        self.settings = SimpleNamespace(
            same_number_at_once_max=at_once_max, same_number_per_hour_max=per_hour_max
        )
        self.calls: dict[str, Call] = {}
        self.repeats = Repeats()
        self.records = self
        self.events: list[tuple[str, dict[str, Any]]] = []
        self.prompts = {"appels-en-cours"}

    def event(self, type_: str, **data: Any) -> None:
        self.events.append((type_, data))

    def seconds(self, language: str, prompt: str) -> float | None:
        return 15.0 if prompt in self.prompts else None

    def arrive(self, ref: str | None, channel: str | None = None) -> Call:
        """One more call of that pseudonym."""
        id_ = channel or f"channel-{next(NUMBERS)}"
        caller: Any = SimpleNamespace(id=id_, language="fr", gone=asyncio.Event())
        call = Call(f"{next(NUMBERS):032x}", caller, flow=ANY_FLOW)
        self.calls[id_] = call
        call.caller_ref = ref
        compare(call, self)
        return call

    def leave(self, call: Call) -> None:
        del self.calls[call.caller.id]


def turned_away(*calls: Call) -> list[bool]:
    return [call.duplicate for call in calls]


def test_the_sixth_call_of_a_number_at_the_same_time_is_one_too_many() -> None:
    house = House()
    calls = [house.arrive("a") for _ in range(8)]
    assert turned_away(*calls) == [False] * 5 + [True] * 3
    assert [type_ for type_, _ in house.events] == ["call.duplicate"] * 3
    assert house.events[0][1] == {"call_id": calls[5].id, "others": 5}


def test_another_number_is_served_meanwhile() -> None:
    house = House()
    for _ in range(8):
        house.arrive("a")
    other = house.arrive("b")
    assert not other.duplicate
    assert not other.frequent


def test_withheld_numbers_are_never_compared() -> None:
    house = House(at_once_max=1, per_hour_max=1)
    calls = [house.arrive(None) for _ in range(9)]
    assert not any(turned_away(*calls))
    assert not any(call.frequent for call in calls)
    assert house.events == []


def test_a_call_that_has_ended_or_is_ending_makes_room_for_the_next() -> None:
    house = House(at_once_max=2)
    first, second = house.arrive("a"), house.arrive("a")
    house.leave(first)
    assert not house.arrive("a").duplicate
    second.caller.gone.set()
    assert not house.arrive("a").duplicate


def test_a_call_that_is_being_turned_away_takes_nobodys_place() -> None:
    house = House(at_once_max=2)
    first = house.arrive("a")
    house.arrive("a")
    assert house.arrive("a").duplicate
    house.leave(first)
    assert not house.arrive("a").duplicate


def test_nobody_is_turned_away_without_a_word() -> None:
    house = House(at_once_max=1)
    house.prompts.clear()
    assert turned_away(house.arrive("a"), house.arrive("a")) == [False, False]


def test_one_call_too_many_in_an_hour_is_served_after_others_and_said_to_supervisors() -> None:
    house = House()
    calls = [house.arrive("a") for _ in range(1)]
    for _ in range(30):
        house.leave(calls[-1])
        calls.append(house.arrive("a"))
    assert not any(turned_away(*calls))
    assert [is_behind(call) for call in calls] == [False] * 30 + [True]
    assert house.events == [("call.frequent", {"call_id": calls[30].id, "in_an_hour": 31})]


def test_whom_a_person_has_heard_is_behind_nobody() -> None:
    house = House(per_hour_max=1)
    house.leave(house.arrive("a"))
    call = house.arrive("a")
    assert is_behind(call)
    call.answered = True
    assert not is_behind(call)


def test_calls_of_more_than_an_hour_ago_are_forgotten() -> None:
    house = House(per_hour_max=1)
    now = 1000.0
    with clock.replaced(lambda: NOON, lambda: now):
        house.leave(house.arrive("a"))
        now += HOUR_SECONDS - 1
        assert house.arrive("a").frequent
        now += HOUR_SECONDS + 1
        assert not house.arrive("a").frequent


def test_a_caller_whom_the_dialplan_offers_again_has_called_once() -> None:
    house = House(per_hour_max=1)
    for _ in range(3):
        assert not house.arrive("a", channel="the-same").frequent


@pytest.mark.parametrize("none", [0, -1])
def test_no_limit_can_be_chosen(none: int) -> None:
    house = House(at_once_max=none, per_hour_max=none)
    calls = [house.arrive("a") for _ in range(40)]
    assert not any(turned_away(*calls))
    assert not any(call.frequent for call in calls)


def test_a_flood_fills_no_memory() -> None:
    repeats = Repeats()
    for number in range(ARRIVALS_KEPT_MAX + 5):
        repeats._arrivals.append((clock.monotonic(), f"{number}", "channel"))
    assert repeats.arrived("a", "channel") == 1
    assert len(repeats._arrivals) == ARRIVALS_KEPT_MAX
