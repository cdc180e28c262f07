"""Migrations of tables with foreign keys that refer to them."""

import subprocess
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from app.core.urls import database_url
from tests.support.environment import BIN, ROOT, environment, service_variables
from tests.support.services import DATABASES, new_database

REVISION = '''"""Longer names."""

import sqlalchemy as sa
from alembic import op

revision = "longer"
down_revision = "{head}"


def upgrade() -> None:
    with op.batch_alter_table("users") as batch:
        batch.alter_column("name", existing_type=sa.String(200), type_=sa.String(300), existing_nullable=False)


def downgrade() -> None:
    pass
'''


@pytest.mark.parametrize("kind", DATABASES)
def test_altering_a_table_keeps_the_rows_that_refer_to_it(kind: str, tmp_path: Path) -> None:
    """SQLite copies the table and drops the old one. A cascade would delete the rows that refer to it."""
    migrations = tmp_path / "migrations"
    subprocess.run(["cp", "-r", ROOT / "migrations", migrations], check=True)
    with new_database(kind, tmp_path) as url:
        variables = environment(service_variables(url, f"sqla+sqlite:///{tmp_path}/broker.db"))

        def flask(*arguments: str) -> str:
            command = [str(BIN / "flask"), "db", *arguments, "--directory", str(migrations)]
            done = subprocess.run(command, cwd=ROOT, env=variables, check=True, capture_output=True, text=True)
            return str(done.stdout)

        flask("upgrade")
        engine = create_engine(database_url(url))
        now = "'2026-01-01 00:00:00'"
        with engine.begin() as connection:
            connection.execute(
                text(
                    "INSERT INTO users (id, email, name, password_hash, role, email_verified, active, created_at,"
                    f" updated_at) VALUES (1, 'a@example.org', 'A', 'x', 'user', false, true, {now}, {now})"
                )
            )
            connection.execute(
                text(
                    "INSERT INTO sessions (id, user_id, refresh_id, created_at, last_used_at, expires_at)"
                    f" VALUES ('s', 1, 'r', {now}, {now}, {now})"
                )
            )
        head = flask("heads").split()[0]
        (migrations / "versions" / "longer.py").write_text(REVISION.format(head=head))
        flask("upgrade")
        with engine.connect() as connection:
            assert connection.scalar(text("SELECT count(*) FROM sessions")) == 1
        engine.dispose()
