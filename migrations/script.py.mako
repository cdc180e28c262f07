"""${message}.

The release before this one runs on the new schema, too. So split a change over several releases:
- expand: add columns and tables. Columns are nullable or have a constant server default.
- backfill in the next release: update the rows in batches, in an autocommit block.
- contract in a later release: add NOT NULL, and drop what no release uses any more.

Requests wait behind a migration that waits for a lock, so it fails after five seconds. Create an index on an existing
table in `with op.get_context().autocommit_block():` with `postgresql_concurrently=True`. `bin/lint` refuses statements
that block a busy table. docs/migrations.md has a recipe for each change.

Revision ID: ${up_revision}
Revises: ${down_revision | comma,n}
"""

import sqlalchemy as sa
from alembic import op
${imports if imports else ""}
from app.core import database

revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}
branch_labels = ${repr(branch_labels)}
depends_on = ${repr(depends_on)}


def upgrade() -> None:
    """Apply."""
% if upgrades:
    ${upgrades}
% endif


def downgrade() -> None:
    """Undo."""
% if downgrades:
    ${downgrades}
% endif
