"""Books.

Revision ID: 0003
Revises: 0002
"""

import sqlalchemy as sa
from alembic import op

from app.core import database

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "books",
        sa.Column("id", database.BigInt, nullable=False),
        sa.Column("owner_id", database.BigInt, nullable=False),
        sa.Column("title", sa.String(length=500), nullable=False),
        sa.Column("author", sa.String(length=1000), nullable=False),
        sa.Column("isbn", sa.String(length=13), nullable=False),
        sa.Column("year", sa.Integer(), nullable=True),
        sa.Column("sort_year", sa.Integer(), sa.Computed("coalesce(year, -9999)", persisted=True), nullable=True),
        sa.Column("language", sa.String(length=35), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", database.UTCDateTime(), nullable=False),
        sa.Column("updated_at", database.UTCDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["owner_id"], ["users.id"], name=op.f("fk_books_owner_id_users"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_books")),
        sa.UniqueConstraint("owner_id", "isbn", name=op.f("uq_books_owner_id_isbn")),
    )
    with op.batch_alter_table("books", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_books_owner_id_created_at_id"),
            ["owner_id", "created_at", "id"],
            unique=False,
        )
        batch_op.create_index(batch_op.f("ix_books_owner_id_id"), ["owner_id", "id"], unique=False)
        batch_op.create_index(
            batch_op.f("ix_books_owner_id_sort_year_id"),
            ["owner_id", "sort_year", "id"],
            unique=False,
        )
        batch_op.create_index(batch_op.f("ix_books_owner_id_title_id"), ["owner_id", "title", "id"], unique=False)


def downgrade() -> None:
    """Undo."""
    op.drop_table("books")
