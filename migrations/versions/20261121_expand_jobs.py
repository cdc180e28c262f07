"""Jobs without an owner, with arguments and the name of a queue.

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
    with op.batch_alter_table("jobs", schema=None) as batch_op:
        batch_op.add_column(sa.Column("queue", sa.String(length=50), server_default="default", nullable=False))
        batch_op.add_column(sa.Column("args", sa.JSON(), nullable=True))
        batch_op.alter_column("owner_id", existing_type=database.BigInt, nullable=True)


def downgrade() -> None:
    """Undo. The previous schema cannot hold jobs without an owner, so they are deleted."""
    op.execute("DELETE FROM jobs WHERE owner_id IS NULL")
    with op.batch_alter_table("jobs", schema=None) as batch_op:
        batch_op.alter_column("owner_id", existing_type=database.BigInt, nullable=False)
        batch_op.drop_column("args")
        batch_op.drop_column("queue")
