"""The line is open when its calendar says so, on the clock of the people who call."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from ivr.hours import Calendar, is_open

PARIS = ZoneInfo("Europe/Paris")
DAILY = {"tous les jours": "09:00-19:00"}


def calendar(open_: Any = None, **others: Any) -> Calendar:
    return Calendar.model_validate({"open": open_ or DAILY, **others})


def paris(written: str, fold: int = 0) -> datetime:
    """A time read on a clock in Paris, as aware UTC."""
    return datetime.fromisoformat(written).replace(tzinfo=PARIS, fold=fold).astimezone(UTC)


@pytest.mark.parametrize(
    ("clock", "is_it_open"),
    [
        ("2026-03-10T08:59:59", False),
        ("2026-03-10T09:00:00", True),
        ("2026-03-10T18:59:59", True),
        ("2026-03-10T19:00:00", False),
        ("2026-07-10T09:00:00", True),
        ("2026-07-10T18:59:59", True),
    ],
)
def test_the_line_opens_and_closes_on_the_minute_in_winter_and_in_summer(
    clock: str, is_it_open: bool
) -> None:
    assert is_open(calendar(), paris(clock)) is is_it_open


@pytest.mark.parametrize("day", ["2026-03-28", "2026-03-29", "2026-10-24", "2026-10-25"])
def test_the_opening_follows_the_clock_on_the_days_it_changes(day: str) -> None:
    assert not is_open(calendar(), paris(f"{day}T08:59:59"))
    assert is_open(calendar(), paris(f"{day}T09:00:00"))
    assert not is_open(calendar(), paris(f"{day}T19:00:00"))


def test_in_the_night_with_one_hour_more_the_line_closes_at_the_later_reading() -> None:
    night = calendar({"samedi": "22:00-02:30"})

    assert is_open(night, paris("2026-10-25T02:29:00", fold=0))
    assert is_open(night, paris("2026-10-25T02:45:00", fold=0))
    assert is_open(night, paris("2026-10-25T02:29:00", fold=1))
    assert not is_open(night, paris("2026-10-25T02:30:00", fold=1))


def test_in_the_night_with_one_hour_more_the_line_opens_at_the_earlier_reading() -> None:
    night = calendar({"dimanche": "02:30-06:00"})

    assert not is_open(night, paris("2026-10-25T02:29:00", fold=0))
    assert is_open(night, paris("2026-10-25T02:30:00", fold=0))
    assert is_open(night, paris("2026-10-25T02:00:00", fold=1))


def test_in_the_night_with_one_hour_less_no_opening_is_lost() -> None:
    night = calendar({"dimanche": "02:30-06:00"})

    assert is_open(night, paris("2026-03-29T03:00:00"))
    assert is_open(night, paris("2026-03-29T05:59:00"))


def test_a_night_line_stays_open_past_midnight_and_only_then() -> None:
    night = calendar({"vendredi": "22:00-04:00"})

    assert is_open(night, paris("2026-03-06T23:30:00"))
    assert is_open(night, paris("2026-03-07T03:59:00"))
    assert not is_open(night, paris("2026-03-07T04:00:00"))
    assert not is_open(night, paris("2026-03-07T22:30:00"))
    assert not is_open(night, paris("2026-03-06T03:00:00"))


def test_the_hours_of_a_named_day_replace_those_of_every_day() -> None:
    week = calendar({**DAILY, "dimanche": "10h-12h, 14h30-18h", "lundi": "fermé"})

    assert not is_open(week, paris("2026-03-08T09:30:00"))
    assert is_open(week, paris("2026-03-08T10:00:00"))
    assert not is_open(week, paris("2026-03-08T14:29:00"))
    assert is_open(week, paris("2026-03-08T14:30:00"))
    assert not is_open(week, paris("2026-03-09T10:00:00"))
    assert is_open(week, paris("2026-03-10T09:30:00"))


@pytest.mark.parametrize("day", ["2026-01-01", "2026-04-06", "2026-05-14", "2026-07-14"])
def test_french_holidays_close_only_the_lines_that_say_so(day: str) -> None:
    noon = paris(f"{day}T12:00:00")

    assert is_open(calendar(holidays="open"), noon)
    assert is_open(calendar(), noon)
    assert not is_open(calendar(holidays="closed"), noon)
    assert is_open(calendar(holidays="closed"), noon + timedelta(days=1))


def test_a_closed_date_closes_what_begins_on_it_and_nothing_else() -> None:
    night = calendar({"tous les jours": "22:00-04:00"}, closed_dates=["2026-12-24"])

    assert is_open(night, paris("2026-12-24T03:00:00"))
    assert not is_open(night, paris("2026-12-24T23:00:00"))
    assert not is_open(night, paris("2026-12-25T03:00:00"))
    assert is_open(night, paris("2026-12-25T23:00:00"))


def test_a_line_overseas_lives_on_its_own_clock() -> None:
    reunion = calendar(timezone="Indian/Reunion")

    assert is_open(reunion, datetime(2026, 3, 10, 5, 0, tzinfo=UTC))
    assert not is_open(reunion, datetime(2026, 3, 10, 15, 0, tzinfo=UTC))


@given(at=st.datetimes(datetime(2020, 1, 1), datetime(2040, 1, 1), timezones=st.just(UTC)))
def test_always_is_always_and_never_is_never(at: datetime) -> None:
    assert is_open(calendar("toujours"), at)
    assert not is_open(calendar("jamais"), at)


@given(at=st.datetimes(datetime(2020, 1, 1), datetime(2040, 1, 1), timezones=st.just(UTC)))
def test_the_hours_are_those_a_clock_on_the_wall_shows(at: datetime) -> None:
    shown = at.astimezone(PARIS)

    assert is_open(calendar(), at) is (9 <= shown.hour < 19)


def test_a_time_without_its_zone_is_refused() -> None:
    with pytest.raises(TypeError):
        is_open(calendar("toujours"), datetime(2026, 3, 10, 12, 0))


def test_a_calendar_never_changes() -> None:
    with pytest.raises(ValidationError):
        calendar().timezone = "UTC"
