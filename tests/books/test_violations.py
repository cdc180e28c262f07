"""Only a duplicate ISBN is the user's conflict. Other violations of constraints are errors of the service."""

from collections.abc import Iterator

import pytest
from flask import Flask
from sqlalchemy import event
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import SessionTransaction

from app.books import service
from app.core.database import db, rollback
from tests.conftest import every_database

BOOK = {"title": "Emma", "author": "Jane Austen", "isbn": "9780141439587"}
NOBODY = 2**40  # the id of no user


@pytest.fixture
def context(app: Flask) -> Iterator[None]:
    """An application context, whose transaction is rolled back."""
    with app.app_context():
        yield
        rollback()


@every_database
def test_a_book_of_a_deleted_user_is_no_duplicate(context: None) -> None:
    with pytest.raises(IntegrityError):
        service.create(NOBODY, **BOOK)


@every_database
def test_an_import_for_a_deleted_user_is_not_tried_again(context: None) -> None:
    attempts: list[bool] = []

    def count(_session: object, transaction: SessionTransaction) -> None:
        attempts.append(transaction.nested)

    event.listen(db.session, "after_transaction_create", count)
    try:
        with pytest.raises(IntegrityError):
            service.upsert(NOBODY, [BOOK])
    finally:
        event.remove(db.session, "after_transaction_create", count)
    assert attempts.count(True) == 1
