"""The record of each call: opened, followed stage by stage, closed, and counted once.

Everything a call says here goes to the journal at once, and from there to the
database in order, as soon as the database can take it. The path of a call
never waits for the database: one that is locked, full or down costs figures
for a while, never a call.
"""

from __future__ import annotations

import asyncio
import base64
import json
import logging
import random
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Literal, TypedDict, Unpack

from sqlalchemy import select
from sqlalchemy.exc import DBAPIError, IntegrityError, StatementError
from sqlalchemy.ext.asyncio import AsyncSession

from cti import clock
from cti.records.database import Database, DatabaseAway
from cti.records.journal import Entry, Journal
from cti.records.models import Call, Duty, Event, JournalPosition, Leg, Sealed
from cti.records.privacy import HANDOVER_KEPT, NUMBER_KEPT, Keys, Phone, SealBroken

log = logging.getLogger(__name__)

BATCH_ENTRIES_MAX: Final = 200
RETRY_SECONDS_MIN: Final = 0.1
RETRY_SECONDS_MAX: Final = 5.0
GATHERED_SECONDS: Final = 0.2  # what comes within this is copied together: one commit, not ten
IDLE_SECONDS_MAX: Final = 60.0  # how often the journal may let go of old files
READ_SECONDS_MAX: Final = 2.0  # what a call being taken back waits for the database
EVENT_TEXT_CHARS_MAX: Final = 80
EVENT_NUMBER_MAX: Final = 99_999  # six digits could be a telephone number

Outcome = Literal[
    "talked",
    "abandoned",
    "closed_hours",
    "no_staff",
    "duplicate",  # one call too many of a number at the same time
    "oriented",
    "relayed",  # led to a relay, and nobody of ours had answered
    "full",  # too many were waiting
    "left_line",  # the flow led them out of the line: by a key, or after a long wait
    "failed",
    "engine_restart",
]
EndedBy = Literal["caller", "agent", "line", "engine", "unknown"]
LegEvent = Literal["rung", "answered", "missed", "declined", "withdrawn", "lost", "ended"]

_STATES_A_CALL = frozenset({"call.opened", "call.restated"})  # entries that need none before them
_PERSONAL_KEYS = frozenset(
    {"name", "names", "number", "numbers", "phone", "note", "notes", "text", "email", "address"}
    | {"handover", "caller", "token"}
)
_CODE = re.compile(rf"[A-Za-z0-9_.:/-]{{0,{EVENT_TEXT_CHARS_MAX}}}")
_HEX_ID = re.compile(r"[0-9a-f]{32}")
_SIX_DIGITS = re.compile(r"(?:[0-9][_.:/-]*){6}")


class StageFields(TypedDict, total=False):
    """What a checkpoint may change of a call; a field left out stays as it was, None clears it."""

    line: str | None
    waiting_since_at: datetime | None
    agent_id: str | None
    leg_id: str | None
    language: str | None
    danger: bool
    step: str | None
    oriented_by: str | None
    oriented_to: str | None
    danger_level: int


@dataclass(frozen=True)
class OpenCall:
    """A call that was not closed: what the next process needs to take it back."""

    id: str
    engine_id: str
    channel_id: str
    number_dialled: str
    language: str | None
    caller_ref: str | None
    stage: str
    line: str | None
    waiting_since_at: datetime | None
    agent_id: str | None
    leg_id: str | None
    danger: bool
    flow: str | None
    step: str | None
    oriented_by: str | None
    oriented_to: str | None
    danger_level: int
    started_at: datetime
    answered_at: datetime | None


async def read_call(session: AsyncSession, call_id: str) -> dict[str, Any] | None:
    """A call's row and its legs, oldest first, by column; None when there is none."""
    call = await session.get(Call, call_id)
    if call is None:
        return None
    legs = await session.scalars(
        select(Leg).where(Leg.call_id == call_id).order_by(Leg.rung_at, Leg.id)
    )
    return {**_columns(call), "legs": [_columns(leg) for leg in legs]}


class Records:
    """Where calls say what happens to them. One instance per process.

    The methods that are not ``async`` return at once, whatever the state of the database.
    """

    def __init__(self, database: Database, journal: Journal, keys: Keys) -> None:
        self._database = database
        self._journal = journal
        self._keys = keys
        self._appended = asyncio.Event()
        self._copied = asyncio.Condition()
        self._copied_number = 0
        self._database_fails = False
        # The calls still open, and the entry that states each of them as a whole: the journal
        # holds it for as long as the call lasts, so that no database is needed to go on.
        self._open: dict[str, Call] = {}
        self._stated: dict[str, int] = {}
        for entry in journal.read(1):
            self._follow(entry)

    @property
    def degraded_by(self) -> list[str]:
        """What does not take what happens: ``database_away``, ``journal_disk``, both or none."""
        found = ["database_away"] if self._database_fails else []
        return found + (["journal_disk"] if self._journal.degraded else [])

    @property
    def degraded(self) -> bool:
        """True while the database or the journal's disk does not take what happens."""
        return bool(self.degraded_by)

    def opened(
        self,
        call_id: str,
        *,
        channel_id: str,
        engine_id: str,
        number_dialled: str,
        caller_number: str | None,
        language: str | None,
        at: datetime,
        flow: str | None = None,
    ) -> str | None:
        """A call begins. The caller's number is sealed here and leaves no other trace.

        Returns its pseudonym. A withheld number (None, ``anonymous``…) leaves no trace at all,
        and has none: None. Saying it twice is harmless.
        """
        data: dict[str, Any] = {
            "call_id": call_id,
            "channel_id": channel_id,
            "engine_id": engine_id,
            "number_dialled": number_dialled,
            "language": language,
            "flow": flow,
            "at": _stamp(at),
        }
        phone = Phone.parse(caller_number)
        caller_ref = self._keys.caller_ref(phone) if phone is not None else None
        if phone is not None:
            data["caller_ref"] = caller_ref
            data["sealed"] = self._seal(call_id, "caller_number", phone.e164, NUMBER_KEPT)
        self._append("call.opened", data)
        return caller_ref

    def stage(self, call_id: str, stage: str, **fields: Unpack[StageFields]) -> None:
        """The checkpoint of a call, written before it acts. Raises ValueError for another field."""
        unknown = fields.keys() - StageFields.__annotations__.keys()
        if unknown:
            raise ValueError(f"a checkpoint has no {', '.join(sorted(unknown))}")
        data: dict[str, Any] = {**fields}
        waiting_since_at = fields.get("waiting_since_at")
        if waiting_since_at is not None:
            data["waiting_since_at"] = _stamp(waiting_since_at)
        self._append("call.stage", {"call_id": call_id, "stage": stage, "set": data})

    def leg(
        self,
        call_id: str,
        leg_id: str,
        agent_id: str | None,
        role: str,
        event: LegEvent,
        at: datetime,
        why: str | None = None,
    ) -> None:
        """What happened to one phone of a call, and the code of its reason where there is one.

        The first ``answered`` is when a human answered the caller; that leg and its agent
        become the call's. Any event after it but ``rung`` ends the leg.
        """
        data = {"call_id": call_id, "leg_id": leg_id, "agent_id": agent_id, "role": role}
        if why is not None:
            data["why"] = why
        self._append(f"leg.{event}", {**data, "at": _stamp(at)})

    def sound(
        self, call_id: str, leg_id: str, agent_id: str, measured: Mapping[str, float], at: datetime
    ) -> None:
        """How the agent's browser heard the caller, all along a leg: columns of ``legs``."""
        data = {"call_id": call_id, "leg_id": leg_id, "agent_id": agent_id, "role": ""}
        self._append("leg.sound", {**data, "at": _stamp(at), "measured": dict(measured)})

    def handover(self, call_id: str, text: str) -> None:
        """What one agent wants the next to know. Sealed; the latest replaces the one before."""
        sealed = self._seal(call_id, "handover", text, HANDOVER_KEPT)
        self._append("call.handover", {"call_id": call_id, "sealed": sealed})

    def told(self, call_id: str, told: Mapping[str, str]) -> None:
        """What the caller told with keys. Sealed; the latest replaces the one before."""
        sealed = self._seal(call_id, "told", json.dumps(dict(told)), HANDOVER_KEPT)
        self._append("call.told", {"call_id": call_id, "sealed": sealed})

    def closed(self, call_id: str, *, outcome: Outcome, ended_by: EndedBy, at: datetime) -> None:
        """A call is over. The first closing counts, later ones change nothing."""
        data = {"call_id": call_id, "outcome": outcome, "ended_by": ended_by, "at": _stamp(at)}
        self._append("call.closed", data)

    def disposition(self, call_id: str, agent_id: str, disposition: str) -> None:
        """What the call came to, as the agent says in wrap-up; may come after ``closed``."""
        data = {"call_id": call_id, "agent_id": agent_id, "disposition": disposition}
        self._append("call.disposition", data)

    def on_duty(self, agent_id: str, from_at: datetime, to_at: datetime) -> None:
        """Somebody was on duty. Saying a later end of the same stretch makes it longer."""
        data = {"agent_id": agent_id, "from": _stamp(from_at), "to": _stamp(to_at)}
        self._append("duty", data)

    def event(
        self, type_: str, call_id: str | None = None, agent_id: str | None = None, **data: Any
    ) -> None:
        """Something worth counting, in codes and small numbers.

        Raises ValueError for a sentence, a number of six digits or more, or a key that
        promises a person.
        """
        codes = _codes_only(data)
        self._append("event", {"type": type_, "call_id": call_id, "agent_id": agent_id, **codes})

    async def open_calls(self) -> list[OpenCall]:
        """The calls that were not closed, oldest first, as the journal and the database tell.

        When the database does not answer within ``READ_SECONDS_MAX`` the journal
        alone tells: it holds every call that we opened and did not close.
        """

        async def work(session: AsyncSession) -> tuple[int, dict[str, Call]]:
            # The position first: entries copied meanwhile are then applied twice, not lost.
            position = await self._position(session)
            rows = await session.scalars(select(Call).where(Call.ended_at.is_(None)))
            return position, {call.id: call for call in rows}

        try:
            async with asyncio.timeout(READ_SECONDS_MAX):
                position, calls = await self._database.read(work)
        except (DatabaseAway, TimeoutError):
            log.warning("records.open_calls_from_journal_alone")
            return _oldest_first(self._open.values())
        for entry in self._journal.read(position + 1):
            follow(calls, entry)
        # A database that was lost and made anew does not know calls that are still going on.
        return _oldest_first((self._open | calls).values())

    async def call(self, call_id: str) -> dict[str, Any] | None:
        """What the database knows of a call, its legs included; None when it knows nothing.

        Raises DatabaseAway.
        """
        return await self._database.read(lambda session: read_call(session, call_id))

    async def unseal(
        self, call_id: str, field: Literal["caller_number", "handover", "told"]
    ) -> str | None:
        """What was sealed for a call, or None when there is nothing, or no longer.

        Raises SealBroken when it was altered or the key is another; DatabaseAway.
        """
        found: tuple[bytes, str] | None = None
        for entry in self._journal.read(self._copied_number + 1):
            sealed = entry.data.get("sealed")
            if entry.data.get("call_id") == call_id and sealed and sealed["field"] == field:
                found = base64.b64decode(sealed["ciphertext"]), sealed["key_id"]
        if found is None:
            row = await self._database.read(lambda session: session.get(Sealed, (call_id, field)))
            found = (row.ciphertext, row.key_id) if row else None
        return self._keys.unseal(call_id, field, *found) if found else None

    async def handover_text(self, call_id: str) -> str | None:
        """The latest hand-over of a call, for the path of a call: never raises, never lasts.

        None when there is none, or when it cannot be read within ``READ_SECONDS_MAX``.
        """
        return await self._unsealed(call_id, "handover")

    async def told_by(self, call_id: str) -> dict[str, str]:
        """What the caller told, likewise: empty when it cannot be read."""
        text = await self._unsealed(call_id, "told")
        return dict(json.loads(text)) if text else {}

    async def _unsealed(self, call_id: str, field: Literal["handover", "told"]) -> str | None:
        try:
            async with asyncio.timeout(READ_SECONDS_MAX):
                return await self.unseal(call_id, field)
        except (DatabaseAway, SealBroken, TimeoutError) as error:
            log.warning("records.unreadable", extra={"error": type(error).__name__})
            return None

    async def flushed(self, seconds_max: float) -> bool:
        """Wait until all that was said so far is in the database; False after ``seconds_max``."""
        wanted = self._journal.last_number
        try:
            async with asyncio.timeout(seconds_max), self._copied:
                await self._copied.wait_for(lambda: self._copied_number >= wanted)
        except TimeoutError:
            return False
        return True

    async def run(self) -> None:
        """Copy the journal into the database, in order, for as long as the process lives.

        Never returns. Cancel it at any moment: the next process goes on from the same entry.
        """
        failures = 0
        batch_max = BATCH_ENTRIES_MAX
        while True:
            self._appended.clear()
            try:
                more = await self._copy_batch(batch_max)
                batch_max = BATCH_ENTRIES_MAX
            except Exception as error:  # noqa: BLE001 - whatever it is, later calls are still copied
                if _is_entry_at_fault(error) and batch_max > 1:
                    batch_max = 1  # alone in its batch, the faulty entry will be known
                    continue
                failures += 1
                self._note_failure(error)
                longest = min(RETRY_SECONDS_MAX, RETRY_SECONDS_MIN * 2 ** min(failures, 10))
                await asyncio.sleep(random.uniform(RETRY_SECONDS_MIN, longest))  # noqa: S311 - a delay
                continue
            failures = 0
            self._forget_copied()
            if not more:
                await _wait(self._appended, IDLE_SECONDS_MAX)
                await asyncio.sleep(GATHERED_SECONDS)

    def _note_failure(self, error: Exception) -> None:
        if not self._database_fails:
            log.error("records.database_fails", extra={"error": type(error).__name__})
        self._database_fails = True

    def _append(self, op: str, data: dict[str, Any]) -> None:
        cleaned = _cleaned(data)
        number = self._journal.append(op, cleaned)
        self._follow(Entry(number, clock.now(), op, cleaned))
        self._appended.set()

    def _follow(self, entry: Entry) -> None:
        """Keep the calls still open true, in memory."""
        call_id = entry.data.get("call_id", "")
        known = call_id in self._open
        if entry.op in _STATES_A_CALL and not known:
            self._open[call_id] = _opened(entry)
        if entry.op == "call.restated" or (entry.op == "call.opened" and not known):
            self._stated[call_id] = entry.number  # an opening said twice tells less than it seems
        call = self._open.get(call_id)
        if call is None:
            return
        _advance(call, entry)
        if call.ended_at is not None:
            del self._open[call_id], self._stated[call_id]

    def _forget_copied(self) -> None:
        """Let go of what was copied; a call still open is first stated again, in a file that stays.

        Not while the disk refuses entries: the old file is then all that there is of the call.
        """
        kept_from = self._journal.first_kept(self._copied_number)
        for call_id, number in list(self._stated.items()):
            if number < kept_from and not self._journal.degraded:
                self._append("call.restated", _statement(self._open[call_id]))
        self._journal.forget(self._copied_number, min(self._stated.values(), default=None))

    def _seal(self, call_id: str, field: str, text: str, kept: timedelta) -> dict[str, str]:
        sealing = self._keys.seal(call_id, field, _clean_text(text))
        return {
            "field": field,
            "ciphertext": base64.b64encode(sealing.ciphertext).decode(),
            "key_id": sealing.key_id,
            "purpose": field,
            "purge_at": _stamp(clock.now() + kept),
        }

    async def _position(self, session: AsyncSession) -> int:
        position = await session.get(JournalPosition, self._journal.id)
        return position.number if position else 0

    async def _copy_batch(self, entries_max: int) -> bool:
        """Copy the next entries, all or none. Returns whether there may be more."""

        async def copy(session: AsyncSession) -> list[Entry]:
            entries = await self._next_entries(session, entries_max)
            # Held while we copy: a session forgets the rows that nobody else holds.
            session.info["known"] = await _known(session, entries)
            for entry in entries:
                await _apply(session, self._journal.id, entry)
            return entries

        try:
            entries = await self._database.write(copy)
        except Exception as error:
            if entries_max > 1 or not _is_entry_at_fault(error):
                raise
            entries = await self._database.write(lambda session: self._next_entries(session, 1))
            log.error("records.entry_refused", extra={"entry": entries[0].number})
        if entries:
            self._copied_number = entries[-1].number
        if self._database_fails:
            log.warning("records.database_back")
        self._database_fails = False
        async with self._copied:
            self._copied.notify_all()
        return len(entries) == entries_max

    async def _next_entries(self, session: AsyncSession, entries_max: int) -> list[Entry]:
        """The entries not copied yet; those returned count as copied once the session commits."""
        position = await self._position(session)
        self._copied_number = position
        entries = await asyncio.to_thread(self._journal.read, position + 1, entries_max)
        if entries:
            moved = JournalPosition(journal_id=self._journal.id, number=entries[-1].number)
            await session.merge(moved)
        return entries


def follow(calls: dict[str, Call], entry: Entry) -> None:
    """Make one entry true of the call it speaks of, which it may begin; calls are by id."""
    call = calls.get(entry.data.get("call_id") or "")
    if entry.op in _STATES_A_CALL and call is None:
        call = calls[entry.data["call_id"]] = _opened(entry)
    if call is not None:
        _advance(call, entry)


async def _wait(event: asyncio.Event, seconds_max: float) -> None:
    try:
        async with asyncio.timeout(seconds_max):
            await event.wait()
    except TimeoutError:
        return


def _is_entry_at_fault(error: Exception) -> bool:
    """Whether trying again can only fail again: the entry is wrong, not the database."""
    if isinstance(error, DBAPIError):
        # PostgreSQL classes 22 and 23: bad data, broken constraint.
        state = str(getattr(error.orig, "sqlstate", "") or "")
        return isinstance(error, IntegrityError) or state[:2] in ("22", "23")
    return isinstance(error, StatementError | KeyError | TypeError | ValueError)


async def _known(session: AsyncSession, entries: list[Entry]) -> list[Call | Leg]:
    """Load at once the rows that the entries speak of, so that each is not asked for again."""
    calls = {entry.data.get("call_id") for entry in entries} - {None}
    legs = {entry.data.get("leg_id") for entry in entries} - {None}
    known: list[Call | Leg] = []
    if calls:
        known += await session.scalars(select(Call).where(Call.id.in_(calls)))
    if legs:
        known += await session.scalars(select(Leg).where(Leg.id.in_(legs)))
    return known


async def _apply(session: AsyncSession, journal_id: str, entry: Entry) -> None:
    """Turn one entry into rows. Runs inside the transaction that also moves the position."""
    data = entry.data
    call_id = data.get("call_id")
    if entry.op == "duty":  # no event: events are kept for ever
        await session.merge(
            Duty(
                agent_id=data["agent_id"],
                from_at=_moment(data["from"]),
                to_at=_moment(data["to"]),
            )
        )
        return
    session.add(event_row(journal_id, entry))
    if entry.op == "event":
        return
    call = await session.get(Call, call_id) if call_id else None
    if call is None and entry.op in _STATES_A_CALL:
        call = _opened(entry)
        _advance(call, entry)
        session.add(call)
        await session.flush()  # its legs and sealed fields refer to it
    elif call is None:
        log.warning("records.call_unknown", extra={"call_id": call_id, "op": entry.op})
        return
    else:
        _advance(call, entry)
    if entry.op.startswith("leg."):
        await _apply_leg(session, call, entry)
    elif entry.op == "call.closed":
        await _end_legs(session, call)
    if "sealed" in data:
        await session.merge(_sealed_row(call.id, data["sealed"]))


async def _apply_leg(session: AsyncSession, call: Call, entry: Entry) -> None:
    data, happened = entry.data, entry.op.removeprefix("leg.")
    leg = await session.get(Leg, data["leg_id"])
    if leg is None:
        leg = Leg(
            id=data["leg_id"],
            call_id=call.id,
            engine_id=call.engine_id,
            agent_id=data["agent_id"],
            role=data["role"],
        )
        session.add(leg)
    at = _moment(data["at"])
    if happened == "sound":
        for name, value in data["measured"].items():
            setattr(leg, name, value)
    elif happened == "rung":
        leg.rung_at = leg.rung_at or at
    elif happened == "answered":
        leg.answered_at = leg.answered_at or at
    elif leg.ended_at is None:
        leg.ended_at = at
        leg.outcome = "talked" if happened == "ended" and leg.answered_at else happened


async def _end_legs(session: AsyncSession, call: Call) -> None:
    """No leg outlives its call: these ended while we were not there to see it."""
    left = await session.scalars(select(Leg).where(Leg.call_id == call.id, Leg.ended_at.is_(None)))
    for leg in left:
        leg.ended_at = call.ended_at
        leg.outcome = "talked" if leg.answered_at else "withdrawn"


def _opened(entry: Entry) -> Call:
    data = entry.data
    return Call(
        id=data["call_id"],
        engine_id=data["engine_id"],
        channel_id=data["channel_id"],
        number_dialled=data["number_dialled"],
        language=data["language"],
        stage="welcome",
        started_at=_moment(data["at"]),
        caller_ref=data.get("caller_ref"),
        danger=False,
        flow=data.get("flow"),
        danger_level=0,
    )


def _statement(call: Call) -> dict[str, Any]:
    """All that a call open for long needs to be taken back: the data of ``call.restated``."""
    set_: dict[str, Any] = {
        "line": call.line,
        "agent_id": call.agent_id,
        "leg_id": call.leg_id,
        "danger": call.danger,
        "step": call.step,
        "oriented_by": call.oriented_by,
        "oriented_to": call.oriented_to,
        "danger_level": call.danger_level,
    }
    for name in ("waiting_since_at", "answered_at"):
        moment: datetime | None = getattr(call, name)
        set_[name] = _stamp(moment) if moment is not None else None
    return {
        "call_id": call.id,
        "channel_id": call.channel_id,
        "engine_id": call.engine_id,
        "number_dialled": call.number_dialled,
        "caller_ref": call.caller_ref,
        "language": call.language,
        "flow": call.flow,
        "at": _stamp(call.started_at),
        "stage": call.stage,
        "set": set_,
    }


def _advance(call: Call, entry: Entry) -> None:
    """Make one entry true of a call; applying it twice changes nothing."""
    data = entry.data
    if entry.op in ("call.stage", "call.restated"):
        call.stage = data["stage"]
        for name, value in data["set"].items():
            moment = name.endswith("_at") and value is not None
            setattr(call, name, _moment(value) if moment else value)
    elif entry.op == "leg.answered":
        call.answered_at = call.answered_at or _moment(data["at"])
        call.agent_id, call.leg_id = data["agent_id"], data["leg_id"]
    elif entry.op == "call.disposition":
        call.disposition = data["disposition"]
    elif entry.op == "call.closed" and call.ended_at is None:
        call.stage = "ended"
        call.ended_at = _moment(data["at"])
        call.outcome, call.ended_by = data["outcome"], data["ended_by"]


def event_row(journal_id: str, entry: Entry) -> Event:
    """The entry as figures need it: without what points at the caller, sealed or not."""
    left_out = {
        "call_id", "agent_id", "at", "type", "sealed", "caller_ref", "channel_id", "number_dialled",
    }  # fmt: skip
    data = entry.data
    return Event(
        journal_id=journal_id,
        journal_number=entry.number,
        at=_moment(data["at"]) if "at" in data else entry.at,
        type=data["type"] if entry.op == "event" else entry.op,
        call_id=data.get("call_id"),
        agent_id=data.get("agent_id"),
        data={key: value for key, value in data.items() if key not in left_out},
    )


def _sealed_row(call_id: str, sealed: dict[str, str]) -> Sealed:
    return Sealed(
        call_id=call_id,
        field=sealed["field"],
        ciphertext=base64.b64decode(sealed["ciphertext"]),
        key_id=sealed["key_id"],
        purpose=sealed["purpose"],
        purge_at=_moment(sealed["purge_at"]),
    )


def _open_call(call: Call) -> OpenCall:
    return OpenCall(
        id=call.id,
        engine_id=call.engine_id,
        channel_id=call.channel_id,
        number_dialled=call.number_dialled,
        language=call.language,
        caller_ref=call.caller_ref,
        stage=call.stage,
        line=call.line,
        waiting_since_at=call.waiting_since_at,
        agent_id=call.agent_id,
        leg_id=call.leg_id,
        danger=call.danger,
        flow=call.flow,
        step=call.step,
        oriented_by=call.oriented_by,
        oriented_to=call.oriented_to,
        danger_level=call.danger_level,
        started_at=call.started_at,
        answered_at=call.answered_at,
    )


def _oldest_first(calls: Iterable[Call]) -> list[OpenCall]:
    still_open = [_open_call(call) for call in calls if call.ended_at is None]
    return sorted(still_open, key=lambda call: (call.started_at, call.id))


def _columns(row: Call | Leg) -> dict[str, Any]:
    return {column.key: getattr(row, column.key) for column in row.__mapper__.columns}


def _stamp(at: datetime) -> str:
    if at.tzinfo is None:
        raise ValueError("a moment without a time zone cannot be recorded: use aware UTC")
    return at.astimezone(UTC).isoformat()


def _moment(stamp: str) -> datetime:
    return datetime.fromisoformat(stamp)


def _clean_text(text: str) -> str:
    """What every database accepts: PostgreSQL refuses a NUL, both refuse half a character."""
    return text.replace("\0", "").encode("utf-8", "replace").decode()


def _cleaned(value: Any) -> Any:
    if isinstance(value, str):
        return _clean_text(value)
    if isinstance(value, dict):
        return {key: _cleaned(item) for key, item in value.items()}
    return value


def _codes_only(data: dict[str, Any]) -> dict[str, Any]:
    """The data of an event, refused when any of it could speak of a person."""
    for key, value in data.items():
        if _PERSONAL_KEYS & set(key.split("_")) or not _is_code(value):
            raise ValueError(f"an event may not hold {key}: only codes and numbers up to 5 digits")
    return {key: _stamp(v) if isinstance(v, datetime) else v for key, v in data.items()}


def _is_code(value: Any) -> bool:
    match value:
        case None | bool() | datetime():
            return True
        case int() | float():
            return abs(value) <= EVENT_NUMBER_MAX
        case str():
            return bool(_CODE.fullmatch(value)) and not _SIX_DIGITS.search(_HEX_ID.sub("", value))
        case list():
            return all(_is_code(item) for item in value)
        case _:
            return False
