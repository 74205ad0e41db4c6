"""Promises of the record: one true trace of each call, whatever becomes of the database."""

from __future__ import annotations

import asyncio
import logging
import random
import shutil
import sqlite3
import time
import uuid
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import time_machine
from argon2 import PasswordHasher
from sqlalchemy import event, select, text
from sqlalchemy.exc import IntegrityError, StatementError
from sqlalchemy.ext.asyncio import AsyncSession

from cti.records import database as database_module
from cti.records import people as people_module
from cti.records.database import (
    Database,
    DatabaseAway,
    DatabaseRefused,
    check_version,
    create_database,
)
from cti.records.journal import Journal
from cti.records.migrating import migrate
from cti.records.models import Call, Event, LoginFailure, Sealed
from cti.records.people import PeopleStore
from cti.records.privacy import Keys, Phone, SealBroken, purge
from cti.records.record import OpenCall, Records
from cti.records.reports import talks_before

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
CANARY = "0639987654"
CANARY_FORMS = ("0639987654", "33639987654", "639987654", "06 39 98 76 54")


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with its tables, made once and copied for each test."""
    path = tmp_path_factory.mktemp("template") / "fil.db"
    asyncio.run(migrate(f"sqlite:///{path}"))
    return path


class House:
    """A database, a journal and keys in one folder, and the records between them."""

    def __init__(self, folder: Path, template: Path) -> None:
        self.folder = folder
        self.database_file = folder / "fil.db"
        shutil.copy(template, self.database_file)
        self.keys = Keys.load_or_create(folder.parent / "keys")
        self.copying: asyncio.Task[None] | None = None
        self.open()

    def open(self) -> None:
        self.database = create_database(f"sqlite:///{self.database_file}")
        self.journal = Journal(self.folder / "journal")
        self.records = Records(self.database, self.journal, self.keys)

    def copy(self) -> None:
        self.copying = asyncio.create_task(self.records.run())

    async def flushed(self) -> None:
        if self.copying is None:
            self.copy()
        assert await self.records.flushed(5)

    async def stop(self) -> None:
        if self.copying is not None:
            self.copying.cancel()
            await asyncio.gather(self.copying, return_exceptions=True)
            self.copying = None
        self.journal.close()
        await self.database.close()

    def dial(self, call_id: str = "call", number: str | None = CANARY, at: datetime = NOON) -> None:
        self.records.opened(
            call_id,
            channel_id=f"channel-{call_id}",
            engine_id="engine",
            number_dialled="0800190000",
            caller_number=number,
            language="fr",
            at=at,
        )

    async def rows(self, model: Any) -> list[Any]:
        async with self.database.sessions() as session:
            return list((await session.scalars(select(model))).all())


@pytest.fixture
async def house(tmp_path: Path, template: Path) -> AsyncIterator[House]:
    (tmp_path / "house").mkdir()
    house = House(tmp_path / "house", template)
    yield house
    await house.stop()


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not true():  # noqa: ASYNC110 - what is awaited has no event of its own
            await asyncio.sleep(0.005)


def seconds(n: float) -> datetime:
    return NOON + timedelta(seconds=n)


def whole_call(house: House) -> None:
    """A caller, a regulator, a listener, a hang-up."""
    house.dial()
    house.records.stage("call", "REGULATION", line="regulators", waiting_since_at=seconds(1))
    house.records.leg("call", "call-rosa-1", "rosa", "regulator", "rung", seconds(2))
    house.records.leg("call", "call-rosa-1", "rosa", "regulator", "answered", seconds(6))
    house.records.handover("call", "Veut parler de son fils.")
    house.records.stage("call", "LISTENING", line="listeners", danger=True)
    house.records.leg("call", "call-lea-1", "lea", "listener", "rung", seconds(60))
    house.records.leg("call", "call-lea-1", "lea", "listener", "declined", seconds(63))
    house.records.leg("call", "call-louis-1", "louis", "listener", "rung", seconds(64))
    house.records.leg("call", "call-louis-1", "louis", "listener", "answered", seconds(70))
    house.records.leg("call", "call-rosa-1", "rosa", "regulator", "ended", seconds(71))
    house.records.leg("call", "call-louis-1", "louis", "listener", "ended", seconds(900))
    house.records.closed("call", outcome="talked", ended_by="caller", at=seconds(900))
    house.records.disposition("call", "louis", "ecoute")


async def test_a_whole_call_leaves_one_true_record(house: House) -> None:
    whole_call(house)
    await house.flushed()
    call = await house.records.call("call")
    assert call is not None
    assert (call["started_at"], call["answered_at"]) == (NOON, seconds(6))
    assert (call["ended_at"], call["outcome"]) == (seconds(900), "talked")
    assert (call["ended_by"], call["stage"], call["line"]) == ("caller", "ended", "listeners")
    assert (call["agent_id"], call["disposition"]) == ("louis", "ecoute")
    assert call["danger"] is True
    legs = [(leg["agent_id"], leg["outcome"]) for leg in call["legs"]]
    assert legs == [("rosa", "talked"), ("lea", "declined"), ("louis", "talked")]
    assert await house.records.open_calls() == []
    assert await house.records.call("unknown") is None


async def test_the_first_closing_counts(house: House) -> None:
    house.dial()
    house.records.closed("call", outcome="abandoned", ended_by="caller", at=seconds(9))
    house.records.closed("call", outcome="engine_restart", ended_by="unknown", at=seconds(99))
    await house.flushed()
    call = await house.records.call("call")
    assert call is not None
    assert (call["outcome"], call["ended_at"]) == ("abandoned", seconds(9))


async def test_a_leg_whose_end_nobody_saw_ends_with_its_call(house: House) -> None:
    house.dial()
    house.records.leg("call", "call-rosa-1", "rosa", "regulator", "rung", seconds(2))
    house.records.leg("call", "call-remy-2", "remy", "regulator", "rung", seconds(4))
    house.records.leg("call", "call-remy-2", "remy", "regulator", "answered", seconds(6))
    house.records.leg("call", "call-lea-3", "lea", "listener", "rung", seconds(7))
    house.records.leg("call", "call-lea-3", "lea", "listener", "missed", seconds(8))
    house.records.closed("call", outcome="talked", ended_by="unknown", at=seconds(9))
    await house.flushed()
    call = await house.records.call("call")
    assert call is not None
    legs = [(leg["outcome"], leg["ended_at"]) for leg in call["legs"]]
    assert legs == [("withdrawn", seconds(9)), ("talked", seconds(9)), ("missed", seconds(8))]


async def test_a_call_opened_twice_is_one_call(house: House) -> None:
    house.dial()
    house.records.stage("call", "REGULATION")
    house.dial()
    await house.flushed()
    (call,) = await house.rows(Call)
    assert call.stage == "REGULATION"


async def test_saying_something_never_waits_for_a_locked_database(house: House) -> None:
    house.copy()
    other = sqlite3.connect(house.database_file, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    before = time.monotonic()
    for n in range(100):
        house.dial(f"call-{n}", number=None)
        await asyncio.sleep(0)
    assert time.monotonic() - before < 0.5
    assert not await house.records.flushed(0.05)
    other.execute("COMMIT")
    other.close()
    await house.flushed()
    assert len(await house.rows(Call)) == 100


async def test_a_database_that_fails_is_said_and_caught_up_with_in_order(house: House) -> None:
    moved = house.database_file.with_suffix(".away")
    house.database_file.rename(moved)
    house.database_file.mkdir()  # nothing can be opened there
    house.copy()
    whole_call(house)
    await until(lambda: house.records.degraded)
    assert await house.records.open_calls() == []  # closed, though the database never heard of it
    house.dial("second")
    assert [call.id for call in await house.records.open_calls()] == ["second"]

    house.database_file.rmdir()
    moved.rename(house.database_file)
    await house.flushed()
    assert not house.records.degraded
    call = await house.records.call("call")
    assert call is not None
    assert call["outcome"] == "talked"
    types = [event.type for event in await house.rows(Event)]
    assert types[0] == "call.opened"
    assert len(types) == 15


async def test_a_read_only_database_is_said_and_caught_up_with(house: House) -> None:
    def make_read_only(connection: Any, _: Any) -> None:
        connection.cursor().execute("PRAGMA query_only=ON")

    engine = house.database.engine
    event.listen(engine.sync_engine, "connect", make_read_only)
    house.dial()
    house.copy()
    await until(lambda: house.records.degraded)
    event.remove(engine.sync_engine, "connect", make_read_only)
    await engine.dispose()
    await house.flushed()
    assert not house.records.degraded
    assert [call.id for call in await house.rows(Call)] == ["call"]


async def test_the_next_process_finds_every_open_call_where_it_was(house: House) -> None:
    house.dial("done", at=seconds(-60))
    house.records.closed("done", outcome="closed_hours", ended_by="line", at=seconds(-50))
    house.dial("talking")
    house.records.stage("talking", "REGULATION", line="regulators", waiting_since_at=seconds(1))
    house.records.stage("talking", "REGULATION", oriented_by="zoe", danger_level=3)
    await house.flushed()
    # From here on nothing reaches the database before the end.
    await house.stop()
    house.open()
    house.records.leg("talking", "talking-rosa-1", "rosa", "regulator", "answered", seconds(4))
    house.dial("waiting", at=seconds(5))
    house.records.stage("waiting", "REGULATION", line="regulators", waiting_since_at=seconds(6))
    await house.stop()

    house.open()
    talking, waiting = await house.records.open_calls()
    assert talking == OpenCall(
        id="talking",
        engine_id="engine",
        channel_id="channel-talking",
        number_dialled="0800190000",
        language="fr",
        caller_ref=house.keys.caller_ref(Phone("+33639987654")),
        stage="REGULATION",
        line="regulators",
        waiting_since_at=seconds(1),
        agent_id="rosa",
        leg_id="talking-rosa-1",
        danger=False,
        flow=None,
        step=None,
        oriented_by="zoe",
        oriented_to=None,
        danger_level=3,
        started_at=NOON,
        answered_at=seconds(4),
    )
    assert (waiting.id, waiting.waiting_since_at) == ("waiting", seconds(6))
    await house.flushed()
    assert await house.records.open_calls() == [talking, waiting]


async def test_open_calls_are_known_from_the_journal_when_the_database_is_gone(
    house: House,
) -> None:
    house.dial()
    house.records.stage("call", "LISTENING", line="listeners", agent_id="rosa")
    house.records.stage("call", "LISTENING", agent_id=None)
    house.database_file.unlink()
    house.database_file.mkdir()
    (call,) = await house.records.open_calls()
    assert (call.stage, call.line, call.agent_id) == ("LISTENING", "listeners", None)
    house.database_file.rmdir()


async def test_a_long_call_outlives_the_files_it_was_written_in_and_its_database(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cti.records.journal.SEGMENT_AGE_SECONDS_MAX", 0.0)
    monkeypatch.setattr("cti.records.record.IDLE_SECONDS_MAX", 0.01)
    house.dial()
    house.records.stage("call", "REGULATION", line="regulators", waiting_since_at=seconds(1))
    house.records.leg("call", "call-rosa-1", "rosa", "regulator", "answered", seconds(4))
    house.records.stage("call", "LISTENING", line="listeners", danger=True, language="en")
    await house.flushed()
    (before,) = await house.records.open_calls()
    journal = house.folder / "journal"
    await until(lambda: not any(b"call.opened" in p.read_bytes() for p in journal.iterdir()))
    for _ in range(2):  # each new process begins a new file, and lets go of the one before
        await house.stop()
        house.open()
        await house.flushed()
    await house.stop()

    house.database_file.rename(house.database_file.with_suffix(".away"))
    house.database_file.mkdir()
    house.open()
    assert await house.records.open_calls() == [before]
    assert (before.stage, before.danger, before.answered_at) == ("LISTENING", True, seconds(4))
    house.records.closed("call", outcome="talked", ended_by="caller", at=seconds(9))
    assert await house.records.open_calls() == []
    house.database_file.rmdir()
    house.database_file.with_suffix(".away").rename(house.database_file)
    await house.flushed()
    call = await house.records.call("call")
    assert call is not None
    assert (call["outcome"], call["answered_at"], call["line"]) == (
        "talked",
        seconds(4),
        "listeners",
    )


async def test_an_opening_said_twice_does_not_let_go_of_what_came_between(house: House) -> None:
    house.dial()
    house.records.stage("call", "LISTENING", line="listeners")
    await house.stop()
    house.open()
    house.dial()
    for _ in range(2):
        await house.flushed()
        await house.stop()
        house.open()
    house.database.shut = "away"
    (call,) = await house.records.open_calls()
    assert (call.stage, call.line) == ("LISTENING", "listeners")


async def test_a_call_goes_on_in_a_database_that_was_made_anew(
    house: House, template: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cti.records.journal.SEGMENT_AGE_SECONDS_MAX", 0.0)
    monkeypatch.setattr("cti.records.record.IDLE_SECONDS_MAX", 0.01)
    house.dial()
    house.records.stage("call", "LISTENING", line="listeners")
    await house.flushed()
    journal = house.folder / "journal"
    await until(lambda: not any(b"call.opened" in p.read_bytes() for p in journal.iterdir()))
    await house.stop()
    for path in house.folder.glob("fil.db*"):
        path.unlink()
    shutil.copy(template, house.database_file)
    house.open()
    house.records.closed("call", outcome="talked", ended_by="caller", at=seconds(9))
    await house.flushed()
    (call,) = await house.rows(Call)
    assert (call.line, call.started_at, call.outcome) == ("listeners", NOON, "talked")


async def test_the_file_that_holds_an_open_call_stays_while_the_disk_refuses_another(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.dial()
    await house.flushed()
    await house.stop()
    house.open()
    monkeypatch.setattr(Journal, "degraded", True)
    await house.flushed()
    journal = house.folder / "journal"
    assert any(b"call.opened" in path.read_bytes() for path in journal.iterdir())


async def test_a_database_that_is_shut_is_neither_read_nor_written(house: House) -> None:
    house.database.shut = "The database is older than this programme. Run: fil migrate"
    house.copy()
    house.dial()
    await until(lambda: house.records.degraded)
    with pytest.raises(DatabaseAway, match="Run: fil migrate"):
        await house.records.call("call")
    with pytest.raises(DatabaseAway, match="Run: fil migrate"):
        await purge(house.database, NOON)
    with sqlite3.connect(house.database_file) as other:
        assert other.execute("select count(*) from calls").fetchone() == (0,)
    other.close()
    house.database.shut = None
    await house.flushed()
    assert [call.id for call in await house.rows(Call)] == ["call"]


async def test_a_copy_interrupted_at_any_moment_copies_each_entry_once(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cti.records.record.BATCH_ENTRIES_MAX", 3)
    for n in range(40):
        house.dial(f"call-{n:02}", number=None)
    for turn in range(8):
        house.copy()
        await asyncio.sleep(0.004 * turn)
        await house.stop()
        house.open()
    await house.flushed()
    assert [e.journal_number for e in await house.rows(Event)] == list(range(1, 41))
    assert len(await house.rows(Call)) == 40


async def test_a_journal_that_was_lost_and_begun_again_is_still_copied(house: House) -> None:
    for n in range(5):
        house.dial(f"before-{n}")
    await house.flushed()
    await house.stop()
    shutil.rmtree(house.folder / "journal")
    house.open()
    house.dial("after")
    await house.flushed()
    assert "after" in [call.id for call in await house.rows(Call)]


async def test_a_caller_s_number_is_nowhere_in_clear(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    house.dial()
    house.records.handover("call", "Une phrase que personne d'autre ne doit lire.")
    on_disk = [b"".join(p.read_bytes() for p in house.folder.rglob("*") if p.is_file())]
    await house.flushed()
    on_disk.append(b"".join(p.read_bytes() for p in house.folder.rglob("*") if p.is_file()))
    assert b"call.opened" in on_disk[0]
    assert b"channel-call" in on_disk[1]
    logged = caplog.text + "".join(str(record.__dict__) for record in caplog.records)
    for form in (*CANARY_FORMS, "Une phrase"):
        assert form.encode() not in on_disk[0]
        assert form.encode() not in on_disk[1]
        assert form not in logged
    events = await house.rows(Event)
    ref = house.keys.caller_ref(Phone("+33639987654"))
    assert not any(ref in str(event.data) or "0800190000" in str(event.data) for event in events)
    assert await house.records.unseal("call", "caller_number") == "+33639987654"
    assert await house.records.unseal("call", "handover") == (
        "Une phrase que personne d'autre ne doit lire."
    )


async def test_the_handover_can_be_read_before_the_database_has_it(house: House) -> None:
    house.dial()
    house.records.handover("call", "première")
    house.records.handover("call", "seconde")
    assert await house.records.unseal("call", "handover") == "seconde"
    await house.flushed()
    assert await house.records.unseal("call", "handover") == "seconde"
    assert await house.records.unseal("unknown", "handover") is None


async def test_taking_a_call_back_never_waits_for_its_handover(house: House) -> None:
    house.dial()
    house.records.handover("call", "une phrase")
    await house.flushed()
    assert await house.records.handover_text("call") == "une phrase"
    async with house.database.writers.begin() as session:
        await session.execute(text("UPDATE sealed SET key_id = 'another'"))
    assert await house.records.handover_text("call") is None
    await house.stop()
    house.database_file.unlink()
    house.database_file.mkdir()
    house.open()
    assert await house.records.handover_text("call") == "une phrase"  # the journal has it still
    house.journal.close()
    shutil.rmtree(house.folder / "journal")
    house.open()
    assert await house.records.handover_text("call") is None


async def test_a_withheld_number_leaves_no_trace_at_all(house: House) -> None:
    house.dial("hidden", number=None)
    house.dial("anonymous", number="anonymous")
    await house.flushed()
    assert [call.caller_ref for call in await house.rows(Call)] == [None, None]
    assert await house.rows(Sealed) == []
    assert await house.records.unseal("hidden", "caller_number") is None


async def test_a_caller_who_calls_again_is_recognised_without_their_number(house: House) -> None:
    house.dial("first", number="06 39 98 00 01")
    house.dial("again", number="+33639980001")
    house.dial("other", number="0639980002")
    await house.flushed()
    refs = {call.id: call.caller_ref for call in await house.rows(Call)}
    assert refs["first"] == refs["again"] != refs["other"]


async def test_a_sealed_number_moved_to_another_call_cannot_be_read(house: House) -> None:
    house.dial("one")
    house.dial("two", number=None)
    await house.flushed()
    async with house.database.writers.begin() as session:
        await session.execute(text("UPDATE sealed SET call_id = 'two'"))
    with pytest.raises(SealBroken):
        await house.records.unseal("two", "caller_number")


async def test_what_is_sealed_dies_on_its_day_and_the_record_stays(house: House) -> None:
    with time_machine.travel(NOON, tick=True):
        house.dial()
        await house.flushed()
    (sealed,) = await house.rows(Sealed)
    ciphertext = sealed.ciphertext
    files = [house.database_file, house.database_file.with_suffix(".db-wal")]
    assert any(ciphertext in file.read_bytes() for file in files)
    assert await purge(house.database, NOON + timedelta(hours=23)) == 0
    assert await purge(house.database, NOON + timedelta(hours=24, minutes=1)) == 1
    assert not any(ciphertext in file.read_bytes() for file in files)
    assert await house.records.unseal("call", "caller_number") is None
    assert len(await house.rows(Call)) == 1


async def test_what_was_copied_does_not_linger_in_the_journal(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cti.records.journal.SEGMENT_AGE_SECONDS_MAX", 0.0)
    monkeypatch.setattr("cti.records.record.IDLE_SECONDS_MAX", 0.01)
    house.dial()
    await house.flushed()
    folder = house.folder / "journal"
    await until(lambda: not any(b"sealed" in p.read_bytes() for p in folder.iterdir()))


@pytest.mark.parametrize(
    "data",
    [
        {"name": "rosa"},
        {"caller_number": "x"},
        {"note": "x"},
        {"handover": "x"},
        {"detail": "0639980001"},
        {"detail": "06-39-98-00-01"},
        {"detail": "06 39 98 00 01"},
        {"detail": "+33639980001"},
        {"detail": 639980001},
        {"detail": 639980001.0},
        {"detail": -639980001},
        {"detail": ["0639980001"]},
        {"detail": {"deep": "x"}},
        {"detail": "Elle s'appelle Claire"},
        {"detail": "Claire\n"},
        {"detail": b"0639980001"},
        {"detail": "a" * 81},
    ],
)
async def test_an_event_that_could_speak_of_a_person_is_refused(
    house: House, data: dict[str, Any]
) -> None:
    with pytest.raises(ValueError, match="may not hold") as refused:
        house.records.event("line.opened", **data)
    assert "39980001" not in str(refused.value)
    assert "Claire" not in str(refused.value)
    assert house.journal.last_number == 0


async def test_an_event_of_codes_is_kept(house: House) -> None:
    leg_id = f"{uuid.UUID(int=2**127 + 12345678901234567890).hex}-rosa-1"
    house.records.event(
        "screen.lost", "call", "rosa", waited_ms=512, rate=0.25, late=True, leg=leg_id, at_=NOON,
        reason=None, lines=["regulators", "listeners"],
    )  # fmt: skip
    await house.flushed()
    (kept,) = await house.rows(Event)
    assert (kept.type, kept.call_id, kept.agent_id) == ("screen.lost", "call", "rosa")
    assert kept.data["waited_ms"] == 512
    assert kept.data["leg"] == leg_id


async def test_a_checkpoint_cannot_hold_what_it_does_not_know(house: House) -> None:
    house.dial()
    with pytest.raises(ValueError, match="colour"):
        house.records.stage("call", "REGULATION", colour="red")


async def test_a_moment_without_a_time_zone_is_refused(house: House) -> None:
    naive = NOON.replace(tzinfo=None)
    with pytest.raises(ValueError, match="time zone"):
        house.dial(at=naive)
    with pytest.raises(StatementError, match="time zone"):
        async with house.database.writers.begin() as session:
            session.add(LoginFailure(key="k", count=1, last_at=naive))


async def test_every_figure_can_be_recomputed_from_the_events_alone(house: House) -> None:
    chance = random.Random(20260302)
    for n in range(40):
        call_id, leg_id = f"call-{n}", f"call-{n}-rosa-1"
        say = partial(house.records.leg, call_id, leg_id, "rosa", "regulator")
        answered, ended = sorted(seconds(chance.uniform(1, 1800)) for _ in range(2))
        house.dial(call_id, number=None)
        say("rung", NOON)
        if chance.random() < 0.4:
            say("withdrawn", ended)
            house.records.closed(call_id, outcome="abandoned", ended_by="caller", at=ended)
            continue
        say("answered", answered)
        say("ended", ended)
        house.records.closed(call_id, outcome="talked", ended_by="agent", at=ended)
    await house.flushed()
    from_calls = figures_from_calls(await house.rows(Call))
    assert figures_from_events(await house.rows(Event)) == from_calls
    assert all(figure > 5 for figure in from_calls)


def figures_from_events(events: list[Event]) -> tuple[int, int, float]:
    answered: dict[str | None, datetime] = {}
    talk_seconds, abandoned = 0.0, 0
    for said in sorted(events, key=lambda said: said.journal_number):
        if said.type == "leg.answered":
            answered.setdefault(said.call_id, said.at)
        elif said.type == "call.closed" and said.call_id in answered:
            talk_seconds += (said.at - answered[said.call_id]).total_seconds()
        elif said.type == "call.closed" and said.data["outcome"] == "abandoned":
            abandoned += 1
    return len(answered), abandoned, talk_seconds


def figures_from_calls(calls: list[Call]) -> tuple[int, int, float]:
    talks = [
        (call.ended_at - call.answered_at).total_seconds()
        for call in calls
        if call.answered_at and call.ended_at
    ]
    return len(talks), sum(call.outcome == "abandoned" for call in calls), sum(talks)


# --- the database ---


@pytest.mark.parametrize(
    "url", ["", "nonsense", "mysql://fil:hunter2@host/fil", "sqlite://", "sqlite:///:memory:"]
)
def test_a_database_setting_that_cannot_work_is_refused_with_what_to_write(url: str) -> None:
    with pytest.raises(DatabaseRefused, match="Write sqlite:") as refused:
        create_database(url)
    assert "hunter2" not in str(refused.value)


async def test_a_damaged_database_is_said_in_plain_words(tmp_path: Path) -> None:
    (tmp_path / "fil.db").write_bytes(b"this is no database" * 100)
    database = create_database(f"sqlite:///{tmp_path / 'fil.db'}")
    with pytest.raises(DatabaseAway, match="does not answer"):
        await check_version(database)
    await database.close()


async def test_what_is_in_a_row_is_in_no_error_text(house: House) -> None:
    async def add(session: AsyncSession) -> None:
        session.add(LoginFailure(key="a-secret-key", count=1, last_at=NOON))

    await house.database.write(add)
    with pytest.raises(IntegrityError) as refused:
        await house.database.write(add)
    assert "a-secret-key" not in str(refused.value)


async def test_sqlite_is_opened_so_that_acknowledged_rows_survive(house: House) -> None:
    async def pragma(name: str) -> Any:
        async with house.database.engine.connect() as connection:
            return (await connection.execute(text(f"PRAGMA {name}"))).scalar()

    assert await pragma("journal_mode") == "wal"
    assert await pragma("synchronous") == 2  # FULL
    assert await pragma("busy_timeout") == database_module.SQLITE_BUSY_MS_MAX
    assert await pragma("foreign_keys") == 1
    assert await pragma("secure_delete") == 1


async def test_a_new_sqlite_file_is_readable_by_our_account_alone(tmp_path: Path) -> None:
    await migrate(f"sqlite:///{tmp_path / 'fil.db'}")
    assert (tmp_path / "fil.db").stat().st_mode & 0o077 == 0


async def test_writers_take_turns_instead_of_failing(house: House) -> None:
    await asyncio.gather(*(house.database.write(count_one) for _ in range(20)))
    (row,) = await house.rows(LoginFailure)
    assert row.count == 20


async def count_one(session: AsyncSession) -> None:
    row = await session.get(LoginFailure, "k")
    if row is None:
        session.add(LoginFailure(key="k", count=1, last_at=NOON))
    else:
        row.count += 1


async def test_those_who_give_up_waiting_never_leave_the_database_locked(house: House) -> None:
    chance = random.Random(7)
    await house.database.write(count_one)
    for _ in range(40):
        impatient = asyncio.create_task(house.database.write(count_one))
        await asyncio.sleep(chance.uniform(0, 0.01))
        impatient.cancel()
        await asyncio.gather(impatient, return_exceptions=True)
        async with asyncio.timeout(2):
            await house.database.write(count_one)


async def test_who_gives_up_waiting_takes_their_change_back(house: House) -> None:
    working, go_on = asyncio.Event(), asyncio.Event()

    async def slow(session: AsyncSession) -> None:
        await count_one(session)
        working.set()
        await go_on.wait()

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await house.database.write(slow)
    assert working.is_set()
    go_on.set()
    await house.database.write(lambda session: session.get(LoginFailure, "k"))  # after its turn
    assert await house.rows(LoginFailure) == []


# --- the people ---


@pytest.fixture
async def people(house: House, monkeypatch: pytest.MonkeyPatch) -> PeopleStore:
    # The real cost of a password is kept where it is what the test is about.
    monkeypatch.setattr(
        people_module, "_HASHER", PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    )
    store = PeopleStore(house.database, house.keys)
    await store.add(
        "rosa",
        name="Rosa",
        roles=["regulator", "supervisor"],
        languages=["fr", "en"],
        phone="rosa",
        password="une phrase de passe",
        sip_secret="s1p-s3cret",
    )
    return store


async def test_someone_signs_in_with_their_password_and_no_other(people: PeopleStore) -> None:
    assert await people.verify("rosa", "une phrase de passe") == "rosa"
    assert await people.verify(" Rosa ", "une phrase de passe") == "rosa"  # as phones type it
    assert await people.verify("rosa", "une autre phrase") is None
    assert await people.verify("nobody", "une phrase de passe") is None
    assert await people.verify("rosa\0", "une phrase de passe") is None
    assert await people.verify("rosa", "\ud800") is None


async def test_an_unknown_account_costs_the_same_work_as_a_wrong_password(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    people = PeopleStore(house.database, house.keys)
    await people.add("rosa", name="Rosa", roles=[], phone="rosa", password="une phrase")
    checked: list[str] = []

    def note(password_hash: str, password: str) -> bool:
        checked.append(password_hash.rsplit("$", 2)[0])
        return False

    monkeypatch.setattr(people_module, "_matches", note)
    for username in ("rosa", "nobody", "not an id at all", ""):
        assert await people.verify(username, "x") is None
    assert checked == ["$argon2id$v=19$m=19456,t=2,p=1"] * 4


async def test_the_team_is_loaded_as_it_was_left(people: PeopleStore) -> None:
    await people.set_presence("rosa", "NOT_READY", "pause", None, datetime.now(UTC))
    (rosa,) = await people.load()
    assert (rosa.id, rosa.name, rosa.phone) == ("rosa", "Rosa", "rosa")
    assert rosa.roles == {"regulator", "supervisor"}
    assert rosa.languages == {"fr", "en"}
    assert (rosa.presence, rosa.reason, rosa.call_id) == ("NOT_READY", "pause", None)


async def test_adding_someone_again_changes_them_and_keeps_their_presence(
    people: PeopleStore,
) -> None:
    await people.set_presence("rosa", "READY", None, None, datetime.now(UTC))
    await people.add("rosa", name="Rosa B.", roles=["listener"], phone="rosa", password="nouvelle")
    (rosa,) = await people.load()
    assert (rosa.name, rosa.presence) == ("Rosa B.", "READY")
    assert rosa.roles == {"listener"}
    assert await people.verify("rosa", "nouvelle") == "rosa"
    assert await people.sip_secrets() == {"rosa": "s1p-s3cret"}


@pytest.mark.parametrize("agent_id", ["", "Rosa", "rosa b", "../rosa", "r" * 65, "rosa\n"])
async def test_an_id_nobody_could_type_is_refused(people: PeopleStore, agent_id: str) -> None:
    with pytest.raises(ValueError, match="agent's id"):
        await people.add(agent_id, name="x", roles=[], phone="x", password="x")


async def test_secrets_of_the_team_are_nowhere_in_clear(people: PeopleStore, house: House) -> None:
    session = await people.create_session("rosa")
    await people.record_failure("rosa", "192.0.2.7")
    on_disk = b"".join(p.read_bytes() for p in house.folder.rglob("*") if p.is_file())
    assert b"$argon2id$" in on_disk
    for secret in ("une phrase de passe", "s1p-s3cret", session.secret, "192.0.2.7"):
        assert secret.encode() not in on_disk
    assert session.secret not in repr(session)
    assert session.csrf not in repr(session)
    assert await people.sip_secrets() == {"rosa": "s1p-s3cret"}


async def test_a_session_opens_until_it_is_revoked(people: PeopleStore) -> None:
    one = await people.create_session("rosa")
    two = await people.create_session("rosa", "token")
    found = await people.find_session(one.secret)
    assert found is not None
    assert (found.agent_id, found.kind, found.csrf) == ("rosa", "cookie", one.csrf)
    assert await people.find_session(one.secret + "x") is None
    await people.revoke(one.secret)
    assert await people.find_session(one.secret) is None
    assert await people.find_session(two.secret) is not None
    await people.revoke_all("rosa")
    assert await people.find_session(two.secret) is None


async def test_a_session_ends_after_30_minutes_unused_and_12_hours_in_all(
    people: PeopleStore,
) -> None:
    with time_machine.travel(NOON, tick=False) as clock:
        session = await people.create_session("rosa")
        for _ in range(24):
            clock.shift(timedelta(minutes=29))
            assert await people.find_session(session.secret) is not None
            await people.touch(session.secret)
        clock.move_to(NOON + timedelta(hours=12))
        assert await people.find_session(session.secret) is None

        idle = await people.create_session("rosa")
        clock.shift(timedelta(minutes=30))
        assert await people.find_session(idle.secret) is None


async def test_nobody_unknown_gets_a_session(people: PeopleStore) -> None:
    with pytest.raises(IntegrityError):
        await people.create_session("nobody")


async def test_five_failures_make_the_next_attempt_wait_longer_each_time(
    people: PeopleStore,
) -> None:
    with time_machine.travel(NOON, tick=False) as clock:
        waits = []
        for _ in range(13):
            await people.record_failure("rosa", "192.0.2.1")
            waits.append(await people.delay_seconds("Rosa", "198.51.100.9"))
        assert waits == [0, 0, 0, 0, 15, 30, 60, 120, 240, 480, 900, 900, 900]
        assert await people.delay_seconds("remy", "192.0.2.1") == 900  # the same address
        assert await people.delay_seconds("remy", "198.51.100.9") == 0
        clock.shift(timedelta(minutes=10))
        assert await people.delay_seconds("rosa", "198.51.100.9") == 300
        clock.shift(timedelta(minutes=5))
        assert await people.delay_seconds("rosa", "192.0.2.1") == 0
        await people.record_failure("rosa", "192.0.2.1")
        assert await people.delay_seconds("rosa", "192.0.2.1") == 0  # counted anew


async def test_signing_in_forgets_the_account_s_failures_not_the_address_s(
    people: PeopleStore,
) -> None:
    for _ in range(5):
        await people.record_failure("rosa", "192.0.2.1")
    await people.clear_failures("rosa")
    assert await people.delay_seconds("rosa", "198.51.100.9") == 0
    assert await people.delay_seconds("remy", "192.0.2.1") > 0


async def test_what_is_said_within_a_moment_is_copied_in_one_transaction(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.dial("first")
    await house.flushed()
    transactions = 0
    write = Database.write

    async def counted(self: Database, work: Any) -> Any:
        nonlocal transactions
        transactions += 1
        return await write(self, work)

    monkeypatch.setattr(Database, "write", counted)
    for number in range(10):
        house.records.event("menu.key", call_id="first", key=str(number))
        await asyncio.sleep(0.01)
    await house.flushed()
    assert transactions <= 3
    assert len([row for row in await house.rows(Event) if row.type == "menu.key"]) == 10


async def test_calls_and_legs_are_loaded_once_for_all_that_is_copied_together(
    house: House,
) -> None:
    calls = [f"call{number}" for number in range(5)]
    for call in calls:
        house.dial(call)
        house.records.leg(call, f"{call}-first", "rosa", "regulator", "rung", NOON)
    await house.flushed()
    asked: list[str] = []

    def note(_: Any, __: Any, statement: str, *___: Any) -> None:
        asked.append(statement)

    event.listen(house.database.engine.sync_engine, "before_cursor_execute", note)
    for happened in ("answered", "ended"):
        for call in calls:
            house.records.leg(call, f"{call}-first", "rosa", "regulator", happened, NOON)
            house.records.leg(call, f"{call}-{happened}", "remy", "regulator", "rung", NOON)
    await house.flushed()
    loaded = [statement for statement in asked if "FROM calls" in statement]
    assert len(loaded) <= 2
    # The ten legs that are new are looked for one by one.
    assert sum("FROM legs" in statement for statement in asked) <= 12
    assert {call.agent_id for call in await house.rows(Call)} == {"rosa"}


async def test_the_end_of_a_call_ends_no_leg_of_another(house: House) -> None:
    house.dial("one")
    house.dial("two")
    house.records.leg("two", "two-rosa-1", "rosa", "regulator", "rung", seconds(2))
    house.records.closed("one", outcome="talked", ended_by="caller", at=seconds(3))
    await house.flushed()
    call = await house.records.call("two")
    assert call is not None
    assert [leg["ended_at"] for leg in call["legs"]] == [None]


async def test_what_past_talks_lasted_is_read_back_the_oldest_first(house: House) -> None:
    whole_call(house)
    house.dial("second", at=seconds(950))
    house.records.leg("second", "second-lea-1", "lea", "listener", "rung", seconds(960))
    house.records.leg("second", "second-lea-1", "lea", "listener", "answered", seconds(1000))
    house.records.leg("second", "second-lea-1", "lea", "listener", "ended", seconds(1300))
    await house.flushed()

    assert await talks_before(house.database, "listener", NOON, 200) == [830.0, 300.0]
    assert await talks_before(house.database, "listener", NOON, 1) == [300.0]
    assert await talks_before(house.database, "listener", seconds(1000), 200) == [300.0]
    assert await talks_before(house.database, "regulator", NOON, 200) == [65.0]
