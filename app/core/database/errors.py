"""What the drivers' errors mean: which may pass by themselves, and which constraint was violated."""

import re
from collections.abc import Collection, Iterator
from typing import Any

from sqlalchemy import Index, PrimaryKeyConstraint, Table, UniqueConstraint
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from app.core.database.base import Base

# SQLSTATEs of PostgreSQL, or the classes that they begin with.
# https://www.postgresql.org/docs/current/errcodes-appendix.html
TRANSIENT_ON_POSTGRESQL = (
    "08",  # the connection is lost
    "25006",  # a read-only transaction: the server became a standby
    "25P03",  # idle_in_transaction_session_timeout
    "25P04",  # transaction_timeout
    "40",  # a deadlock or a serialization failure
    "53",  # the disk is full, or there is no memory or connection left
    "55P03",  # lock_timeout
    "57014",  # statement_timeout, or an operator cancelled the query
    "57P",  # the server stops, starts or ended the session
)

# Error numbers of MySQL and MariaDB. https://mariadb.com/kb/en/mariadb-error-code-reference/
TRANSIENT_ON_MYSQL = {
    1020,  # another transaction has changed the row
    1021,  # the disk is full
    1037,  # out of memory
    1038,
    1041,
    1040,  # too many connections
    1203,
    1226,
    1047,  # a node of a cluster that does not accept queries now
    1053,  # the server stops
    1077,
    1079,
    1114,  # the table is full: so is the disk
    1129,  # the host is blocked after many failed connections
    1158,  # network errors
    1159,
    1160,
    1161,
    1205,  # innodb_lock_wait_timeout
    1213,  # a deadlock
    1290,  # the server is read-only: it became a replica
    1792,
    1836,
    1317,  # an operator cancelled the query
    1927,  # the connection was killed
    1969,  # max_statement_time
    3024,
    2002,  # the server cannot be reached
    2003,
    2005,
    2006,  # the connection is lost
    2013,
    2055,
    4031,
}

# Error names of SQLite, or their beginnings. https://www.sqlite.org/rescode.html
TRANSIENT_ON_SQLITE = (
    "SQLITE_BUSY",
    "SQLITE_LOCKED",
    "SQLITE_PROTOCOL",  # a race at the start of a transaction
    "SQLITE_INTERRUPT",
    "SQLITE_FULL",  # the disk is full
    "SQLITE_NOMEM",
    "SQLITE_IOERR",
    "SQLITE_CANTOPEN",  # for example, too many open files
)

# The errors of MySQL and MariaDB that name a constraint, and where.
NAMES_ON_MYSQL = {
    1062: r"for key '(?:[^'.]+\.)?([^'.]+)'$",  # MySQL names the table, too; a duplicate value stands before
    1451: r"CONSTRAINT `([^`]+)` FOREIGN KEY",
    1452: r"CONSTRAINT `([^`]+)` FOREIGN KEY",
    3819: r"^Check constraint '([^']+)'",
    4025: r"^CONSTRAINT `([^`]+)` failed",
}
UNNAMED = ("fk_", "pk_")  # the start of a name, where only the kind of constraint is known


def is_transient(error: BaseException) -> bool:
    """Whether an error of the database may pass by itself, so that the same request may succeed later.

    True for lost connections, timeouts, deadlocks and exhausted resources. False for mistakes in the code or the
    schema, and for errors that do not come from the database.
    """
    if isinstance(error, PoolTimeout):
        return True
    if not isinstance(error, DBAPIError):
        return False
    driver: Any = error.orig
    if error.connection_invalidated:
        return True
    if hasattr(driver, "diag"):  # None: the server could not be reached
        state = driver.sqlstate
        return state.startswith(TRANSIENT_ON_POSTGRESQL) if state else isinstance(error, OperationalError)
    if hasattr(driver, "sqlite_errorname"):
        return str(driver.sqlite_errorname).startswith(TRANSIENT_ON_SQLITE)
    return bool(driver.args) and driver.args[0] in TRANSIENT_ON_MYSQL


def violated_constraint(error: DBAPIError, known: Collection[str]) -> str | None:
    """Which of the constraints and unique indexes in `known` a statement has violated; None if it was another.

    SQLite does not name foreign keys, and MariaDB names every primary key PRIMARY. The violated one is then the only
    foreign or primary key in `known`.
    """
    driver: Any = error.orig
    if hasattr(driver, "diag"):
        name = driver.diag.constraint_name
    elif hasattr(driver, "sqlite_errorname"):
        name = _name_on_sqlite(driver.sqlite_errorname, str(driver))
    else:
        name = _name_on_mysql(*driver.args)
    matches = [each for each in known if each == name or (name in UNNAMED and each.startswith(name))]
    return matches[0] if len(matches) == 1 else None


def _name_on_mysql(number: int = 0, message: str = "", *_: Any) -> str | None:
    found = re.search(NAMES_ON_MYSQL[number], message) if number in NAMES_ON_MYSQL else None
    name = found[1] if found else None
    return "pk_" if name == "PRIMARY" else name


def _name_on_sqlite(kind: str, message: str) -> str | None:
    """SQLite names a unique constraint by its columns, so find it in the models."""
    if kind == "SQLITE_CONSTRAINT_FOREIGNKEY":
        return "fk_"
    what = message.partition(" constraint failed: ")[2]
    if kind == "SQLITE_CONSTRAINT_CHECK":
        return what
    if kind not in ("SQLITE_CONSTRAINT_UNIQUE", "SQLITE_CONSTRAINT_PRIMARYKEY"):
        return None
    if what.startswith("index '"):  # an index of expressions
        return what.removeprefix("index '").removesuffix("'")
    columns = set(what.split(", "))
    names = (str(key.name) for key in _unique_keys() if {str(column) for column in key.columns} == columns)
    return next(names, None)


def _unique_keys() -> Iterator[UniqueConstraint | PrimaryKeyConstraint | Index]:
    for table in (mapper.local_table for mapper in Base.registry.mappers):
        if isinstance(table, Table):
            yield from (key for key in table.constraints if isinstance(key, UniqueConstraint | PrimaryKeyConstraint))
            yield from (index for index in table.indexes if index.unique)
