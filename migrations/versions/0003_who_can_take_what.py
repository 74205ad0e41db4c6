"""How well people know what they are skilled in, whom they are, and their own number, sealed.

Revision ID: 0003
Revises: 0002
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_AGENTS = sa.table("agents", sa.column("id", sa.String()), sa.column("skills", sa.JSON()))
LEVEL = 1  # of a skill that was written without one


def upgrade() -> None:
    """Skills gain a level; nobody stands in for a regulator who has not said so."""
    with op.batch_alter_table("agents") as agents:
        agents.add_column(sa.Column("gender", sa.String(), nullable=True))
        agents.add_column(
            sa.Column("stands_in", sa.Boolean(), nullable=False, server_default=sa.false())
        )
        agents.add_column(sa.Column("own_number_sealed", sa.LargeBinary(), nullable=True))
    _rewrite(lambda skills: dict.fromkeys(skills, LEVEL))


def downgrade() -> None:
    """Take them away; who is skilled stays so."""
    _rewrite(sorted)
    with op.batch_alter_table("agents") as agents:
        agents.drop_column("own_number_sealed")
        agents.drop_column("stands_in")
        agents.drop_column("gender")


def _rewrite(change: Callable[[Iterable[str]], object]) -> None:
    connection = op.get_bind()
    for id_, skills in connection.execute(sa.select(_AGENTS.c.id, _AGENTS.c.skills)).all():
        known = json.loads(skills) if isinstance(skills, str) else skills
        connection.execute(_AGENTS.update().where(_AGENTS.c.id == id_).values(skills=change(known)))
