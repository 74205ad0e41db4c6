"""What was last good: the team and its open sessions, in a file, for a start without the database.

A stolen copy of this file tells the names of the team, their phones' accounts (not their
passwords), who has a telephone of their own (its number is sealed, with a key kept elsewhere),
what they were doing, who had asked for help, and the ids of calls. It opens no door: of a session
it holds the hash of 256 random bits, which cannot be turned back, and a token for forms that is
worth nothing without them; of a password it holds nothing. Who can *write* it could let anybody
in, and can write the keys and the database beside it just as well; so a file that other accounts
may touch is not believed.
"""

from __future__ import annotations

import base64
import dataclasses
import json
import logging
import os
import stat
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Final, Protocol

from cti import clock
from cti.records.people import SESSION_IDLE, SESSION_TOUCHED_EVERY, AgentRow, hashed

log = logging.getLogger(__name__)

VERSION: Final = 3
FILE_NAME: Final = "people.json"
SESSIONS_KNOWN_MAX: Final = 1000


@dataclass(frozen=True)
class KnownSession:
    """A session that was good when it was last seen."""

    agent_id: str
    csrf: str = field(repr=False)
    expires_at: datetime
    seen_at: datetime


class SeenSession(Protocol):
    """A session as the database gives it."""

    @property
    def agent_id(self) -> str:
        """Who it is."""

    @property
    def csrf(self) -> str:
        """What their forms must carry."""

    @property
    def expires_at(self) -> datetime:
        """When it ends, used or not."""


class KnownSessions:
    """The sessions seen lately, by the hash of their secret: believed while the database is away.

    ``ended`` are those that were ended meanwhile, of which the database is still to be told.
    """

    def __init__(
        self, known: Mapping[str, KnownSession] | None = None, ended: Iterable[str] = ()
    ) -> None:
        self.known = dict(known or {})  # the least recently used first
        self.ended = set(ended)

    def saw(self, secret: str, session: SeenSession) -> None:
        """The database has just said that this session is good: its idle time begins again."""
        id_hash, now = hashed(secret), clock.now()
        before = self.known.pop(id_hash, None)
        recent = before is not None and now - before.seen_at < SESSION_TOUCHED_EVERY
        if len(self.known) >= SESSIONS_KNOWN_MAX:
            self.known.pop(next(iter(self.known)))
        self.known[id_hash] = KnownSession(
            session.agent_id,
            session.csrf,
            session.expires_at,
            before.seen_at if before is not None and recent else now,
        )

    def believed(self, secret: str) -> KnownSession | None:
        """The session of that secret when it was seen, whether or not its time is over."""
        return self.known.get(hashed(secret))

    def unseen(self, secret: str) -> None:
        """The database does not know this session, or no longer."""
        self.known.pop(hashed(secret), None)

    def end(self, secret: str) -> None:
        """End this session here and now, whatever the database still says."""
        self.unseen(secret)
        self.ended.add(hashed(secret))

    def is_ended(self, secret: str) -> bool:
        """Whether it was ended here."""
        return hashed(secret) in self.ended

    def told(self, id_hash: str) -> None:
        """The database has heard that this session is ended."""
        self.ended.discard(id_hash)


def is_over(session: KnownSession) -> bool:
    """Whether a session's time is over: its hours, or too long without use."""
    now = clock.now()
    return session.expires_at <= now or session.seen_at <= now - SESSION_IDLE


@dataclass(frozen=True)
class LastGood:
    """What serving needs of the team, as it was at one moment."""

    people: list[AgentRow]
    sessions: dict[str, KnownSession] = field(default_factory=dict)
    ended: list[str] = field(default_factory=list)


def load(folder: Path) -> LastGood | None:
    """What was last good, or None when there is nothing to believe."""
    path = folder / FILE_NAME
    try:
        if stat.S_IMODE(path.stat().st_mode) & 0o077:
            log.error("last_good.not_private", extra={"advice": f"Run: chmod 600 {path}"})
            return None
        return _read(json.loads(path.read_text("utf-8")))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        log.error("last_good.unreadable", extra={"error": type(error).__name__})
        return None


def save(folder: Path, good: LastGood) -> None:
    """Replace the file, all of it or nothing. Raises OSError. Blocks: not for the event loop."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    text = json.dumps(
        {"version": VERSION, **dataclasses.asdict(good)}, default=_plain, ensure_ascii=False
    )
    aside = folder / f"{FILE_NAME}.new"
    aside.unlink(missing_ok=True)
    handle = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(handle)
    aside.replace(folder / FILE_NAME)


def _plain(value: object) -> object:
    match value:
        case datetime():
            return value.isoformat()
        case frozenset():
            return sorted(value)
        case bytes():
            return base64.b64encode(value).decode()
        case _:
            raise TypeError(type(value).__name__)


def _read(raw: dict[str, Any]) -> LastGood:
    if raw["version"] != VERSION:
        raise ValueError("another version")
    return LastGood(
        [_row(person) for person in raw["people"]],
        {id_hash: _session(session) for id_hash, session in raw["sessions"].items()},
        [str(id_hash) for id_hash in raw["ended"]],
    )


def _row(raw: dict[str, Any]) -> AgentRow:
    sets: dict[str, Any] = {name: frozenset(raw[name]) for name in ("roles", "languages")}
    sealed = raw["own_number_sealed"]
    own = None if sealed is None else base64.b64decode(sealed, validate=True)
    moments: dict[str, Any] = {"since_at": datetime.fromisoformat(raw["since_at"])}
    if raw.get("shift_ends_at") is not None:  # a file of before has none of these
        moments["shift_ends_at"] = datetime.fromisoformat(raw["shift_ends_at"])
    if raw.get("following") is not None:
        presence, reason = raw["following"]
        sets["following"] = presence, reason
    if raw.get("help") is not None:
        since_at, call_id, by = raw["help"]
        sets["help"] = datetime.fromisoformat(since_at), call_id, by
    return AgentRow(**{**raw, **sets, **moments, "own_number_sealed": own})


def _session(raw: dict[str, Any]) -> KnownSession:
    moments = {name: datetime.fromisoformat(raw[name]) for name in ("expires_at", "seen_at")}
    return KnownSession(**{**raw, **moments})
