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


@pytest.mark.parametrize(
    "day", ["2026-03-28", "2026-03-29", "2026-10-24", "2026-10-25", "2027-03-28", "2028-02-29"]
)
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


@pytest.mark.parametrize(
    ("zone", "day", "closed"),
    [
        ("métropole", "2026-04-03", False),  # Good Friday
        ("alsace-moselle", "2026-04-03", True),
        ("métropole", "2026-12-26", False),
        ("alsace-moselle", "2026-12-26", True),
        ("métropole", "2026-04-06", True),  # Easter Monday
        ("alsace-moselle", "2026-04-06", True),
        ("guadeloupe", "2026-05-27", True),  # the abolition of slavery, on days of their own
        ("martinique", "2026-05-22", True),
        ("guyane", "2026-06-10", True),
        ("la-réunion", "2026-12-20", True),
        ("mayotte", "2026-04-27", True),
        ("métropole", "2026-12-20", False),
        ("polynésie", "2026-03-05", True),
        ("nouvelle-calédonie", "2026-09-24", True),
        ("wallis-et-futuna", "2026-07-29", True),
        ("saint-pierre-et-miquelon", "2026-07-14", True),
    ],
)
def test_each_part_of_france_keeps_its_own_holidays(zone: str, day: str, closed: bool) -> None:
    kept = calendar("toujours", holidays="closed", holiday_zone=zone)

    assert is_open(kept, paris(f"{day}T12:00:00")) is not closed


def test_easter_monday_is_found_every_year() -> None:
    easter_mondays = ["2026-04-06", "2027-03-29", "2028-04-17", "2029-04-02", "2030-04-22"]
    kept = calendar(holidays="closed")

    for day in easter_mondays:
        assert not is_open(kept, paris(f"{day}T12:00:00")), day
        assert is_open(kept, paris(f"{day}T12:00:00") + timedelta(days=1)), day


def test_a_closing_begins_and_ends_when_it_says() -> None:
    closed = calendar(closings=[{"from": "2026-12-24 12:00", "to": "2026-12-26 10:00"}])

    assert is_open(closed, paris("2026-12-24T11:59:59"))
    assert not is_open(closed, paris("2026-12-24T12:00:00"))
    assert not is_open(closed, paris("2026-12-26T09:59:59"))
    assert is_open(closed, paris("2026-12-26T10:00:00"))


@pytest.mark.parametrize(
    ("from_", "to", "said"),
    [
        ("2026-12-24 12:00", "2026-12-24 12:00", "finit avant de commencer"),
        ("2026-12-24", "2026-12-26 10:00", "moment illisible `2026-12-24`"),
        ("2026-12-24 12:00", "2026-02-30 10:00", "moment illisible `2026-02-30 10:00`"),
    ],
)
def test_a_closing_without_an_end_is_refused(from_: str, to: str, said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        calendar(closings=[{"from": from_, "to": to}])


def test_a_closed_date_closes_what_begins_on_it_and_nothing_else() -> None:
    night = calendar({"tous les jours": "22:00-04:00"}, closed_dates=["2026-12-24"])

    assert is_open(night, paris("2026-12-24T03:00:00"))
    assert not is_open(night, paris("2026-12-24T23:00:00"))
    assert not is_open(night, paris("2026-12-25T03:00:00"))
    assert is_open(night, paris("2026-12-25T23:00:00"))


@pytest.mark.parametrize(
    ("written", "days"),
    [
        ("lundi-vendredi", "lundi, mardi, mercredi, jeudi, vendredi"),
        ("lundi au vendredi", "lundi, mardi, mercredi, jeudi, vendredi"),
        ("du Lundi au Jeudi", "lundi, mardi, mercredi, jeudi"),
        ("lun-ven", "lundi, mardi, mercredi, jeudi, vendredi"),
        ("lundi – vendrdi", "lundi, mardi, mercredi, jeudi, vendredi"),
        ("semaine", "lundi, mardi, mercredi, jeudi, vendredi"),
        ("week-end", "samedi, dimanche"),
        ("samedi-lundi", "samedi, dimanche, lundi"),
        ("lundi et mercredi", "lundi, mercredi"),
        ("lundi, mercredi", "lundi, mercredi"),
        ("tous les jours sauf dimanche", "lundi, mardi, mercredi, jeudi, vendredi, samedi"),
    ],
)
def test_several_days_in_one_are_refused_with_each_of_them(written: str, days: str) -> None:
    # Named alone, the nearest would be obeyed, and close the line on all the others.
    with pytest.raises(ValidationError) as refused:
        calendar({written: "9h-19h"})

    wrong = refused.value.errors()[0]["ctx"]["error"]
    assert wrong.fix == f"écrivez une ligne par jour : {days}"


@pytest.mark.parametrize(
    ("written", "fix"),
    [
        ("lunid", "écrivez `lundi`"),
        ("Lundi", "écrivez `lundi`"),
        ("lundis", "écrivez `lundi`"),
        ("tout les jours", "écrivez `tous les jours`"),
        ("lundi-dimanche", "écrivez `tous les jours`"),
    ],
)
def test_one_day_is_answered_with_the_nearest(written: str, fix: str) -> None:
    with pytest.raises(ValidationError) as refused:
        calendar({written: "9h-19h"})

    assert refused.value.errors()[0]["ctx"]["error"].fix == fix


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
