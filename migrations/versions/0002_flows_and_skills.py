"""Which version of a flow a call heard, where it led them; what people are skilled in.

Revision ID: 0002
Revises: 0001
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns; nobody has a skill yet."""
    with op.batch_alter_table("agents") as agents:
        agents.add_column(sa.Column("skills", sa.JSON(), nullable=False, server_default="[]"))
    with op.batch_alter_table("calls") as calls:
        calls.add_column(sa.Column("flow", sa.String(), nullable=True))
        calls.add_column(sa.Column("step", sa.String(), nullable=True))


def downgrade() -> None:
    """Take them away."""
    with op.batch_alter_table("calls") as calls:
        calls.drop_column("step")
        calls.drop_column("flow")
    with op.batch_alter_table("agents") as agents:
        agents.drop_column("skills")
