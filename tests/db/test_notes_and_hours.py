"""Notes, hours and talks on both databases: nothing overwritten, nothing counted twice."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from alembic import command
from sqlalchemy import select, text

from cti.records.database import MIGRATIONS, Database, DatabaseAway
from cti.records.form import load_form
from cti.records.journal import Journal
from cti.records.migrating import run_alembic
from cti.records.mine import Day, Mine
from cti.records.models import Duty, Event, Sealed
from cti.records.notes import ChangedElsewhere, Note, Notes
from cti.records.papers import FORM_TEMPLATE
from cti.records.privacy import DUTY_KEPT, Keys, purge
from cti.records.record import Records

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
FORM = load_form(FORM_TEMPLATE)
(MIGRATION,) = (MIGRATIONS / "versions").glob("*_notes_and_duty.py")
BEFORE_NOTES = f"{int(MIGRATION.name[:4]) - 1:04}"


@pytest.fixture
def keys(tmp_path: Path) -> Keys:
    return Keys.load_or_create(tmp_path / "keys")


@pytest.fixture
async def records(database: Database, keys: Keys, tmp_path: Path) -> AsyncIterator[Records]:
    journal = Journal(tmp_path / "journal")
    records = Records(database, journal, keys)
    copying = asyncio.create_task(records.run())
    yield records
    copying.cancel()
    await asyncio.gather(copying, return_exceptions=True)
    journal.close()


def dial(records: Records, call_id: str = "call", at: datetime = NOON) -> None:
    records.opened(
        call_id, channel_id=call_id, engine_id="e", number_dialled="0800190000",
        caller_number="06 39 98 00 01", language="fr", at=at,
    )  # fmt: skip


def talk(
    records: Records, call_id: str, leg_id: str, agent: str, at: datetime, minutes: float | None
) -> None:
    records.leg(call_id, leg_id, agent, "listener", "rung", at)
    records.leg(call_id, leg_id, agent, "listener", "answered", at)
    if minutes is not None:
        records.leg(call_id, leg_id, agent, "", "ended", at + timedelta(minutes=minutes))


async def test_of_many_pages_that_save_at_once_one_wins_and_the_others_are_told(
    database: Database, keys: Keys, records: Records
) -> None:
    dial(records)
    assert await records.flushed(5)
    notes = Notes(database, keys)

    async def save(page: int, version: int) -> Note | ChangedElsewhere:
        try:
            return await notes.save("call", "lea", FORM, {"note": str(page)}, version, NOON)
        except ChangedElsewhere as changed:
            return changed

    for version in range(3):
        answers = await asyncio.gather(*(save(page, version) for page in range(8)))
        (won,) = [one for one in answers if isinstance(one, Note)]
        lost = [one for one in answers if isinstance(one, ChangedElsewhere)]
        assert won.version == version + 1
        assert {(one.note.version, one.note.values["note"]) for one in lost} == {
            (won.version, won.values["note"])
        }
        assert await notes.read("call", "lea") == won


async def test_the_answers_of_one_agent_are_never_another_s(
    database: Database, keys: Keys, records: Records
) -> None:
    """Names that begin alike, or hold what a pattern would understand."""
    dial(records)
    assert await records.flushed(5)
    notes = Notes(database, keys)
    people = ["lea", "lea.b", "l_a", "lea-b", "le%"]
    for agent in people:
        await notes.save("call", agent, FORM, {"note": agent, "danger": True}, 0, NOON)
    await notes.save("call", "l_a", FORM, {}, 1, NOON)
    found = {agent: (await notes.read("call", agent)).values for agent in people}
    assert found.pop("l_a") == {}
    assert found == {agent: {"note": agent, "danger": True} for agent in found}
    async with database.sessions() as session:
        names = {row.field for row in await session.scalars(select(Sealed))}
    assert "caller_number" in names  # what is no note stays


async def test_a_note_of_a_call_that_is_not_there_yet_waits(database: Database, keys: Keys) -> None:
    with pytest.raises(DatabaseAway):
        await Notes(database, keys).save("call", "lea", FORM, {"danger": True}, 0, NOON)


async def test_whoever_talked_may_write_and_nobody_who_was_only_rung(
    database: Database, keys: Keys, records: Records
) -> None:
    dial(records)
    talk(records, "call", "l1", "lea", NOON, 30)
    records.leg("call", "l2", "louis", "listener", "rung", NOON)
    talk(records, "call", "l3", "rosa", NOON, None)
    assert await records.flushed(5)
    notes = Notes(database, keys)
    for agent, after_minutes, expected in (
        ("lea", 149, True),
        ("lea", 151, False),
        ("louis", 1, False),
        ("rosa", 149, True),
        ("sam", 1, False),
    ):
        now = NOON + timedelta(minutes=after_minutes)
        assert await notes.may_still_write("call", agent, now) is expected, agent


async def test_a_stretch_of_duty_is_one_row_however_often_it_is_written(
    database: Database, records: Records
) -> None:
    for minutes in (5, 10, 12):
        records.on_duty("lea", NOON, NOON + timedelta(minutes=minutes))
    assert await records.flushed(5)
    async with database.sessions() as session:
        (row,) = await session.scalars(select(Duty))
        assert (row.agent_id, row.from_at, row.to_at) == ("lea", NOON, NOON + timedelta(minutes=12))
        assert (await session.scalars(select(Event))).all() == []  # events are kept for ever
    await purge(database, NOON + DUTY_KEPT)
    async with database.sessions() as session:
        assert len((await session.scalars(select(Duty))).all()) == 1
    await purge(database, NOON + DUTY_KEPT + timedelta(minutes=12))
    async with database.sessions() as session:
        assert (await session.scalars(select(Duty))).all() == []


async def test_days_begin_at_midnight_in_paris_and_the_night_of_the_clocks_has_its_hours(
    database: Database, records: Records
) -> None:
    """In the night to 29 March 2026 clocks go from 2 to 3: that day has 23 hours."""
    evening = datetime(2026, 3, 28, 22, 30, tzinfo=UTC)  # 23:30 in Paris
    records.on_duty("lea", evening, datetime(2026, 3, 29, 22, 30, tzinfo=UTC))  # 0:30 on the 30th
    records.on_duty("louis", evening, evening + timedelta(hours=9))
    dial(records, at=evening)
    talk(records, "call", "l1", "lea", evening + timedelta(minutes=10), 40)  # past midnight
    talk(records, "call", "l2", "lea", evening + timedelta(minutes=55), 5)  # the same caller
    talk(records, "call", "l3", "lea", evening + timedelta(minutes=65), 5)
    talk(records, "call", "l4", "louis", evening, 60)
    assert await records.flushed(5)
    now = datetime(2026, 3, 30, 12, 0, tzinfo=UTC)
    days = await Mine(database).hours("lea", 4, now, None)
    assert [(day.day.day, day.on_duty_minutes, day.talking_minutes, day.talks) for day in days] == [
        (27, 0, 0, 0),
        (28, 30, 20, 1),
        (29, 23 * 60, 30, 1),
        (30, 30, 0, 0),
    ]


async def test_the_stretch_and_the_talk_that_go_on_count_until_now_and_once(
    database: Database, records: Records
) -> None:
    dial(records)
    records.on_duty("lea", NOON, NOON + timedelta(minutes=5))
    talk(records, "call", "l1", "lea", NOON + timedelta(minutes=2), None)
    assert await records.flushed(5)
    now = NOON + timedelta(minutes=9)
    assert await Mine(database).hours("lea", 1, now, NOON) == [Day(NOON.date(), 9, 7, 1)]
    assert await Mine(database).hours("lea", 1, now, None) == [Day(NOON.date(), 5, 7, 1)]


async def test_talks_are_one_s_own_with_what_one_said_of_them(
    database: Database, keys: Keys, records: Records
) -> None:
    for number in range(3):
        dial(records, f"call-{number}", NOON + timedelta(hours=number))
        talk(records, f"call-{number}", f"l{number}", "lea", NOON + timedelta(hours=number), number)
    talk(records, "call-1", "other", "rosa", NOON, 30)
    records.leg("call-2", "missed", "lea", "listener", "rung", NOON)
    records.disposition("call-1", "lea", "autre")
    records.disposition("call-1", "lea", "ecoute")
    records.disposition("call-2", "rosa", "orientation")
    assert await records.flushed(5)
    await Notes(database, keys).save("call-1", "lea", FORM, {"danger": True}, 0, NOON)
    await Notes(database, keys).save("call-2", "rosa", FORM, {"danger": True}, 0, NOON)
    mine = Mine(database)
    found = await mine.talks("lea", 1, NOON + timedelta(hours=3))
    assert [(one.call, one.talk_seconds, one.disposition, one.note) for one in found] == [
        ("call-2", 120, None, False),
        ("call-1", 60, "ecoute", True),
        ("call-0", 0, None, False),
    ]
    assert {one.role for one in found} == {"listener"}
    assert await mine.talks("lea", 1, NOON + timedelta(hours=24)) == []
    assert len(await mine.talks("lea", 2, NOON + timedelta(hours=24))) == 3
    assert await mine.talks("sam", 30, NOON) == []
    await purge(database, NOON + timedelta(days=365))  # the answers are gone
    assert not any(one.note for one in await mine.talks("lea", 1, NOON + timedelta(hours=3)))


async def test_notes_go_with_their_tables_and_nothing_sealed_is_left_of_them(
    database: Database, keys: Keys, records: Records
) -> None:
    dial(records)
    assert await records.flushed(5)
    await Notes(database, keys).save("call", "lea", FORM, {"note": "x"}, 0, NOON)
    async with database.engine.execution_options(writes=True).begin() as connection:
        await run_alembic(connection, command.downgrade, BEFORE_NOTES)
        left = await connection.scalars(text("SELECT field FROM sealed"))
        assert list(left) == ["caller_number"]
