"""The unit of work: everything that a request or a batch changes is committed once, at its edge."""

from collections.abc import Callable, Mapping
from typing import Any, cast

from flask import Flask
from sqlalchemy import CursorResult, UpdateBase
from sqlalchemy.exc import DBAPIError

from app.core.database.base import db
from app.core.database.engine import forget_writes, has_written
from app.core.database.errors import is_transient, violated_constraint
from app.core.errors import AppError


def flush(violations: Mapping[str, AppError]) -> None:
    """Send pending changes to the database, and rely on its constraints: a check beforehand would leave a race.

    Args:
        violations: The error that each constraint stands for, by the constraint's name.

    Raises:
        AppError: A constraint in `violations` is violated. The transaction is rolled back.
        DBAPIError: Any other error of the database.
    """
    try:
        db.session.flush()
    except DBAPIError as error:
        name = violated_constraint(error, violations)
        if name is None:
            raise
        rollback()
        raise violations[name] from None


def affected_rows(statement: UpdateBase) -> int:
    """Execute an UPDATE or DELETE and return the number of matched rows. Loaded objects are not refreshed."""
    result = db.session.execute(statement, execution_options={"synchronize_session": False})
    return cast(CursorResult[Any], result).rowcount


def after_commit(effect: Callable[[], None]) -> None:
    """Call `effect` after the current transaction is committed, or never if it is rolled back.

    The effect must not raise: the transaction can no longer be undone.
    """
    db.session.info.setdefault("after_commit", []).append(effect)


def commit() -> None:
    """Commit, then run the effects registered by `after_commit`.

    A lost connection is no error if the transaction has only read: nothing is lost.
    """
    db.session.flush()  # outside `try`: if it cannot connect, no statement has run, but pending changes are lost
    try:
        db.session.commit()
    except DBAPIError as error:
        if has_written() or not is_transient(error):
            raise
        _discard()
    forget_writes()
    for effect in db.session.info.pop("after_commit", []):
        effect()


def rollback() -> None:
    """Roll back, and drop the effects registered by `after_commit`."""
    db.session.info.pop("after_commit", None)
    _discard()


def _discard() -> None:
    """Roll back. Discard a connection that the server has closed."""
    forget_writes()
    try:
        db.session.rollback()
    except DBAPIError:
        db.session().invalidate()


def init_sessions(app: Flask) -> None:
    """Roll back at the end of each application context. An error there must not replace a finished response."""

    @app.teardown_appcontext
    def end(_error: BaseException | None) -> None:
        rollback()
