"""Errors: the tree that services raise from, and the only error handlers (RFC 9457, Problem Details)."""

import logging
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import orjson
from flask import Flask, Response
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from werkzeug.exceptions import HTTPException
from werkzeug.http import HTTP_STATUS_CODES

from app.core.logging import request_id

logger = logging.getLogger(__name__)

Errors = Mapping[str, list[str]]


class Problem(Exception):
    """A foreseen failure, told to the client as it is: `detail` must hold nothing that is not theirs to know."""

    status = HTTPStatus.INTERNAL_SERVER_ERROR
    headers: Mapping[str, str] = {}

    def __init__(self, detail: str, *, errors: Errors | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        self.errors = errors


class Malformed(Problem):
    """The request cannot be read."""

    status = HTTPStatus.BAD_REQUEST


class Unauthenticated(Problem):
    """Nobody, or nobody any more, stands behind this request (RFC 6750, section 3)."""

    status = HTTPStatus.UNAUTHORIZED
    headers = {"WWW-Authenticate": "Bearer"}


class Forbidden(Problem):
    """The user is known, and may not do this."""

    status = HTTPStatus.FORBIDDEN


class NotFound(Problem):
    """There is no such thing, or it is somebody else's: the two look alike."""

    status = HTTPStatus.NOT_FOUND


class Conflict(Problem):
    """The present state does not allow it."""

    status = HTTPStatus.CONFLICT


class PreconditionFailed(Problem):
    """The thing has changed since the client read it."""

    status = HTTPStatus.PRECONDITION_FAILED


class UnsupportedMediaType(Problem):
    """The body is of a type that this operation does not take."""

    status = HTTPStatus.UNSUPPORTED_MEDIA_TYPE


class Invalid(Problem):
    """The request is readable, and breaks the rules; `errors` names the fields."""

    status = HTTPStatus.UNPROCESSABLE_ENTITY


class Unavailable(Problem):
    """A backing service does not answer; the same request may succeed soon."""

    status = HTTPStatus.SERVICE_UNAVAILABLE
    headers = {"Retry-After": "5"}


def problem_response(
    status: int, detail: str, *, errors: Errors | None = None, headers: Mapping[str, str] | None = None
) -> Response:
    """Build an `application/problem+json` answer."""
    body: dict[str, Any] = {
        "type": "about:blank",
        "title": HTTP_STATUS_CODES[status],
        "status": status,
        "detail": detail,
        "request_id": request_id(),
    }
    if errors:
        body["errors"] = errors
    return Response(orjson.dumps(body), status, headers, content_type="application/problem+json")


def register_error_handlers(app: Flask) -> None:
    """Answer every error, ours, Flask's or a driver's, as a problem."""

    @app.errorhandler(Problem)
    def foreseen(problem: Problem) -> Response:
        return problem_response(problem.status, problem.detail, errors=problem.errors, headers=problem.headers)

    @app.errorhandler(HTTPException)
    def http(error: HTTPException) -> Response:
        if error.code is None or error.code < 400:  # a redirect, or a response that was raised
            return Response(error.get_response().get_data(), error.code, error.get_headers())
        headers = {name: value for name, value in error.get_headers() if name in ("Allow", "Retry-After")}
        return problem_response(error.code, error.description or "", headers=headers)

    @app.errorhandler(OperationalError)
    @app.errorhandler(InterfaceError)
    @app.errorhandler(PoolTimeout)
    def unavailable(error: Exception) -> Response:
        logger.warning("the database did not do as it was told: %s", getattr(error, "orig", error))
        return foreseen(Unavailable("The database does not answer at the moment. Try again shortly."))

    @app.errorhandler(Exception)
    def unforeseen(error: Exception) -> Response:
        logger.error("unforeseen error", exc_info=error)
        return problem_response(500, "The server met an error that it did not expect; it is in its log.")
