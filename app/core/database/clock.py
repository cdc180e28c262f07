"""The database's clock. Leases compare times of this clock alone: the clocks of two machines differ."""

from datetime import datetime, timedelta
from typing import Any, Self

from sqlalchemy import BigInteger, bindparam
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement

from app.core.database.types import UTCDateTime

MICROSECOND = timedelta(microseconds=1)


def db_now() -> "DatabaseTime":
    """The database's current time, as an SQL expression.

    Add or subtract a `timedelta`, as in `Job.wake_at <= db_now() - LEASE`. It is the time of the statement, not of the
    transaction. On SQLite it is precise to the millisecond.
    """
    return DatabaseTime()


class DatabaseTime(FunctionElement[datetime]):
    """The current time plus an offset, as a value of a `Timestamp` column."""

    type = UTCDateTime()
    inherit_cache = True

    def __init__(self, offset: timedelta = timedelta()) -> None:
        self.offset = offset
        super().__init__(bindparam(None, offset // MICROSECOND, BigInteger))

    def __add__(self, other: Any) -> Self:
        return type(self)(self.offset + other)

    def __sub__(self, other: Any) -> Self:
        return type(self)(self.offset - other)


@compiles(DatabaseTime, "postgresql")
def _on_postgresql(element: DatabaseTime, compiler: Any, **options: Any) -> str:
    """`now()` is the start of the transaction. It may be long past, for example after a wait for a lock."""
    return f"(clock_timestamp() + {compiler.process(element.clauses, **options)} * interval '1 microsecond')"


@compiles(DatabaseTime, "mysql", "mariadb")
def _on_mysql(element: DatabaseTime, compiler: Any, **options: Any) -> str:
    return f"(utc_timestamp(6) + INTERVAL {compiler.process(element.clauses, **options)} MICROSECOND)"


@compiles(DatabaseTime, "sqlite")
def _on_sqlite(element: DatabaseTime, compiler: Any, **options: Any) -> str:
    """Return the text that a time is stored as, with six digits after the point: SQLite compares times as texts."""
    offset = f"({compiler.process(element.clauses, **options)} / 1000000.0) || ' seconds'"
    return f"(strftime('%Y-%m-%d %H:%M:%f', 'now', {offset}) || '000')"
