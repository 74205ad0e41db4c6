"""Promises about the tables: they go up, down and up again, and are what the code believes."""

from __future__ import annotations

import asyncio
import json
import traceback
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, inspect, make_url, text

from cti.records.database import (
    Database,
    DatabaseAway,
    WrongVersion,
    check_version,
    create_database,
    known_revisions,
)
from cti.records.journal import Journal
from cti.records.migrating import alembic_config, migrate, run_alembic
from cti.records.models import Base
from cti.records.privacy import Keys
from cti.records.record import Records
from tests.postgres import Postgres


def differences(connection: Connection) -> list[Any]:
    context = MigrationContext.configure(connection, opts={"compare_type": True})
    return list(compare_metadata(context, Base.metadata))


async def tables(database: Database) -> set[str]:
    async with database.engine.connect() as connection:
        return set(await connection.run_sync(lambda c: inspect(c).get_table_names()))


def test_the_versions_known_by_their_files_are_those_of_alembic() -> None:
    scripts = ScriptDirectory.from_config(alembic_config())
    by_alembic = [script.revision for script in scripts.walk_revisions()]
    assert known_revisions() == by_alembic[::-1]
    assert known_revisions()[-1] == scripts.get_current_head()


async def test_the_tables_go_up_down_and_up_again(empty_url: str) -> None:
    await migrate(empty_url)
    database = create_database(empty_url)
    expected = {"alembic_version", *Base.metadata.tables}
    assert await tables(database) == expected

    async with database.engine.execution_options(writes=True).begin() as connection:
        await run_alembic(connection, command.downgrade, "base")
    assert await tables(database) == {"alembic_version"}

    await database.close()
    await migrate(empty_url)
    assert await tables(database) == expected
    await check_version(database)
    await database.close()


async def test_the_tables_are_what_the_code_believes(database: Database) -> None:
    async with database.engine.connect() as connection:
        assert await connection.run_sync(differences) == []


async def test_who_was_skilled_without_a_level_has_the_first_and_keeps_the_skill_on_the_way_back(
    empty_url: str,
) -> None:
    database = create_database(empty_url)
    add = (
        "INSERT INTO agents (id, name, roles, languages, skills, phone, password_hash, presence,"
        " since_at) VALUES ('lea', 'Léa', '[]', '[]', '[\"mineurs\", \"deuil\"]', 'lea', 'x',"
        " 'READY', '2026-03-02 12:00:00')"
    )

    async def skills() -> object:
        async with database.engine.connect() as connection:
            found = await connection.scalar(text("SELECT skills FROM agents"))
        return json.loads(found) if isinstance(found, str) else found

    async with database.engine.execution_options(writes=True).begin() as connection:
        await run_alembic(connection, command.upgrade, "0002")
        await connection.execute(text(add))
        await run_alembic(connection, command.upgrade, "0003")
    assert await skills() == {"mineurs": 1, "deuil": 1}
    async with database.engine.execution_options(writes=True).begin() as connection:
        await run_alembic(connection, command.downgrade, "0002")
    assert await skills() == ["deuil", "mineurs"]
    await database.close()


async def test_migrating_twice_changes_nothing(empty_url: str) -> None:
    await migrate(empty_url)
    await migrate(empty_url)
    database = create_database(empty_url)
    await check_version(database)
    await database.close()


async def test_an_empty_database_is_refused_with_the_command_to_run(empty_url: str) -> None:
    database = create_database(empty_url)
    with pytest.raises(WrongVersion, match="fil migrate"):
        await check_version(database)
    await database.close()


async def test_a_database_from_a_newer_version_is_refused(database: Database) -> None:
    async with database.engine.execution_options(writes=True).begin() as connection:
        await connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(WrongVersion, match="newer version"):
        await check_version(database)


async def test_a_migration_that_fails_leaves_the_database_as_it_was(database: Database) -> None:
    before = await tables(database)

    def half_done(sync_connection: Connection) -> None:
        sync_connection.execute(text("DROP TABLE events"))
        raise RuntimeError("half way")

    with pytest.raises(RuntimeError, match="half way"):
        async with database.engine.execution_options(writes=True).begin() as connection:
            await connection.run_sync(half_done)
    assert await tables(database) == before


async def test_a_database_that_refuses_us_is_away_and_its_password_stays_unsaid(
    postgres: Postgres,
) -> None:
    url = make_url(await asyncio.to_thread(postgres.new_database))
    for wrong in (url.set(password="hunter2"), url.set(database="elsewhere"), url.set(port=1)):
        database = create_database(wrong.render_as_string(hide_password=False))
        with pytest.raises(DatabaseAway) as refused:
            await check_version(database)
        said = "".join(traceback.format_exception(refused.value))
        assert "hunter2" not in said
        assert str(url.password) not in said
        assert "hunter2" not in repr(database)
        await database.close()


async def test_a_database_restarting_is_away_then_back(postgres: Postgres, tmp_path: Path) -> None:
    url = await asyncio.to_thread(postgres.new_database)
    await migrate(url)
    database = create_database(url)
    journal = Journal(tmp_path / "journal")
    records = Records(database, journal, Keys.load_or_create(tmp_path / "keys"))
    copying = asyncio.create_task(records.run())
    records.event("line.opened")
    assert await records.flushed(5)
    await asyncio.to_thread(postgres.pause)
    records.event("line.closed")
    async with asyncio.timeout(15):
        while not records.degraded:  # noqa: ASYNC110 - it has no event of its own
            await asyncio.sleep(0.01)
    assert await records.open_calls() == []
    await asyncio.to_thread(postgres.serve)
    assert await records.flushed(15)
    assert not records.degraded
    copying.cancel()
    journal.close()
    await database.close()
