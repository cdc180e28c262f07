"""${message}.

A release's code and the one before it run on the same schema for a while, so a change that both can bear comes first
(expand: new columns are nullable or have a server default), then the data is moved, and what is old goes in a later
release (contract). Locks are short: `env.py` gives up waiting for one after five seconds.

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
