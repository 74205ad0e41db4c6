"""What agents write about a call, and when they were on duty.

Revision ID: 0006
Revises: 0005
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the tables; of what was before, nobody wrote who was there."""
    op.create_table(
        "notes",
        sa.Column("call_id", sa.String(), nullable=False),
        sa.Column("agent_id", sa.String(), nullable=False),
        sa.Column("form", sa.String(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("saved_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("purge_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["call_id"], ["calls.id"], name="fk_notes_call_id_calls", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("call_id", "agent_id", name="pk_notes"),
    )
    op.create_index("ix_notes_purge_at", "notes", ["purge_at"])
    op.create_table(
        "duty",
        sa.Column("agent_id", sa.String(), nullable=False),
        sa.Column("from_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("to_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("agent_id", "from_at", name="pk_duty"),
    )
    op.create_index("ix_duty_to_at", "duty", ["to_at"])
    op.create_index("ix_legs_agent_id_answered_at", "legs", ["agent_id", "answered_at"])


def downgrade() -> None:
    """Take them away, and with them every answer that was sealed for a note."""
    op.execute(sa.text("DELETE FROM sealed WHERE field LIKE 'note/%'"))
    op.drop_index("ix_legs_agent_id_answered_at", "legs")
    op.drop_table("duty")
    op.drop_table("notes")
