"""The database: models, column types, and the unit of work."""

from app.core.database.base import Base, Timestamps, db
from app.core.database.clock import db_now
from app.core.database.engine import read_connection
from app.core.database.errors import is_transient, violated_constraint
from app.core.database.keyset import rows_after
from app.core.database.schema import SchemaOutdated, check_schema
from app.core.database.session import affected_rows, after_commit, commit, flush, rollback
from app.core.database.types import BigInt, Bytes, Id, Timestamp, UTCDateTime, utcnow

__all__ = [
    "Base",
    "BigInt",
    "Bytes",
    "Id",
    "SchemaOutdated",
    "Timestamp",
    "Timestamps",
    "UTCDateTime",
    "affected_rows",
    "after_commit",
    "check_schema",
    "commit",
    "db",
    "db_now",
    "flush",
    "is_transient",
    "read_connection",
    "rollback",
    "rows_after",
    "utcnow",
    "violated_constraint",
]
