"""Migrations: they run in both directions on every database and agree with the models."""

import re
from typing import Any

import flask_migrate
import pytest
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from flask import Flask
from sqlalchemy import Column, String, inspect, select, text

from app.core.database import Base, db
from app.core.urls import ROOT
from app.users.models import User
from tests.conftest import every_database
from tests.core.database.conftest import copy_of_models, drift

HEAD = ScriptDirectory(str(ROOT / "migrations")).get_current_head()


def tables() -> set[str]:
    """The names of the existing tables."""
    return set(inspect(db.engine).get_table_names())


def described() -> dict[str, Any]:
    """The whole schema, in a form that can be compared."""
    schema = inspect(db.engine)
    return {
        table: (
            [(column["name"], str(column["type"]), column["nullable"]) for column in schema.get_columns(table)],
            schema.get_pk_constraint(table)["constrained_columns"],
            sorted((key["name"], key["options"].get("ondelete")) for key in schema.get_foreign_keys(table)),
            sorted((index["name"], index["column_names"]) for index in schema.get_indexes(table)),
        )
        for table in schema.get_table_names()
    }


@every_database
def test_the_schema_can_be_downgraded_to_nothing_and_upgraded_again(fresh: Flask) -> None:
    flask_migrate.upgrade()
    first = described()
    assert set(first) == set(Base.metadata.tables) | {"alembic_version"}
    flask_migrate.downgrade(revision="base")
    assert tables() == {"alembic_version"}
    flask_migrate.upgrade()
    assert described() == first


@every_database
def test_each_migration_can_be_downgraded(fresh: Flask) -> None:
    revisions = [script.revision for script in ScriptDirectory(str(ROOT / "migrations")).walk_revisions()]
    for revision in reversed(revisions):
        before = described()
        flask_migrate.upgrade(revision=revision)
        flask_migrate.downgrade(revision="-1")
        assert {name: table for name, table in described().items() if name in before or name != "alembic_version"} == (
            before
        )
        flask_migrate.upgrade(revision=revision)


@every_database
def test_an_upgrade_of_a_current_schema_does_nothing(fresh: Flask) -> None:
    flask_migrate.upgrade()
    before = described()
    db.session.add(User(email="ada@example.org", name="Ada", password_hash="no hash"))
    db.session.commit()
    flask_migrate.upgrade()
    assert described() == before
    assert db.session.scalar(select(User.email)) == "ada@example.org"
    assert db.session.scalars(text("SELECT version_num FROM alembic_version")).all() == [HEAD]


@every_database
def test_models_and_migrations_agree(fresh: Flask) -> None:
    flask_migrate.upgrade()
    assert drift(Base.metadata) == []
    flask_migrate.check()  # what `flask db check` calls; it raises on drift


@every_database
def test_drift_finds_an_extra_column(fresh: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    flask_migrate.upgrade()
    altered = copy_of_models()
    altered.tables["users"].append_column(Column("nickname", String(10)))
    added = [(difference[2], difference[3].name) for difference in drift(altered) if difference[0] == "add_column"]
    assert ("users", "nickname") in added


@every_database
@pytest.mark.parametrize("change", ["index", "type", "nullable", "table"])
def test_drift_finds_other_changes(fresh: Flask, change: str) -> None:
    flask_migrate.upgrade()
    altered = copy_of_models()
    users = altered.tables["users"]
    if change == "index":
        altered.tables["jobs"].indexes.pop()
    elif change == "type":
        users.c.name.type = String(400)
    elif change == "nullable":
        users.c.name.nullable = True
    else:
        altered.remove(altered.tables["job_inputs"])
    assert drift(altered) != []


def test_check_fails_on_an_outdated_schema(fresh: Flask) -> None:
    with pytest.raises((CommandError, SystemExit)):
        flask_migrate.check()


@every_database
def test_constraints_and_indexes_are_named_by_the_convention(fresh: Flask) -> None:
    flask_migrate.upgrade()
    schema = inspect(db.engine)
    names_of_all = db.engine.dialect.name == "postgresql"  # MySQL has no names for primary keys, SQLite not always
    for table in Base.metadata.tables.values():
        constraints = {str(item.name) for item in table.constraints if names_of_all or item is not table.primary_key}
        wanted = constraints | {str(index.name) for index in table.indexes}
        found = {schema.get_pk_constraint(table.name)["name"]} if names_of_all else set()
        for items in (schema.get_foreign_keys, schema.get_unique_constraints, schema.get_indexes):
            found |= {item["name"] for item in items(table.name)}
        assert found == wanted
        assert all(re.fullmatch(rf"(pk|uq|fk|ix|ck)_{table.name}(_\w+)?", name) for name in wanted)


@pytest.mark.parametrize("database", ["mariadb"], indirect=True)
def test_mariadb_tables_use_the_binary_collation(fresh: Flask) -> None:
    with db.engine.begin() as connection:
        connection.execute(text("ALTER DATABASE CHARACTER SET latin1 COLLATE latin1_german1_ci"))
    flask_migrate.upgrade()
    with db.engine.connect() as connection:
        tables = f"FROM information_schema.tables WHERE table_schema = '{db.engine.url.database}'"
        columns = tables.replace(".tables", ".columns") + " AND collation_name IS NOT NULL"
        queries = (f"SELECT DISTINCT table_collation {tables}", f"SELECT DISTINCT collation_name {columns}")
        found = [connection.scalars(text(query)).all() for query in queries]
    assert found == [["utf8mb4_bin"], ["utf8mb4_bin"]]
