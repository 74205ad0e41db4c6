"""Bringing the database's tables to this programme's version, by Alembic."""

from __future__ import annotations

from typing import Any

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import AsyncConnection

from cti.records.database import MIGRATIONS, open_database


async def migrate(url: str) -> None:
    """Bring the tables at ``url`` to this programme's version; all of it, or nothing.

    Raises what the database raises. Safe to run twice.
    """
    # Rebuilding a SQLite table drops it for an instant: with foreign keys on,
    # that would delete every row that refers to it.
    database = open_database(url, foreign_keys=False)
    try:
        async with database.engine.execution_options(writes=True).begin() as connection:
            await run_alembic(connection, command.upgrade, "head")
    finally:
        await database.close()


async def run_alembic(connection: AsyncConnection, verb: Any, *args: Any) -> None:
    """Run one Alembic command (``command.upgrade``, …) inside the connection's transaction."""

    def run(sync_connection: Connection) -> None:
        config = alembic_config()
        config.attributes["connection"] = sync_connection
        verb(config, *args)

    await connection.run_sync(run)


def alembic_config() -> Config:
    """Where the migrations are, for Alembic."""
    config = Config(str(MIGRATIONS / "alembic.ini"))
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    return config
