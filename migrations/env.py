"""Runs the migrations, inside the transaction it is given or on the database named by -x url=…"""

from __future__ import annotations

import asyncio
from typing import Any, Literal

from alembic import context
from sqlalchemy import Connection

from cti.records.database import create_database
from cti.records.models import Base, UtcDateTime


def run(connection: Connection) -> None:
    context.configure(
        connection=connection,
        target_metadata=Base.metadata,
        render_as_batch=True,  # SQLite cannot alter a column: the table is rebuilt
        render_item=render,
        transactional_ddl=True,
    )
    with context.begin_transaction():
        context.run_migrations()


def render(kind: str, item: Any, _: Any) -> str | Literal[False]:
    """Write our moments as what they are in the database: a migration depends on no model."""
    if kind == "type" and isinstance(item, UtcDateTime):
        return "sa.DateTime(timezone=True)"
    return False


async def run_on(url: str) -> None:
    database = create_database(url)
    async with database.engine.execution_options(writes=True).begin() as connection:
        await connection.run_sync(run)
    await database.close()


given = context.config.attributes.get("connection")
if given is not None:
    run(given)
else:
    asyncio.run(run_on(context.get_x_argument(as_dictionary=True)["url"]))
