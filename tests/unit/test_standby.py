"""Serving without the database: start from what was last good, and take it back whole."""

from __future__ import annotations

import asyncio
import dataclasses
import errno
import shutil
import sqlite3
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from cti import clock
from cti import standby as standby_module
from cti.config import load
from cti.people.agents import Agent, Presence
from cti.people.team import Team
from cti.records import last_good
from cti.records.database import DatabaseAway, WrongVersion, create_database
from cti.records.migrating import migrate
from cti.records.people import AgentRow, PeopleStore, hashed
from cti.records.privacy import Keys
from cti.standby import Standby

CALL = "a" * 32


class House:
    """A line without a telephone: its data directory, its team, and what stands in."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.file = folder / "fil.sqlite"
        self.reloaded = 0
        (folder / "engine/etc").mkdir(parents=True, exist_ok=True)

    @asynccontextmanager
    async def started(self) -> AsyncIterator[House]:
        """One life of the process."""
        settings = load({"FIL_DATA": str(self.folder)})
        self.database = create_database(settings.database)
        self.store = PeopleStore(self.database, Keys.load_or_create(self.folder / "secrets"))
        self.standby = Standby(settings, self.database, self.store)
        work = None
        try:
            people = await self.standby.people()
            self.team = Team(people, self.store, lambda *_: None, wrap_up_seconds=60)
            work = asyncio.gather(self.team.run(), self.standby.run(self.house()))
            yield self
        finally:
            if work is not None:
                work.cancel()
                await asyncio.gather(work, return_exceptions=True)
            await self.standby.close()
            await self.database.close()

    def house(self) -> Any:
        async def reload(moduleName: str) -> None:  # noqa: N803 - the engine's word
            self.reloaded += 1

        asterisk = SimpleNamespace(reloadModule=reload)
        return SimpleNamespace(
            team=self.team,
            records=SimpleNamespace(degraded_by=[]),
            flows=SimpleNamespace(wrong={}),
            exchange=SimpleNamespace(ari=SimpleNamespace(asterisk=asterisk)),
        )

    @property
    def reasons(self) -> list[str]:
        return self.standby.reasons(self.house())

    def rosa(self) -> Agent:
        return self.team.agents["rosa"]

    def kept(self) -> last_good.LastGood | None:
        return last_good.load(self.folder / "last-good")

    def kept_presence(self) -> str | None:
        kept = self.kept()
        return (
            next((row.presence for row in kept.people if row.id == "rosa"), None) if kept else None
        )

    def ask(self, sql: str) -> list[Any]:
        with sqlite3.connect(self.file) as other:
            found = other.execute(sql).fetchall()
        other.close()
        return found

    def phones(self) -> str:
        path = self.folder / "engine/etc/phones.conf"
        return path.read_text() if path.exists() else ""


async def make(folder: Path) -> None:
    """A database with Rosa and Léa."""
    await migrate(f"sqlite:///{folder / 'fil.sqlite'}")
    database = create_database(f"sqlite:///{folder / 'fil.sqlite'}")
    store = PeopleStore(database, Keys.load_or_create(folder / "secrets"))
    for id_, role in (("rosa", "regulator"), ("lea", "listener")):
        await store.add(
            id_, name=id_, roles=[role], phone=id_, password="x" * 12, sip_secret=f"sip-{id_}"
        )
    await database.close()


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data directory, made once and copied for each test."""
    folder = tmp_path_factory.mktemp("made")
    asyncio.run(make(folder))
    return folder


@pytest.fixture
def house(tmp_path: Path, made: Path, monkeypatch: pytest.MonkeyPatch) -> House:
    for name in ("LOOK_EVERY_SECONDS", "LOOK_AGAIN_SECONDS", "SAVE_EVERY_SECONDS"):
        monkeypatch.setattr(standby_module, name, 0.05)
    monkeypatch.setattr(standby_module, "TELL_EVERY_SECONDS", 0.01)
    return House(shutil.copytree(made, tmp_path / "data"))


async def until(true: Callable[[], bool], seconds_max: float = 5) -> None:
    async with asyncio.timeout(seconds_max):
        while not true():  # noqa: ASYNC110 - what is awaited has no event of its own
            await asyncio.sleep(0.01)


def away(house: House) -> None:
    house.file.rename(house.file.with_suffix(".away"))
    house.file.mkdir()


def back(house: House) -> None:
    house.file.rmdir()
    house.file.with_suffix(".away").rename(house.file)


async def lived_once(house: House) -> None:
    """A life in which Rosa took a call."""
    async with house.started():
        house.team.move(house.rosa(), Presence.READY)
        assert await house.team.reserve(house.rosa(), CALL)
        await until(lambda: house.kept_presence() == "RESERVED")


async def test_the_very_first_start_without_a_database_says_what_is_wrong(house: House) -> None:
    away(house)
    with pytest.raises(DatabaseAway):
        async with house.started():
            pass
    back(house)
    house.ask("update alembic_version set version_num = 'ffff'")
    with pytest.raises(WrongVersion, match="newer version"):
        async with house.started():
            pass


async def test_the_next_process_knows_the_team_as_it_was_and_the_call_of_each(
    house: House,
) -> None:
    await lived_once(house)
    phones = house.phones()
    assert "password=sip-rosa" in phones
    away(house)
    async with house.started():
        assert (house.rosa().presence, house.rosa().call_id) == (Presence.RESERVED, CALL)
        assert house.reasons == ["database_away"]
        assert house.phones() == phones
        back(house)
        await until(lambda: house.reasons == [])
        assert house.reloaded == 1


async def test_a_database_that_hangs_costs_a_second_and_a_half_at_the_start(house: House) -> None:
    await lived_once(house)
    other = sqlite3.connect(house.file, isolation_level=None)
    other.execute("PRAGMA locking_mode=EXCLUSIVE")
    other.execute("BEGIN EXCLUSIVE")
    began = time.monotonic()
    async with house.started():
        assert time.monotonic() - began < 1.5 + 2  # the driver alone would wait for 5 s
        assert house.reasons == ["database_away"]
        other.close()
        await until(lambda: house.reasons == [], 10)


async def test_once_it_is_back_memory_wins_and_newcomers_join(house: House) -> None:
    await lived_once(house)
    away(house)
    async with house.started():
        house.team.move(house.rosa(), Presence.NOT_READY, "pause")
        back(house)
        house.ask("update agents set presence = 'NOT_READY' where id = 'lea'")
        house.ask("update agents set presence = 'LOGGED_OUT', name = 'Rosa B.' where id = 'rosa'")
        house.ask(
            "insert into agents (id, name, roles, languages, phone, password_hash, presence,"
            " since_at, skills, stands_in) select 'ada', name, roles, languages, 'ada',"
            " password_hash, 'LOGGED_OUT', since_at, skills, stands_in from agents"
            " where id = 'lea'"
        )
        await until(
            lambda: house.ask("select presence from agents where id = 'rosa'") == [("NOT_READY",)]
        )
        await until(
            lambda: house.ask("select presence from agents where id = 'lea'") == [("LOGGED_OUT",)]
        )
        assert house.rosa().name == "Rosa B."
        assert "ada" in house.team.agents


async def test_a_presence_that_the_database_missed_before_we_were_killed_is_not_forgotten(
    house: House,
) -> None:
    await lived_once(house)
    away(house)
    async with house.started():
        house.team.move(house.rosa(), Presence.NOT_READY, "pause")
        await until(
            lambda: '"pause"' in (house.file.parent / "last-good" / last_good.FILE_NAME).read_text()
        )
    back(house)
    async with house.started():
        assert (house.rosa().presence, house.rosa().reason) == (Presence.NOT_READY, "pause")
        await until(
            lambda: house.ask("select presence from agents where id = 'rosa'") == [("NOT_READY",)]
        )
    house.ask("update agents set presence = 'READY', since_at = '2099-01-01 00:00:00.000000'")
    async with house.started():
        assert house.rosa().presence is Presence.READY


async def test_what_was_said_of_a_shift_and_of_after_a_call_outlives_us(house: House) -> None:
    ends_at = clock.now() + timedelta(hours=2)
    async with house.started():
        rosa, lea = house.rosa(), house.team.agents["lea"]
        house.team.move(rosa, Presence.TALKING, None, CALL)
        await house.team.set_presence(rosa, Presence.NOT_READY, "debriefing")
        house.team.move(lea, Presence.TALKING, None, CALL)
        await house.team.set_presence(lea, Presence.LOGGED_OUT, None)
        house.team.start_wrap_up(lea, CALL)
        assert await house.team.wrapup_done(lea, CALL, "autre") is None
        house.team.set_duty(rosa, ends_at, one_more=True)
        await until(lambda: house.kept_presence() == "TALKING")
        await asyncio.sleep(0.2)
    async with house.started():
        rosa, lea = house.rosa(), house.team.agents["lea"]
        assert (rosa.shift_ends_at, rosa.one_more) == (ends_at, True)
        house.team.start_wrap_up(rosa, CALL)
        assert await house.team.wrapup_done(rosa, CALL, "autre") is None
        assert (rosa.presence, rosa.reason) == (Presence.NOT_READY, "debriefing")
        assert (lea.presence, lea.following, lea.shift_ends_at) == (
            Presence.LOGGED_OUT,
            None,
            None,
        )


def kept_people(house: House) -> list[AgentRow]:
    kept = house.kept()
    return kept.people if kept else []


async def test_a_request_for_help_outlives_us(house: House) -> None:
    async with house.started():
        rosa, lea = house.rosa(), house.team.agents["lea"]
        house.team.move(rosa, Presence.TALKING, None, CALL)
        assert house.team.helping.ask(rosa, CALL) is None
        assert house.team.helping.ask(lea, None) is None
        assert house.team.helping.answer(rosa, "lea") is None
        asked = rosa.help, lea.help
        await until(lambda: [row.help is not None for row in kept_people(house)] == [True, True])
    async with house.started():
        assert (house.rosa().help, house.team.agents["lea"].help) == asked
        assert house.team.snapshot(house.rosa())["help"]["call"] == {"id": CALL}
        house.team.helping.over(house.rosa())
        await until(lambda: [row.id for row in kept_people(house) if row.help] == ["lea"])
    async with house.started():
        assert house.rosa().help is None


async def test_another_version_is_left_alone_and_said_until_it_is_right(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    await lived_once(house)
    (version,) = house.ask("select version_num from alembic_version")[0]
    house.ask("update alembic_version set version_num = 'ffff'")
    async with house.started():
        screen: list[Any] = []
        house.rosa().outbox.open_screen(lambda message: screen.append(message.data))
        assert house.reasons == ["database_version"]
        house.team.move(house.rosa(), Presence.NOT_READY, "pause")
        await until(lambda: any(data.get("degraded") for data in screen))
        await asyncio.sleep(0.3)  # time enough for a write that must not be
        assert house.ask("select presence from agents where id = 'rosa'") == [("RESERVED",)]
        house.ask(f"update alembic_version set version_num = '{version}'")
        await until(lambda: house.reasons == [])
        await until(lambda: screen[-1].get("degraded") is False)
        await until(
            lambda: house.ask("select presence from agents where id = 'rosa'") == [("NOT_READY",)]
        )
    assert any("newer version" in str(vars(record).get("advice")) for record in caplog.records)


async def test_a_database_changed_under_us_is_noticed(house: House) -> None:
    async with house.started():
        house.ask("update alembic_version set version_num = 'ffff'")
        await until(lambda: house.reasons == ["database_version"])
        with pytest.raises(DatabaseAway, match="newer version"):
            await house.store.load()


async def test_a_file_put_in_place_of_the_lost_one_is_the_one_read_and_written(
    house: House,
) -> None:
    async with house.started():
        await asyncio.gather(*(house.store.load() for _ in range(5)))  # connections stay open
        house.ask("PRAGMA wal_checkpoint(TRUNCATE)")
        backup = shutil.copy(house.file, house.folder / "backup")
        for path in house.folder.glob("fil.sqlite*"):
            path.rename(house.folder / f"lost-{path.name}")
        house.file.mkdir()
        await until(lambda: house.reasons == ["database_away"])
        house.file.rmdir()
        Path(backup).rename(house.file)
        house.ask("update agents set name = 'Rosa B.' where id = 'rosa'")
        await until(lambda: house.reasons == [])
        for people in await asyncio.gather(*(house.store.load() for _ in range(5))):
            assert [person.name for person in people] == ["lea", "Rosa B."]
        house.team.move(house.rosa(), Presence.NOT_READY, "pause")
        await until(
            lambda: house.ask("select presence from agents where id = 'rosa'") == [("NOT_READY",)]
        )


async def test_a_database_without_people_is_not_taken_for_ours(house: House) -> None:
    await lived_once(house)
    house.ask("delete from agents")
    async with house.started():
        assert house.reasons == ["database_version"]
        assert house.rosa().presence is Presence.RESERVED


async def test_phones_that_cannot_be_written_stop_no_start(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    await lived_once(house)
    phones = house.phones()

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "no space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(standby_module, "write_phones", full)
        async with house.started():
            assert house.reasons == []
            assert house.phones() == phones
    house.ask("update agents set sip_secret_sealed = x'00' where id = 'lea'")
    async with house.started():
        assert house.reasons == []


async def test_a_session_ended_meanwhile_is_ended_in_the_database_by_the_next_process_too(
    house: House,
) -> None:
    async with house.started():
        session = await house.store.create_session("rosa")
        found = await house.store.find_session(session.secret)
        assert found is not None
        house.standby.sessions.saw(session.secret, found)
        await until(lambda: bool((kept := house.kept()) and kept.sessions))
    away(house)
    async with house.started():
        assert house.standby.sessions.believed(session.secret) is not None
        house.standby.sessions.end(session.secret)
        await until(lambda: (kept := house.kept()) is not None and kept.ended != [])
    back(house)
    async with house.started():
        assert house.standby.sessions.ended == {hashed(session.secret)}
        await until(lambda: house.standby.sessions.ended == set())
    assert house.ask("select * from sessions") == []


async def test_a_full_disk_keeps_the_file_of_before_and_is_tried_again(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    save = last_good.save

    def refuse(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    async with house.started():
        await until(lambda: house.kept_presence() == "LOGGED_OUT")
        monkeypatch.setattr(last_good, "save", refuse)
        house.team.move(house.rosa(), Presence.READY)
        await asyncio.sleep(0.2)
        assert house.kept_presence() == "LOGGED_OUT"
        monkeypatch.setattr(last_good, "save", save)
        await until(lambda: house.kept_presence() == "READY")


async def test_what_is_changed_of_the_team_is_taken_up_while_serving(house: House) -> None:
    async with house.started():
        house.team.move(house.rosa(), Presence.TALKING, None, CALL)
        sealed = house.store.seal_own_number("rosa", "0639980123")
        rows = {row.id: row for row in await house.store.load()}
        await house.store.change(
            dataclasses.replace(rows["rosa"], own_number_sealed=sealed, skills={"mineurs": 3})
        )
        await house.store.add(
            "ines", name="I", roles=["listener"], phone="ines", password="x" * 12, sip_secret="new"
        )
        await until(lambda: "ines" in house.team.agents)
        await until(lambda: house.rosa().own_number is not None)
        own = house.rosa().own_number
        assert own is not None
        assert own.opened() == "0639980123"
        assert "0639980123" not in repr(house.rosa())
        assert house.rosa().skills == {"mineurs": 3}
        assert house.rosa().presence is Presence.TALKING  # what they do is ours to know
        assert house.team.agents["ines"].presence is Presence.LOGGED_OUT
        await until(lambda: "password=new" in house.phones())
        await until(lambda: house.reloaded == 1)
        await asyncio.sleep(0.3)
        assert house.reloaded == 1  # only when a phone has changed
        await until(lambda: b"0639980123" not in house.file.read_bytes())
        kept = house.folder / "last-good/people.json"
        await until(lambda: '"ines"' in kept.read_text())
        assert "0639980123" not in kept.read_text()


async def test_whose_account_is_closed_is_put_out_once_no_call_has_them(house: House) -> None:
    async with house.started():
        house.team.move(house.rosa(), Presence.TALKING, None, CALL)
        house.team.move(house.team.agents["lea"], Presence.READY)
        await house.store.add("sam", name="S", roles=["admin"], phone="sam", password="x" * 12)
        await house.store.remove("rosa")
        await house.store.remove("lea")
        await until(lambda: "lea" not in house.team.agents)
        assert house.rosa().presence is Presence.TALKING
        house.team.start_wrap_up(house.rosa(), CALL)
        await house.team.wrapup_done(house.rosa(), CALL, "ecoute")
        assert house.rosa().presence is Presence.LOGGED_OUT  # no call in between
        await until(lambda: "rosa" not in house.team.agents)


async def test_the_own_phone_rings_though_the_database_is_away_at_the_start(house: House) -> None:
    async with house.started():
        (row, *_) = [row for row in await house.store.load() if row.id == "rosa"]
        sealed = house.store.seal_own_number("rosa", "0639980123")
        await house.store.change(dataclasses.replace(row, own_number_sealed=sealed))
        await until(
            lambda: (
                (kept := house.kept()) is not None
                and sealed in {person.own_number_sealed for person in kept.people}
            )
        )
    away(house)
    async with house.started():
        own = house.rosa().own_number
        assert own is not None
        assert own.opened() == "0639980123"
