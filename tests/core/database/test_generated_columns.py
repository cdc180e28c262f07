"""Batch migrations of tables with generated columns."""

from pathlib import Path

import sqlalchemy as sa
from alembic.migration import MigrationContext
from alembic.operations import Operations

from app.core.database import batch  # noqa: F401  # changes Alembic


def test_sqlite_copies_a_table_with_a_generated_column(tmp_path: Path) -> None:
    engine = sa.create_engine(f"sqlite:///{tmp_path / 'app.db'}")
    with engine.begin() as connection:
        generated = "sort_year INTEGER GENERATED ALWAYS AS (coalesce(year, -1)) STORED"
        connection.exec_driver_sql(f"CREATE TABLE films (id INTEGER PRIMARY KEY, year INTEGER, {generated})")
        connection.exec_driver_sql("INSERT INTO films (year) VALUES (1927), (NULL)")
        operations = Operations(MigrationContext.configure(connection))
        with operations.batch_alter_table("films", recreate="always") as batch_op:
            batch_op.add_column(sa.Column("title", sa.String(200), server_default="", nullable=False))
        connection.exec_driver_sql("UPDATE films SET year = 1922 WHERE year IS NULL")
        rows = connection.exec_driver_sql("SELECT year, sort_year, title FROM films ORDER BY id").all()
    assert rows == [(1927, 1927, ""), (1922, 1922, "")]
