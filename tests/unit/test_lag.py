"""How late the line is, is measured, said when it matters, and shown to whoever asks."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections import deque
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from aiohttp.test_utils import TestClient, TestServer

from cti import clock, controller
from cti.asterisk.ari import Ari, read_event
from cti.asterisk.wire import HttpWire
from cti.lag import SAMPLES_KEPT_MAX, Lag, watch_loop
from cti.web.app import make_app
from tests.web_house import House, Settings

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


class Hands:
    """A clock moved by hand."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def now(self) -> datetime:
        return NOON + timedelta(seconds=self.seconds - 1000)

    def monotonic(self) -> float:
        return self.seconds


@pytest.fixture
def hands() -> Iterator[Hands]:
    hands = Hands()
    with clock.replaced(hands.now, hands.monotonic):
        yield hands


def test_nothing_noted_is_no_lag(hands: Hands) -> None:
    assert Lag().figures() == {"p50": 0, "p99": 0, "worst": 0, "count": 0}


def test_half_and_ninety_nine_in_a_hundred_are_not_later_than_their_figure(hands: Hands) -> None:
    lag = Lag()
    for milliseconds in [*range(1, 100), 700]:
        lag.note(milliseconds / 1000)
    assert lag.figures() == {"p50": 50, "p99": 99, "worst": 700, "count": 100}


def test_a_delay_is_forgotten_after_ten_seconds(hands: Hands) -> None:
    lag = Lag()
    lag.note(0.7)
    hands.seconds += 6
    lag.note(0.002)
    hands.seconds += 3.9
    assert lag.figures()["worst"] == 700
    hands.seconds += 0.2
    assert lag.figures() == {"p50": 2, "p99": 2, "worst": 2, "count": 1}


def test_a_clock_that_was_set_back_is_no_negative_lag(hands: Hands) -> None:
    lag = Lag()
    lag.note(-3600)
    assert lag.figures()["worst"] == 0


def test_a_storm_of_events_fills_no_memory(hands: Hands) -> None:
    lag = Lag()
    for _ in range(SAMPLES_KEPT_MAX + 100):
        lag.note(0.001)
    assert lag.figures()["count"] == SAMPLES_KEPT_MAX


def heard(ari: Ari, stamp: str | None) -> None:
    """Have the reader take one event, as it does with what comes on the wire."""
    data = {"type": "StasisEnd", "channel": {"id": "c1"}}
    ari._take({"c1"}, read_event(data | ({"timestamp": stamp} if stamp else {})))


async def test_the_door_notes_how_late_each_event_is_handed_over(hands: Hands) -> None:
    ari = Ari(HttpWire("http://127.0.0.1:1", "fil", ""))
    hands.seconds += 0.35
    heard(ari, "2026-03-01T13:00:00.000+0100")
    assert ari.lag.figures() == {"p50": 350, "p99": 350, "worst": 350, "count": 1}
    heard(ari, None)
    heard(ari, "yesterday")
    assert ari.lag.figures()["count"] == 1


async def test_an_event_kept_while_calls_are_taken_back_is_as_late_as_its_delivery(
    hands: Hands,
) -> None:
    ari = Ari(HttpWire("http://127.0.0.1:1", "fil", ""))
    ari._held = deque()
    heard(ari, "2026-03-01T12:00:00.000+0000")
    assert ari.lag.figures()["count"] == 0
    hands.seconds += 2
    ari._release()
    assert ari.lag.figures()["worst"] == 2000


async def test_a_loop_that_is_held_up_is_seen_to_wake_late() -> None:
    lag = Lag()
    watching = asyncio.create_task(watch_loop(lag))
    await asyncio.sleep(0.15)
    time.sleep(0.3)  # noqa: ASYNC251 - what must never happen in the controller
    await asyncio.sleep(0.15)
    watching.cancel()
    assert 150 <= lag.figures()["worst"] <= 2000
    assert lag.figures()["count"] >= 2


async def said(events: Lag, loop: Lag, hands: Hands, seconds: int, monkeypatch) -> None:
    """Let so many seconds pass, ten at a time, for the one who says how late we are."""
    left = seconds // 10

    async def sleep(wait: float) -> None:
        nonlocal left
        if left == 0:
            raise asyncio.CancelledError
        left -= 1
        hands.seconds += wait

    monkeypatch.setattr(controller.asyncio, "sleep", sleep)
    with contextlib.suppress(asyncio.CancelledError):
        await controller.say_lag(events, loop)


def lines(caplog: pytest.LogCaptureFixture) -> list[tuple[str, int, int]]:
    return [
        (record.levelname, record.event_ms, record.loop_ms)
        for record in caplog.records
        if record.getMessage() == "engine.lag"
    ]


async def test_a_line_in_time_says_so_once_a_minute(
    hands: Hands, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.INFO)
    await said(Lag(), Lag(), hands, 120, monkeypatch)
    assert lines(caplog) == [("INFO", 0, 0)] * 2


@pytest.mark.parametrize("late", ["events", "loop"])
async def test_a_late_line_says_so_within_ten_seconds(
    hands: Hands, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, late: str
) -> None:
    caplog.set_level(logging.INFO)
    lags = {"events": Lag(), "loop": Lag()}
    hands.seconds += 9.5
    lags[late].note(0.251)
    hands.seconds -= 9.5
    await said(lags["events"], lags["loop"], hands, 20, monkeypatch)
    event, loop = (251, 0) if late == "events" else (0, 251)
    assert lines(caplog) == [("WARNING", event, loop)]


async def test_health_shows_how_late_the_line_is() -> None:
    house = House()
    app = make_app(
        house.team, house.door, Settings(), figures=lambda: {"event_lag_ms": {"worst": 12}}
    )
    async with TestClient(TestServer(app)) as client:
        shown = await (await client.get("/health")).json()
    assert shown == {"status": "ok", "event_lag_ms": {"worst": 12}}
