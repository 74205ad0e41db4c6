"""Who oriented a caller to whom, so that they come back; how much danger they are in.

Revision ID: 0004
Revises: 0003
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns; of calls before, nothing is known."""
    with op.batch_alter_table("calls") as calls:
        calls.add_column(sa.Column("oriented_by", sa.String(), nullable=True))
        calls.add_column(sa.Column("oriented_to", sa.String(), nullable=True))
        calls.add_column(
            sa.Column("danger_level", sa.Integer(), nullable=False, server_default="0")
        )


def downgrade() -> None:
    """Take them away."""
    with op.batch_alter_table("calls") as calls:
        calls.drop_column("danger_level")
        calls.drop_column("oriented_to")
        calls.drop_column("oriented_by")
