"""Heartbeats.

A release's code and the one before it run on the same schema for a while, so a change that both can bear comes first
(expand: new columns are nullable or have a server default), then the data is moved, and what is old goes in a later
release (contract). Locks are short: `env.py` gives up waiting for one after five seconds.

Revision ID: 0002
Revises: 0001
"""

import sqlalchemy as sa
from alembic import op

from app.core import database

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "heartbeats",
        sa.Column("worker", sa.String(length=32), nullable=False),
        sa.Column("release", sa.String(length=100), nullable=False),
        sa.Column("seen_at", database.UTCDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("worker", name=op.f("pk_heartbeats")),
    )


def downgrade() -> None:
    """Undo."""
    op.drop_table("heartbeats")
