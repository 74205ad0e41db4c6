"""Says whether the line is open: opening hours, French public holidays, closed dates."""

from __future__ import annotations

import difflib
import re
from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated, Literal, NamedTuple
from zoneinfo import ZoneInfo, available_timezones

from holidays import country_holidays
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationInfo,
    field_validator,
)

from ivr.reading import Wrong, text, write_instead
from ivr.values import one_of

DAYS = ("lundi", "mardi", "mercredi", "jeudi", "vendredi", "samedi", "dimanche")
EVERY_DAY = "tous les jours"
DAY_MINUTES = 24 * 60
# Words for several days at once, which people write and the language does not know.
_SEVERAL_DAYS = (
    (re.compile(r"week-?\s?end"), DAYS[5:]),
    (re.compile(r"semaine|ouvrés?\b"), DAYS[:5]),
    (re.compile(r"ouvrables?\b"), DAYS[:6]),
)
_FROM_TO = re.compile(r"[-\u2013\u2014\u2192>/]|\b(?:au|à|a|jusqu)\b")

# Where the line's holidays are kept -> the subdivision of the `holidays` library.
HOLIDAY_ZONES = {
    "métropole": None,
    "alsace-moselle": "57",  # with Good Friday and 26 December
    "guadeloupe": "971",
    "martinique": "972",
    "guyane": "973",
    "la-réunion": "974",
    "mayotte": "976",
    "saint-barthélemy": "BL",
    "saint-martin": "MF",
    "saint-pierre-et-miquelon": "PM",
    "wallis-et-futuna": "WF",
    "polynésie": "PF",
    "nouvelle-calédonie": "NC",
}
_HOLIDAYS = {zone: country_holidays("FR", subdiv=code) for zone, code in HOLIDAY_ZONES.items()}
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
        raise Wrong(f"jour inconnu `{word}`", _days_instead(word))
    return word


def _days_instead(word: str) -> str:
    # The nearest single day would be obeyed, and close the line on all the others.
    days = _days_meant(word.lower()[:80])
    if len(days) == len(DAYS):
        return f"écrivez `{EVERY_DAY}`"
    if len(days) > 1:
        return f"écrivez une ligne par jour : {', '.join(days)}"
    return write_instead(word, (*DAYS, EVERY_DAY))


def _days_meant(word: str) -> tuple[str, ...]:
    """The days that somebody means who writes several in one: `lundi-vendredi`, `lun au ven`."""
    if "sauf" in word:
        without = _days_meant(word.rpartition("sauf")[2])
        return tuple(day for day in DAYS if day not in without) if without else ()
    named = _days_named(word)
    if len(named) == 2 and _FROM_TO.search(word):
        first, last = (DAYS.index(day) for day in named)
        return tuple(DAYS[(first + i) % 7] for i in range((last - first) % 7 + 1))
    if named:
        return named
    return next((days for written, days in _SEVERAL_DAYS if written.search(word)), ())


def _days_named(word: str) -> tuple[str, ...]:
    """The days whose name, its beginning or nearly its name stands there, in their order."""
    found: list[str] = []
    for part in re.findall(r"[a-zé]{2,}", word):
        beginning = part.rstrip("s")
        begins = [day for day in DAYS if day.startswith(beginning) and len(beginning) > 1]
        near = difflib.get_close_matches(part, DAYS, n=1, cutoff=0.8) if len(part) > 3 else []
        found += (begins or near)[:1]
    return tuple(dict.fromkeys(found))


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


def written_date(value: object) -> date:
    """The day written there, year first. Raises Wrong."""
    if isinstance(value, date):
        return value
    word = text(value)
    try:
        if re.fullmatch(r"\d{4}-\d{2}-\d{2}", word):
            return date.fromisoformat(word)
        meant = datetime.strptime(word, "%d/%m/%Y").date()
    except ValueError:
        what = f"date illisible `{word}`"
        raise Wrong(what, "écrivez année-mois-jour, par exemple `2026-12-25`") from None
    raise Wrong(f"la date `{word}` commence par le jour", f"écrivez `{meant.isoformat()}`")


def _moment(value: object) -> datetime:
    word = text(value)
    try:
        if re.fullmatch(r"\d{4}-\d{2}-\d{2} \d{2}:\d{2}", word):
            return datetime.fromisoformat(word)
    except ValueError:
        pass
    what = f"moment illisible `{word}`"
    raise Wrong(what, "écrivez le jour et l'heure : `2026-12-24 12:00`")


class Closing(BaseModel):
    """Une fermeture exceptionnelle ; elle a toujours une fin."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    from_at: Annotated[datetime, BeforeValidator(_moment, json_schema_input_type=str)] = Field(
        alias="from", examples=["from: 2026-12-24 12:00"], description="À l'heure du calendrier."
    )
    to_at: Annotated[datetime, BeforeValidator(_moment, json_schema_input_type=str)] = Field(
        alias="to", examples=["to: 2026-12-26 09:00"], description="Quand la ligne rouvre."
    )

    @field_validator("to_at")
    @classmethod
    def _ends_after_it_begins(cls, to_at: datetime, closing: ValidationInfo) -> datetime:
        if "from_at" in closing.data and to_at <= closing.data["from_at"]:
            what = "la fermeture finit avant de commencer"
            raise Wrong(what, "écrivez dans `to` un moment après `from`")
        return to_at


class Calendar(BaseModel):
    """Quand la ligne est ouverte. Un jour nommé l'emporte sur `tous les jours`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    timezone: Annotated[str, BeforeValidator(_zone)] = Field(
        default="Europe/Paris", description="Le fuseau horaire de ces heures."
    )
    open: Annotated[
        dict[
            Annotated[str, BeforeValidator(_day)],
            Annotated[tuple[Opening, ...], BeforeValidator(_openings, json_schema_input_type=str)],
        ],
        BeforeValidator(
            _always_or_never,
            json_schema_input_type=Literal["toujours", "jamais"] | dict[str, str],
        ),
    ] = Field(
        examples=["open: toujours"],
        description='`toujours`, `jamais`, ou jour → heures : `lundi: "9h-12h, 14h-19h"`.',
    )
    open_on_holidays: Annotated[
        bool, BeforeValidator(_on_holidays, json_schema_input_type=Literal["open", "closed"])
    ] = Field(default=True, alias="holidays", description="Les jours fériés : `open` ou `closed`.")
    holiday_zone: Annotated[str, one_of(tuple(HOLIDAY_ZONES), "zone inconnue")] = Field(
        default="métropole", description="Où : `métropole`, `alsace-moselle`, `la-réunion`…"
    )
    closed_dates: tuple[
        Annotated[date, BeforeValidator(written_date, json_schema_input_type=str)], ...
    ] = Field(default=(), description="Jours de fermeture : `[2026-12-24]`.")
    closings: tuple[Closing, ...] = Field(
        default=(), description="Fermetures exceptionnelles, chacune avec sa fin."
    )


def is_open(calendar: Calendar, at: datetime) -> bool:
    """Whether the line is open at an aware time. The closing minute itself is closed."""
    zone = ZoneInfo(calendar.timezone)
    shown = at.astimezone(zone)
    if any(one.from_at <= shown.replace(tzinfo=None) < one.to_at for one in calendar.closings):
        return False
    today = shown.date()
    # Yesterday's opening may run past midnight; a closed date closes what begins on it.
    return any(
        _earliest(day, opening.from_minute, zone) <= at < _latest(day, opening.to_minute, zone)
        for day in (today - timedelta(days=1), today)
        for opening in _openings_on(calendar, day)
    )


def _openings_on(calendar: Calendar, day: date) -> tuple[Opening, ...]:
    if day in calendar.closed_dates:
        return ()
    if day in _HOLIDAYS[calendar.holiday_zone] and not calendar.open_on_holidays:
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
