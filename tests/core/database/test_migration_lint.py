"""`migrations/lint.py` refuses migrations that block a busy table."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from alembic.script import ScriptDirectory

from app.core.urls import ROOT

HEAD = ScriptDirectory(str(ROOT / "migrations")).get_current_head()
REVISION = '''"""A revision."""

import sqlalchemy as sa
from alembic import op

revision = "new"
down_revision = "{head}"


def upgrade() -> None:
    {body}


def downgrade() -> None:
    pass
'''
BLOCKING = {
    "require-concurrent-index-creation": 'op.create_index("ix_users_name", "users", ["name"])',
    "adding-required-field": 'op.add_column("users", sa.Column("locale", sa.String(35), nullable=False))',
    "adding-not-nullable-field": 'op.alter_column("users", "role", existing_type=sa.String(10), nullable=False)',
    "adding-foreign-key-constraint": 'op.create_foreign_key("fk", "jobs", "users", ["owner_id"], ["id"])',
    "changing-column-type": 'op.alter_column("users", "name", existing_type=sa.String(200), type_=sa.Integer())',
    "renaming-column": 'op.alter_column("users", "name", new_column_name="full_name")',
}
SAFE = """
    op.create_table("films", sa.Column("id", sa.BigInteger(), primary_key=True), sa.Column("title", sa.String(9)))
    op.create_index("ix_films_title", "films", ["title"])
    op.add_column("users", sa.Column("locale", sa.String(35), server_default="en", nullable=False))
    op.drop_column("users", "role")
    op.drop_table("heartbeats")
    with op.get_context().autocommit_block():
        op.create_index("ix_users_name", "users", ["name"], postgresql_concurrently=True)
        op.execute("ALTER TABLE users ADD CONSTRAINT ck_users_name CHECK (name IS NOT NULL) NOT VALID")
        op.execute("ALTER TABLE users VALIDATE CONSTRAINT ck_users_name")
    op.execute("ALTER TABLE users ALTER COLUMN name SET NOT NULL")
    op.execute("ALTER TABLE users DROP CONSTRAINT ck_users_name")
"""


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A copy of what the lint reads."""
    for folder in ("app", "migrations"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


def lint(tree: Path, body: str) -> tuple[int, str]:
    """Lint the tree with a new revision, without any environment."""
    (tree / "migrations" / "versions" / "new.py").write_text(REVISION.format(head=HEAD, body=body.strip()))
    command = [sys.executable, str(tree / "migrations" / "lint.py")]
    done = subprocess.run(command, env={}, capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, done.stdout + done.stderr


def test_safe_migrations_pass(tree: Path) -> None:
    assert lint(tree, SAFE) == (0, "")


def test_a_blocking_migration_is_refused_with_its_rule_and_file(tree: Path) -> None:
    status, output = lint(tree, "\n    ".join(BLOCKING.values()))
    assert status == 1
    assert [rule for rule in BLOCKING if rule not in output] == []
    assert "new.sql" in output


@pytest.mark.parametrize("read", ["op.get_bind().scalar(sa.text('SELECT 1'))", "sa.inspect(op.get_bind())"])
def test_a_migration_that_reads_without_a_condition_is_refused_with_its_file(tree: Path, read: str) -> None:
    status, output = lint(tree, read)
    assert status == 1
    assert output.startswith("migrations/versions/new.py cannot be written as SQL: ")
    assert "op.get_context().as_sql" in output
    assert "Traceback" not in output


def test_this_tree_passes() -> None:
    done = subprocess.run([sys.executable, "migrations/lint.py"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")
