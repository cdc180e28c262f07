"""Errors without a status of their own, and exceptions that are no errors."""

import pytest
from flask import Flask
from werkzeug.exceptions import HTTPException

from app.core.errors import AppError, NotFound
from app.core.http.error_handlers import register_error_handlers, status_of
from tests.support.clients import problem


@pytest.fixture
def bare() -> Flask:
    """A Flask application with nothing but the error handlers."""
    app = Flask("tests.bare")
    register_error_handlers(app)
    return app


def test_a_new_kind_of_error_has_the_status_of_its_base_class() -> None:
    class NoteNotFound(NotFound):
        """A kind that no list names."""

    assert status_of(NoteNotFound("gone")) == 404


def test_an_error_without_a_status_is_a_500(bare: Flask) -> None:
    @bare.get("/")
    def view() -> str:
        raise AppError("no kind")

    assert problem(bare.test_client().get("/"))[0] == 500


def test_an_http_exception_that_is_no_error_is_no_problem(bare: Flask) -> None:
    class SeeOther(HTTPException):
        """A status that Werkzeug has no exception for."""

        code = 303

    @bare.get("/")
    def view() -> str:
        raise SeeOther

    response = bare.test_client().get("/")
    assert (response.status_code, response.mimetype) == (303, "text/html")
