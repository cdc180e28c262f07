"""The unit of work: everything that a request or a batch changes is committed once, at its edge."""

from collections.abc import Callable
from typing import Any, cast

from flask import Flask
from sqlalchemy import CursorResult, UpdateBase
from sqlalchemy.exc import DBAPIError, IntegrityError

from app.core.extensions import db
from app.core.problems import Problem


def flush(or_else: Problem) -> None:
    """Send what has changed to the database, and let its constraints speak: asking first would leave a race.

    Raises:
        Problem: the one given, if a constraint is violated; the transaction is then undone.
    """
    try:
        db.session.flush()
    except IntegrityError:
        rollback()
        raise or_else from None


def affected_rows(statement: UpdateBase) -> int:
    """Execute an UPDATE or DELETE and count the rows that it met. Loaded objects are left as they are."""
    result = db.session.execute(statement, execution_options={"synchronize_session": False})
    return cast(CursorResult[Any], result).rowcount


def after_commit(effect: Callable[[], None]) -> None:
    """Run `effect` once the current transaction is committed; forget it if that is rolled back."""
    db.session.info.setdefault("after_commit", []).append(effect)


def commit() -> None:
    """Commit, then run what waits for it. Such an effect must not fail: what is committed is promised."""
    db.session.commit()
    for effect in db.session.info.pop("after_commit", []):
        effect()


def rollback() -> None:
    """Undo what was not committed, and forget what waited for it. A server that has gone has undone it by itself."""
    db.session.info.pop("after_commit", None)
    try:
        db.session.rollback()
    except DBAPIError:
        db.session().invalidate()


def init_unit_of_work(app: Flask) -> None:
    """End the transaction that a request has read in; a failure of that must not spoil its answer."""

    @app.teardown_appcontext
    def end(_error: BaseException | None) -> None:
        rollback()
