"""Books in the order of their ids.

A release's code and the one before it run on the same schema for a while, so a change that both can bear comes first
(expand: new columns are nullable or have a server default), then the data is moved, and what is old goes in a later
release (contract). Locks are short: `env.py` gives up waiting for one after five seconds.

Revision ID: 0003
Revises: 0002
"""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    with op.batch_alter_table("books", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_books_owner_id_id"), ["owner_id", "id"], unique=False)


def downgrade() -> None:
    """Undo."""
    with op.batch_alter_table("books", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_books_owner_id_id"))
