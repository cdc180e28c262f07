"""Only a key that is in use means that a request is repeated. Other violations are errors of the service."""

import pytest
from flask import Flask, Response
from sqlalchemy.exc import IntegrityError

from app.core.http import idempotency
from tests.conftest import every_database


@every_database
def test_a_key_of_a_deleted_user_is_not_a_repeated_request(app: Flask) -> None:
    with app.test_request_context("/api/v1/notes", method="POST"), pytest.raises(IntegrityError):
        idempotency.once(2**40, "key", {}, Response)
