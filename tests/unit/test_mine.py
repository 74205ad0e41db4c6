"""One's own hours: written as they pass, and read back with what goes on now."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from aiohttp.test_utils import TestClient, TestServer

from cti.people import hours as hours_module
from cti.people.agents import Agent, Presence, Role
from cti.people.hours import Hours
from cti.records.database import DatabaseAway
from cti.records.mine import Day, Talk
from cti.web.notes import WRITING, Writing
from tests.web_house import House

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


class Shift:
    """Léa, and what is written of her duty."""

    def __init__(self, presence: Presence = Presence.LOGGED_OUT) -> None:
        self.lea = Agent("lea", "Léa", frozenset({Role.LISTENER}), "lea", presence=presence)
        self.written: list[tuple[float, float]] = []  # minutes after noon
        with time_machine.travel(NOON, tick=False):
            self.hours = Hours([self.lea], self.write)

    def write(self, agent: str, from_at: datetime, to_at: datetime) -> None:
        assert agent == "lea"
        minutes = [(at - NOON).total_seconds() / 60 for at in (from_at, to_at)]
        self.written.append((minutes[0], minutes[1]))

    def is_at(self, minutes: float, presence: Presence) -> None:
        with time_machine.travel(NOON + timedelta(minutes=minutes), tick=False):
            self.lea.presence = presence
            self.hours.moved(self.lea)


def test_a_whole_shift_is_one_stretch_and_a_pause_parts_two() -> None:
    shift = Shift()
    for minutes, presence in (
        (1, Presence.READY),
        (5, Presence.RESERVED),
        (6, Presence.TALKING),
        (30, Presence.WRAP_UP),
        (32, Presence.READY),
        (40, Presence.NOT_READY),
        (50, Presence.NOT_READY),
        (55, Presence.READY),
        (90, Presence.LOGGED_OUT),
    ):
        shift.is_at(minutes, presence)
    assert shift.written == [(1, 40), (55, 90)]
    assert shift.hours.since("lea") is None


def test_who_was_on_duty_before_we_started_is_counted_from_then_on() -> None:
    shift = Shift(Presence.TALKING)
    assert shift.hours.since("lea") == NOON
    shift.is_at(7, Presence.LOGGED_OUT)
    assert shift.written == [(0, 7)]


async def test_a_long_stretch_is_written_as_it_lasts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hours_module, "WRITTEN_EVERY_SECONDS", 0.01)
    shift = Shift(Presence.READY)
    running = asyncio.create_task(shift.hours.run())
    async with asyncio.timeout(2):
        while len(shift.written) < 3:  # noqa: ASYNC110 -- it has no event of its own
            await asyncio.sleep(0.01)
    running.cancel()
    assert {from_ for from_, _ in shift.written} == {0}
    assert shift.written == sorted(shift.written)


# The answers


class Records:
    """What the database would tell, and what it was asked."""

    def __init__(self) -> None:
        self.asked: list[Any] = []
        self.away = False

    async def hours(self, *asked: Any) -> list[Day]:
        return self._told(asked, Day(NOON.date(), 90, 60, 3))

    async def talks(self, *asked: Any) -> list[Talk]:
        return self._told(asked, Talk("c1", NOON, "listener", 600, "ecoute", note=True))

    def _told(self, asked: Any, what: Any) -> Any:
        self.asked.append(asked)
        if self.away:
            raise DatabaseAway("away")
        return [what]


@pytest.fixture
def records() -> Records:
    return Records()


async def answered(records: Records, path: str, who: str = "lea") -> tuple[int, Any]:
    house = House()
    house.agent("lea").presence = Presence.READY
    hours = Hours(house.team.agents.values(), lambda *_: None)
    anything: Any = None
    mine: Any = records
    house.app[WRITING] = Writing(anything, anything, mine, hours)
    async with TestClient(TestServer(house.app)) as client:
        bearer = {"Authorization": f"Bearer {await house.token(who)}"}
        answer = await client.get(path, headers=bearer)
        return answer.status, await answer.json()


async def test_hours_are_one_s_own_and_know_what_goes_on(records: Records) -> None:
    with time_machine.travel(NOON, tick=False):
        answer = await answered(records, "/api/v1/my/hours?days=7")
        await answered(records, "/api/v1/my/hours", "rosa")
    day = {"day": "2026-03-02", "on_duty_minutes": 90, "talking_minutes": 60, "talks": 3}
    assert answer == (200, {"days": [day]})
    assert records.asked == [("lea", 7, NOON, NOON), ("rosa", 30, NOON, None)]


async def test_calls_are_one_s_own_and_say_nothing_of_who_called(records: Records) -> None:
    with time_machine.travel(NOON, tick=False):
        answer = await answered(records, "/api/v1/my/calls?days=1")
    call = {
        "call": "c1",
        "at": NOON.isoformat(),
        "role": "listener",
        "line": "listeners",
        "talk_seconds": 600,
        "disposition": "ecoute",
        "note": True,
    }
    assert answer == (200, {"calls": [call]})
    assert records.asked == [("lea", 1, NOON)]


@pytest.mark.parametrize("days", ["0", "367", "-1", "x", "", "1e2", "²", "9" * 9])
@pytest.mark.parametrize("path", ["hours", "calls"])
async def test_a_number_of_days_that_is_none_is_refused(
    records: Records, path: str, days: str
) -> None:
    status, answer = await answered(records, f"/api/v1/my/{path}?days={days}")
    assert (status, answer["error"]["code"]) == (400, "bad_days")
    assert records.asked == []


@pytest.mark.parametrize("path", ["hours", "calls"])
async def test_a_database_that_is_away_is_said(records: Records, path: str) -> None:
    records.away = True
    status, answer = await answered(records, f"/api/v1/my/{path}")
    assert (status, answer["error"]["code"]) == (503, "database_away")
