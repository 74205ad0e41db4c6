"""Says whether the line is open: opening hours, French public holidays, closed dates."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated, NamedTuple
from zoneinfo import ZoneInfo, available_timezones

from holidays import country_holidays
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from ivr.reading import Wrong, text, write_instead

DAYS = ("lundi", "mardi", "mercredi", "jeudi", "vendredi", "samedi", "dimanche")
EVERY_DAY = "tous les jours"
DAY_MINUTES = 24 * 60

_HOLIDAYS = country_holidays("FR")
_HOUR = r"(\d{1,2})(?:[:h](\d{2})|h)"  # 09:00, 9h, 9h30
_HOURS = re.compile(rf"{_HOUR}\s*[-\u2013]\s*{_HOUR}")


class Opening(NamedTuple):
    """From when to when, in minutes after the midnight that begins the day.

    ``to_minute`` is past 1440 when the line closes after midnight.
    """

    from_minute: int
    to_minute: int


def _zone(value: object) -> str:
    word = text(value)
    try:
        ZoneInfo(word)
    except (KeyError, ValueError, OSError):
        raise Wrong(f"fuseau horaire inconnu `{word}`", _zone_instead(word)) from None
    return word


def _zone_instead(word: str) -> str:
    # Naming all of the 600 time zones would hide the answer.
    near = write_instead(word, available_timezones())
    return near if near.startswith("écrivez") else "écrivez par exemple `Europe/Paris`"


def _day(value: object) -> str:
    word = text(value)
    if word not in (*DAYS, EVERY_DAY):
        raise Wrong(f"jour inconnu `{word}`", write_instead(word, (*DAYS, EVERY_DAY)))
    return word


def _openings(value: object) -> tuple[Opening, ...]:
    written = text(value)
    if written == "fermé":
        return ()
    return tuple(_opening(part.strip()) for part in written.split(","))


def _opening(written: str) -> Opening:
    found = _HOURS.fullmatch(written)
    example = 'écrivez par exemple `"09:00-19:00"`, `"9h-12h, 14h-19h"` ou `fermé`'
    if found is None:
        raise Wrong(f"horaire illisible `{written}`", example)
    from_hour, from_minute, to_hour, to_minute = (int(group or 0) for group in found.groups())
    opens, closes = from_hour * 60 + from_minute, to_hour * 60 + to_minute
    if from_minute > 59 or to_minute > 59 or opens >= DAY_MINUTES or closes > DAY_MINUTES:
        raise Wrong(f"cette heure n'existe pas dans `{written}`", example)
    if opens == closes:
        whole_day = "pour la journée entière, écrivez `00:00-24:00`"
        raise Wrong(f"l'ouverture et la fermeture sont à la même heure dans `{written}`", whole_day)
    return Opening(opens, closes if closes > opens else closes + DAY_MINUTES)


def _always_or_never(value: object) -> object:
    if isinstance(value, dict):
        return value
    if value == "toujours":
        return {EVERY_DAY: "00:00-24:00"}
    if value == "jamais":
        return {}
    example = 'écrivez `toujours`, `jamais`, ou un bloc comme `tous les jours: "09:00-19:00"`'
    raise Wrong("les heures d'ouverture ne peuvent pas être lues", example)


def _on_holidays(value: object) -> bool:
    word = text(value)
    if word not in ("open", "closed"):
        raise Wrong(f"`{word}` ne convient pas aux jours fériés", "écrivez `open` ou `closed`")
    return word == "open"


def _date(value: object) -> date:
    word = text(value)
    try:
        if re.fullmatch(r"\d{4}-\d{2}-\d{2}", word):
            return date.fromisoformat(word)
        meant = datetime.strptime(word, "%d/%m/%Y").date()
    except ValueError:
        what = f"date illisible `{word}`"
        raise Wrong(what, "écrivez année-mois-jour, par exemple `2026-12-25`") from None
    raise Wrong(f"la date `{word}` commence par le jour", f"écrivez `{meant.isoformat()}`")


class Calendar(BaseModel):
    """When the line is open. The hours of a named day replace those of ``tous les jours``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    timezone: Annotated[str, BeforeValidator(_zone)] = "Europe/Paris"
    open: Annotated[
        dict[
            Annotated[str, BeforeValidator(_day)],
            Annotated[tuple[Opening, ...], BeforeValidator(_openings)],
        ],
        BeforeValidator(_always_or_never),
    ] = Field(examples=["open: toujours"])
    open_on_holidays: Annotated[bool, BeforeValidator(_on_holidays)] = Field(
        default=True, alias="holidays"
    )
    closed_dates: tuple[Annotated[date, BeforeValidator(_date)], ...] = ()


def is_open(calendar: Calendar, at: datetime) -> bool:
    """Whether the line is open at an aware time. The closing minute itself is closed."""
    zone = ZoneInfo(calendar.timezone)
    today = at.astimezone(zone).date()
    # Yesterday's opening may run past midnight; a closed date closes what begins on it.
    return any(
        _earliest(day, opening.from_minute, zone) <= at < _latest(day, opening.to_minute, zone)
        for day in (today - timedelta(days=1), today)
        for opening in _openings_on(calendar, day)
    )


def _openings_on(calendar: Calendar, day: date) -> tuple[Opening, ...]:
    if day in calendar.closed_dates:
        return ()
    if day in _HOLIDAYS and not calendar.open_on_holidays:
        return ()
    every_day = calendar.open.get(EVERY_DAY, ())
    return calendar.open.get(DAYS[day.weekday()], every_day)


# When the clocks change, one hour of the night exists twice or not at all: the
# line then opens at the earlier reading of the clock and closes at the later.


def _earliest(day: date, minute: int, zone: ZoneInfo) -> datetime:
    return min(_readings(day, minute, zone))


def _latest(day: date, minute: int, zone: ZoneInfo) -> datetime:
    return max(_readings(day, minute, zone))


def _readings(day: date, minute: int, zone: ZoneInfo) -> list[datetime]:
    shown = datetime.combine(day, time()) + timedelta(minutes=minute)
    return [shown.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1)]
