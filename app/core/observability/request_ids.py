"""The ids of the request and the job that caused the current work."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from uuid import uuid4

from flask import Flask, Response, request

REQUEST_ID_HEADER = "X-Request-ID"
SAFE_REQUEST_ID = re.compile(r"[A-Za-z0-9._:+/=-]{20,200}")

_request_id: ContextVar[str | None] = ContextVar("request_id", default=None)
_job_id: ContextVar[int | None] = ContextVar("job_id", default=None)


def request_id() -> str | None:
    """The id of the current request, or of the request that enqueued the current job."""
    return _request_id.get()


def start_request(given: str) -> str:
    """Use the given id for the current request if it is safe, else a new one."""
    request_id = given if SAFE_REQUEST_ID.fullmatch(given) else uuid4().hex
    _request_id.set(request_id)
    return request_id


def end_request() -> None:
    """Forget the id: the thread will serve other requests."""
    _request_id.set(None)


def job_id() -> int | None:
    """The id of the current job."""
    return _job_id.get()


@contextmanager
def caused_by(request: str | None, job: int) -> Iterator[None]:
    """Mark every line logged inside with the ids of a job and of the request that enqueued it."""
    outer = _request_id.set(request), _job_id.set(job)
    try:
        yield
    finally:
        _request_id.reset(outer[0])
        _job_id.reset(outer[1])


def init_request_ids(app: Flask) -> None:
    """Give every request an id, and every response the same. A safe id from the router is kept."""

    @app.before_request
    def adopt() -> None:
        start_request(request.headers.get(REQUEST_ID_HEADER, ""))

    @app.after_request
    def add_header(response: Response) -> Response:
        response.headers[REQUEST_ID_HEADER] = request_id() or ""
        return response

    @app.teardown_request
    def forget(_error: BaseException | None) -> None:
        end_request()
