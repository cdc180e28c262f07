"""The error handlers: every error becomes an `application/problem+json` response (RFC 9457)."""

import logging
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from flask import Flask, Response
from sqlalchemy.exc import SQLAlchemyError
from werkzeug.exceptions import HTTPException
from werkzeug.http import HTTP_STATUS_CODES

from app.core import errors
from app.core.database import is_transient
from app.core.errors import AppError, Errors, Unavailable
from app.core.http.json import dumps
from app.core.observability import request_id

STATUSES: dict[type[AppError], HTTPStatus] = {
    errors.Malformed: HTTPStatus.BAD_REQUEST,
    errors.Unauthenticated: HTTPStatus.UNAUTHORIZED,
    errors.Forbidden: HTTPStatus.FORBIDDEN,
    errors.NotFound: HTTPStatus.NOT_FOUND,
    errors.Conflict: HTTPStatus.CONFLICT,
    errors.PreconditionFailed: HTTPStatus.PRECONDITION_FAILED,
    errors.UnsupportedMediaType: HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    errors.Invalid: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.Unavailable: HTTPStatus.SERVICE_UNAVAILABLE,
}

INTERNAL_ERROR = "Internal error. Quote the request_id to support."

logger = logging.getLogger(__name__)


def problem_response(
    status: int, detail: str, *, errors: Errors | None = None, headers: Mapping[str, str] | None = None
) -> Response:
    """Build an `application/problem+json` response."""
    body: dict[str, Any] = {
        "type": "about:blank",
        "title": HTTP_STATUS_CODES[status],
        "status": status,
        "detail": detail,
        "request_id": request_id(),
    }
    if errors:
        body["errors"] = errors
    return Response(dumps(body), status, headers, content_type="application/problem+json")


def register_error_handlers(app: Flask) -> None:
    """Answer every error as a problem: the application's own, Flask's and the drivers'."""
    app.register_error_handler(AppError, _render)
    app.register_error_handler(HTTPException, _render_http)
    app.register_error_handler(SQLAlchemyError, _render_database_error)
    app.register_error_handler(Exception, _render_unexpected)


def status_of(error: AppError) -> HTTPStatus:
    """The status of an error: that of its nearest base class in `STATUSES`."""
    for kind in type(error).__mro__:
        if kind in STATUSES:
            return STATUSES[kind]
    return HTTPStatus.INTERNAL_SERVER_ERROR


def _render(error: AppError) -> Response:
    headers = {}
    if isinstance(error, errors.Unauthenticated):
        headers["WWW-Authenticate"] = "Bearer"
    if error.retry_after:
        headers["Retry-After"] = str(error.retry_after)
    return problem_response(status_of(error), error.detail, errors=error.errors, headers=headers)


def _render_http(error: HTTPException) -> Response:
    if error.code is None or error.code < 400:  # a redirect, or a response that was raised
        return Response(error.get_response().get_data(), error.code, error.get_headers())
    headers = {name: value for name, value in error.get_headers() if name in ("Allow", "Retry-After")}
    return problem_response(error.code, error.description or "", headers=headers)


def _render_database_error(error: SQLAlchemyError) -> Response:
    if not is_transient(error):
        return _render_unexpected(error)
    logger.warning("database error: %s", getattr(error, "orig", error))
    return _render(Unavailable("The database is not available at the moment. Try again shortly."))


def _render_unexpected(error: Exception) -> Response:
    logger.error("unexpected error", exc_info=error)
    return problem_response(500, INTERNAL_ERROR)
