"""How an agent's browser heard the caller, per leg.

Revision ID: 0005
Revises: 0004
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

MEASURES = ("mos", "worst_mos", "lost_percent", "jitter_ms", "round_trip_ms")


def upgrade() -> None:
    """Add the columns; of legs before, nothing was measured."""
    with op.batch_alter_table("legs") as legs:
        for name in MEASURES:
            legs.add_column(sa.Column(name, sa.Double(), nullable=True))


def downgrade() -> None:
    """Take them away."""
    with op.batch_alter_table("legs") as legs:
        for name in reversed(MEASURES):
            legs.drop_column(name)
