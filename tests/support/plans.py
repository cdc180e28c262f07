"""How a database executes a statement: the indexes that it uses, the rows that it reads, and whether it sorts."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, event

from app.core.database import db

Statements = list[tuple[str, Any]]


@contextmanager
def recorded() -> Iterator[Statements]:
    """Record every statement that is sent to the database, with its parameters."""
    statements: Statements = []

    def record(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        statements.append((statement, parameters))

    event.listen(db.engine, "before_cursor_execute", record)
    try:
        yield statements
    finally:
        event.remove(db.engine, "before_cursor_execute", record)


@dataclass
class Plan:
    """How a database has executed a query: the indexes that it used, the rows that it read, and whether it sorted."""

    indexes: set[str]
    rows: float
    sorts: bool


def plan_on_postgresql(connection: Connection, statement: str, values: Any) -> Plan:
    (plan,) = connection.exec_driver_sql(f"EXPLAIN (ANALYZE, FORMAT JSON) {statement}", values).scalar_one()
    nodes = list(descendants(plan, "Node Type"))
    scans = [node for node in nodes if "Scan" in node["Node Type"]]
    rows = sum(node["Actual Rows"] + node.get("Rows Removed by Filter", 0) for node in scans)
    return Plan({node.get("Index Name", "") for node in scans}, rows, "Sort" in {node["Node Type"] for node in nodes})


def plan_on_mariadb(connection: Connection, statement: str, values: Any) -> Plan:
    plan = json.loads(connection.exec_driver_sql(f"ANALYZE FORMAT=JSON {statement}", values).scalar_one())
    tables = list(descendants(plan, "table_name"))
    # A row that the index condition refuses is not in `r_rows`.
    connection.exec_driver_sql("FLUSH LOCAL STATUS")
    connection.exec_driver_sql(statement, values).all()
    attempts = connection.exec_driver_sql("SHOW LOCAL STATUS LIKE 'Handler_icp_attempts'").one()[1]
    rows = max(int(attempts), *(table["r_rows"] for table in tables))
    return Plan({table.get("key", "") for table in tables}, rows, "filesort" in json.dumps(plan))


def plan_on_sqlite(connection: Connection, statement: str, values: Any) -> Plan:
    """SQLite does not count rows, so count the steps of its virtual machine: about forty a row."""
    steps: list[None] = []
    driver: Any = connection.connection.driver_connection
    driver.set_progress_handler(lambda: steps.append(None), 10)
    connection.exec_driver_sql(statement, values).all()
    driver.set_progress_handler(None, 0)
    plan = " ".join(row[3] for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values))
    indexes = {word for word in plan.split() if word.startswith("ix_")}
    return Plan(indexes, len(steps) * 10 / 40, "TEMP B-TREE" in plan)


PLANS: Mapping[str, Callable[[Connection, str, Any], Plan]] = {
    "postgresql": plan_on_postgresql,
    "mysql": plan_on_mariadb,
    "sqlite": plan_on_sqlite,
}


def descendants(node: Any, key: str) -> Iterator[dict[str, Any]]:
    """The objects in a JSON document that have a key."""
    if isinstance(node, dict):
        if key in node:
            yield node
        for value in node.values():
            yield from descendants(value, key)
    elif isinstance(node, list):
        for value in node:
            yield from descendants(value, key)
