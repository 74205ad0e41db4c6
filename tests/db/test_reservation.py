"""Promises about the team on both databases: nobody is taken twice, nobody gets in by force."""

from __future__ import annotations

import asyncio
import uuid
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from sqlalchemy import select

from cti.records.database import Database, create_database
from cti.records.journal import Journal
from cti.records.models import Call, Event, Sealed
from cti.records.people import PeopleStore
from cti.records.privacy import Keys
from cti.records.record import Records
from cti.records.reports import talks_since

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


@pytest.fixture
def keys(tmp_path: Path) -> Keys:
    return Keys.load_or_create(tmp_path / "keys")


@pytest.fixture
async def people(database: Database, keys: Keys) -> PeopleStore:
    store = PeopleStore(database, keys)
    for agent_id in ("rosa", "remy"):
        await store.add(
            agent_id, name=agent_id.title(), roles=["regulator"], phone=agent_id, password="x" * 12
        )
        await store.set_presence(agent_id, "READY", None, None, datetime.now(UTC))
    return store


async def test_fifty_calls_that_want_one_agent_get_them_once(people: PeopleStore) -> None:
    calls = [uuid.uuid4().hex for _ in range(50)]
    won = await asyncio.gather(*(people.reserve("rosa", call) for call in calls))
    assert won.count(True) == 1
    rosa = next(agent for agent in await people.load() if agent.id == "rosa")
    assert (rosa.presence, rosa.call_id) == ("RESERVED", calls[won.index(True)])


async def test_two_processes_that_want_one_agent_get_them_once(
    people: PeopleStore, database: Database, keys: Keys
) -> None:
    url = database.engine.url.render_as_string(hide_password=False)
    other_database = create_database(url)
    other = PeopleStore(other_database, keys)
    for turn in range(10):
        await people.set_presence("rosa", "READY", None, None, datetime.now(UTC))
        won = await asyncio.gather(
            people.reserve("rosa", f"ours-{turn}"), other.reserve("rosa", f"theirs-{turn}")
        )
        assert won.count(True) == 1
    await other_database.close()


@pytest.mark.parametrize("presence", ["LOGGED_OUT", "NOT_READY", "RESERVED", "TALKING", "WRAP_UP"])
async def test_only_someone_ready_can_be_reserved(people: PeopleStore, presence: str) -> None:
    await people.set_presence("rosa", presence, None, "another-call", datetime.now(UTC))
    assert not await people.reserve("rosa", "this-call")
    assert await people.reserve("remy", "this-call")
    rosa = next(agent for agent in await people.load() if agent.id == "rosa")
    assert (rosa.presence, rosa.call_id) == (presence, "another-call")


async def test_whoever_is_as_they_were_last_written_can_be_reserved_and_nobody_else(
    people: PeopleStore,
) -> None:
    """A READY that is still on its way is not waited for; another's reservation is seen."""
    written = datetime.now(UTC)
    await people.set_presence("rosa", "WRAP_UP", None, "a-call", written)
    assert not await people.reserve("rosa", "this-call", NOON, NOON)
    taken_at = written + timedelta(seconds=1)
    won = await asyncio.gather(
        *(people.reserve("rosa", f"call-{n}", taken_at, written) for n in range(8))
    )
    assert won.count(True) == 1
    rosa = next(agent for agent in await people.load() if agent.id == "rosa")
    assert (rosa.presence, rosa.since_at) == ("RESERVED", taken_at)


async def test_what_people_have_had_today_is_read_back(
    database: Database, keys: Keys, tmp_path: Path
) -> None:
    records = Records(database, Journal(tmp_path / "journal"), keys)
    copying = asyncio.create_task(records.run())
    for number, minutes in enumerate((10, 30, 5, 15)):
        call, leg, began_at = f"call-{number}", f"leg-{number}", NOON + timedelta(hours=number)
        records.opened(
            call,
            channel_id=call,
            engine_id="e",
            number_dialled="0800190000",
            caller_number=None,
            language="fr",
            flow="accueil@1",
            at=began_at,
        )
        records.stage(call, "listening", danger=number == 1, danger_level=2 * (number == 2))
        for event, after in (("rung", 0), ("answered", 1), ("ended", minutes + 1)):
            at = began_at + timedelta(minutes=after)
            records.leg(call, leg, "lea", "listener", event, at)
    records.event("call.closed_kindly", call_id="call-3", agent_id="lea", why="abusive")
    records.leg("call-0", "leg-missed", "lea", "listener", "rung", NOON)
    records.leg("call-0", "leg-missed", "lea", "listener", "missed", NOON + timedelta(minutes=1))
    assert await records.flushed(5)
    talks = await talks_since(database, NOON)
    assert [(t.agent_id, t.minutes, t.hard) for t in talks] == [
        ("lea", 10, False),
        ("lea", 30, True),
        ("lea", 5, True),  # a high danger, as an agent judged it
        ("lea", 15, True),  # closed as abusive
    ]
    assert len(await talks_since(database, NOON + timedelta(minutes=30))) == 3
    copying.cancel()


async def test_nobody_is_reserved_under_an_unknown_name(people: PeopleStore) -> None:
    assert not await people.reserve("nobody", "this-call")


async def test_failures_counted_at_the_same_instant_all_count(people: PeopleStore) -> None:
    await asyncio.gather(*(people.record_failure(f"a{n}", "192.0.2.1") for n in range(8)))
    delay = await people.delay_seconds("someone-else", "192.0.2.1")
    assert 110 < delay <= 120  # 15 s doubled for the 6th, 7th and 8th


async def test_a_call_is_recorded_whole_with_moments_in_utc(
    database: Database, keys: Keys, tmp_path: Path
) -> None:
    journal = Journal(tmp_path / "journal")
    records = Records(database, journal, keys)
    copying = asyncio.create_task(records.run())
    paris = timezone(timedelta(hours=1))
    records.opened(
        "call",
        channel_id="channel",
        engine_id="engine",
        number_dialled="0800190000",
        caller_number="06 39 98 00 01",
        language="fr",
        at=NOON.astimezone(paris),
    )
    records.stage("call", "REGULATION", line="regulators\0", waiting_since_at=NOON)
    records.leg("call", "call-rosa-1", "rosa", "regulator", "rung", NOON)
    records.handover("call", "a text with half a character \ud800 in it")
    records.closed("call", outcome="abandoned", ended_by="caller", at=NOON + timedelta(seconds=9))
    assert await records.flushed(5)

    call = await records.call("call")
    assert call is not None
    assert call["line"] == "regulators"
    assert call["waiting_since_at"] == NOON
    assert call["started_at"] == NOON
    assert call["started_at"].utcoffset() == timedelta(0)
    assert await records.unseal("call", "caller_number") == "+33639980001"
    async with database.sessions() as session:
        assert len((await session.scalars(select(Call))).all()) == 1
        assert len((await session.scalars(select(Sealed))).all()) == 2
        events = (await session.scalars(select(Event).order_by(Event.id))).all()
    assert [event.type for event in events] == [
        "call.opened", "call.stage", "leg.rung", "call.handover", "call.closed",
    ]  # fmt: skip
    copying.cancel()
    journal.close()


async def test_an_entry_the_database_refuses_does_not_stop_the_next_ones(
    database: Database, keys: Keys, tmp_path: Path
) -> None:
    journal = Journal(tmp_path / "journal")
    records = Records(database, journal, keys)
    for number in range(3):
        journal.append("event", {"type": f"before-{number}", "call_id": None, "agent_id": None})
    journal.append("call.closed", {"nothing": "of what a closing needs"})
    journal.append("event", {"type": None, "call_id": None, "agent_id": None})  # breaks NOT NULL
    journal.append("event", {"type": "after", "call_id": None, "agent_id": None})
    copying = asyncio.create_task(records.run())
    assert await records.flushed(5)
    assert not records.degraded
    async with database.sessions() as session:
        types = (await session.scalars(select(Event.type).order_by(Event.id))).all()
    assert [t for t in types if t != "call.closed"] == ["before-0", "before-1", "before-2", "after"]
    copying.cancel()
    journal.close()
