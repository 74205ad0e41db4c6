"""The commands of who asks what became of a call: ``fil call list`` and ``fil call show``.

They read the database and the journal, beside a line that may be running. Nothing personal
of the caller is shown: not a number, not a pseudonym, not a word that was written.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Callable, Coroutine, Mapping
from datetime import datetime, timedelta
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

from cti import clock
from cti.config import Settings, SettingsError
from cti.records.database import Database, WrongVersion, create_database
from cti.records.journey import (
    ENDED_BY,
    LINES,
    OUTCOMES,
    Journey,
    Line,
    Tongue,
    Words,
    journey,
    told_duration,
)
from cti.records.models import Call
from cti.records.reports import PREFIX_LETTERS_MIN, NoSuchCall, calls_since, traces_of
from ivr.values import seconds_in

PARIS = ZoneInfo("Europe/Paris")
HEX = "0123456789abcdef"
ID_LETTERS_SHOWN = 8
CALLS_MAX = 10_000
T = TypeVar("T")

_SAID: dict[str, Words] = {
    "none": {
        "fr": "Aucun appel ne commence par {id}. Voyez leurs identifiants : fil call list",
        "en": "No call begins with {id}. See their ids: fil call list",
    },
    "short": {
        "fr": "{id} n'est pas le début d'un appel : donnez au moins {least} lettres de son "
        "identifiant (chiffres et a à f), comme l'écrit fil call list",
        "en": "{id} is not the beginning of a call: give at least {least} letters of its id "
        "(digits and a to f), as fil call list writes it",
    },
    "several": {
        "fr": "Plusieurs appels commencent par {id} : {several}. Donnez-en plus de lettres.",
        "en": "Several calls begin with {id}: {several}. Give more letters.",
    },
    "since": {
        "fr": "--since {since} : écrivez une durée, par exemple 30 min, 2 h ou 48 h.",
        "en": "--since {since}: write a duration, for instance 30 min, 2 h or 48 h.",
    },
    "limit": {
        "fr": f"--limit {{limit}} : écrivez un nombre de 1 à {CALLS_MAX}.",
        "en": f"--limit {{limit}}: write a number from 1 to {CALLS_MAX}.",
    },
    "away": {
        "fr": "La base ne répond pas : voici ce que le journal sait ; le reste suivra.",
        "en": "The database does not answer: this is what the journal knows; more when it is back.",
    },
    "no_calls": {
        "fr": "Aucun appel depuis {since}. Cherchez plus loin : --since 48h",
        "en": "No call for {since}. Look further: --since 48h",
    },
    "summary": {"fr": "En bref : {parts}.", "en": "In short: {parts}."},
    "call": {"fr": "Appel {id}, {day}", "en": "Call {id}, {day}"},
    "going_on": {"fr": "en cours", "en": "going on"},
    "danger": {"fr": "danger", "en": "danger"},
}


def register(call: argparse.ArgumentParser) -> None:
    """Add ``show`` and ``list`` to ``fil call``, which without a verb goes on calling the line."""
    verbs = call.add_subparsers(metavar="verb")

    def verb(
        name: str, run: Callable[[Settings, argparse.Namespace], int | None], text: str
    ) -> argparse.ArgumentParser:
        sub = verbs.add_parser(name, help=text, description=text)
        sub.set_defaults(run=run)
        sub.add_argument("--lang", choices=["fr", "en"], default="fr")
        return sub

    show = verb("show", _show, "tell what happened to one call, step by step")
    show.add_argument(
        "id", help=f"the call's id, or its first letters ({PREFIX_LETTERS_MIN} or more)"
    )
    list_ = verb("list", _list, "the latest calls, the oldest first")
    list_.add_argument("--since", default="24h", help="how far back: 30min, 2h; without it 24h")
    list_.add_argument("--limit", type=int, default=50, help="how many at most; without it 50")


def _show(settings: Settings, options: argparse.Namespace) -> None:
    tongue: Tongue = options.lang
    wanted = options.id.strip().lower()
    try:
        traces = _with_database(
            settings, lambda database: traces_of(database, settings.data / "journal", wanted)
        )
    except NoSuchCall as error:
        kind = "several" if error.several else "none"
        if not error.several and (len(wanted) < PREFIX_LETTERS_MIN or set(wanted) - set(HEX)):
            kind = "short"
        several = ", ".join(id_[: len(wanted) + 4] for id_ in error.several)
        words = {"id": wanted[:32], "several": several, "least": str(PREFIX_LETTERS_MIN)}
        raise SettingsError(_say(tongue, kind, **words)) from None
    if not traces.whole:
        print(_say(tongue, "away"), file=sys.stderr)
    day = f"{traces.call.started_at.astimezone(PARIS):%d/%m/%Y}"
    print(_say(tongue, "call", id=traces.call.id, day=day))
    _print_journey(journey(traces.events, tongue, traces.names), tongue)


def _print_journey(told: Journey, tongue: Tongue) -> None:
    for line in told.lines:
        print(_written(line))
    print(_say(tongue, "summary", parts=" ; ".join(told.summary)))


def _written(line: Line) -> str:
    minutes, seconds = divmod(line.seconds, 60)
    return f"{line.at.astimezone(PARIS):%H:%M:%S}  {f'+{minutes}:{seconds:02}':>7}  {line.text}"


def _list(settings: Settings, options: argparse.Namespace) -> None:
    tongue: Tongue = options.lang
    seconds = seconds_in(options.since.strip())
    if not seconds:
        raise SettingsError(_say(tongue, "since", since=options.since[:40]))
    if not 1 <= options.limit <= CALLS_MAX:
        raise SettingsError(_say(tongue, "limit", limit=str(options.limit)))
    since = clock.now() - timedelta(seconds=seconds)
    calls, whole = _with_database(
        settings,
        lambda database: calls_since(database, settings.data / "journal", since, options.limit),
    )
    if not whole:
        print(_say(tongue, "away"), file=sys.stderr)
    if not calls:
        print(_say(tongue, "no_calls", since=options.since))
    letters = _letters_that_tell_apart([call.id for call in calls])
    for call in calls:
        print(_in_a_line(call, letters, tongue))


def _letters_that_tell_apart(ids: list[str]) -> int:
    letters = ID_LETTERS_SHOWN
    while letters < 32 and len({id_[:letters] for id_ in ids}) < len(ids):
        letters += 1
    return letters


def _in_a_line(call: Call, letters: int, tongue: Tongue) -> str:
    came = call.started_at.astimezone(PARIS)
    ended: datetime = call.ended_at or clock.now()
    lasted = told_duration((ended - call.started_at).total_seconds())
    what = [
        _coded(OUTCOMES, call.outcome, tongue) or _say(tongue, "going_on"),
        _coded(ENDED_BY, call.ended_by, tongue),
        _coded(LINES, call.line, tongue),
        call.agent_id or "",
        _say(tongue, "danger") if call.danger else "",
    ]
    told = ", ".join(word for word in what if word)
    return f"{call.id[:letters]}  {came:%d/%m %H:%M:%S}  {lasted:>12}  {told}"


def _coded(words: Mapping[str, Words], code: str | None, tongue: Tongue) -> str:
    return words[code][tongue] if code and code in words else code or ""


def _say(tongue: Tongue, kind: str, **words: str) -> str:
    return _SAID[kind][tongue].format(**words)


def _with_database(settings: Settings, work: Callable[[Database], Coroutine[Any, Any, T]]) -> T:
    """Do something with the database open. Raises SettingsError when it is of another version."""

    async def whole() -> T:
        database = create_database(settings.database)
        try:
            return await work(database)
        except WrongVersion as error:
            raise SettingsError(str(error)) from None
        finally:
            await database.close()

    return asyncio.run(whole())
