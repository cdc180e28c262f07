"""Bodies without a length: they are complete, or an error."""

from collections.abc import Iterable
from types import SimpleNamespace
from typing import Any

import pytest
from flask import Flask
from gunicorn.http.body import Body, ChunkedReader
from gunicorn.http.unreader import IterUnreader

from tests.support.clients import Client, problem

LIMIT = 1000


@pytest.fixture(autouse=True)
def limit(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(app.config, "MAX_CONTENT_LENGTH", LIMIT)


def chunks(*parts: bytes) -> Iterable[bytes]:
    """A body in the chunked encoding."""
    return [b"%x\r\n%s\r\n" % (len(part), part) for part in (*parts, b"")]


def upload(client: Client, encoded: Iterable[bytes]) -> Any:
    """Send a chunked body as gunicorn passes it on: decoded while the application reads it."""
    body = Body(ChunkedReader(SimpleNamespace(), IterUnreader(iter(encoded))))
    environ = {"wsgi.input": body, "wsgi.input_terminated": True, "HTTP_TRANSFER_ENCODING": "chunked"}
    return client.post("/notes/imports", content_type="text/csv", environ_overrides=environ)


@pytest.mark.parametrize("size", [2, LIMIT])
def test_a_chunked_body_up_to_the_limit_is_accepted(ada: Client, size: int) -> None:
    assert upload(ada, chunks(b"x" * (size // 2), b"x" * (size // 2))).status_code == 202


@pytest.mark.parametrize("size", [LIMIT + 1, LIMIT * 3])
def test_a_chunked_body_beyond_the_limit_is_refused_instead_of_truncated(ada: Client, size: int) -> None:
    assert problem(upload(ada, chunks(b"x" * LIMIT, b"x" * (size - LIMIT))))[0] == 413
    assert ada.get("/jobs").json["items"] == []


@pytest.mark.parametrize("encoded", [b"tea\r\n", b"5\r\nhelloX", b"-1\r\n"], ids=["a word", "no end", "negative"])
def test_an_invalid_chunked_encoding_is_a_400(ada: Client, encoded: bytes) -> None:
    status, body = problem(upload(ada, [encoded]))
    assert (status, body["detail"]) == (400, "The chunked encoding of the body is invalid.")
    assert ada.get("/jobs").json["items"] == []


def with_length(client: Client, data: bytes, length: int) -> Any:
    """Send a body with a length that may be wrong, as gunicorn passes it on."""
    environ = {"wsgi.input_terminated": True, "CONTENT_LENGTH": str(length)}
    return client.post("/notes/imports", content_type="text/csv", data=data, environ_overrides=environ)


def test_a_body_with_a_length_is_limited_too(ada: Client) -> None:
    assert with_length(ada, b"x" * LIMIT, LIMIT).status_code == 202
    assert problem(with_length(ada, b"x", LIMIT + 1))[0] == 413


def test_a_body_that_ends_too_early_is_refused(ada: Client) -> None:
    assert problem(with_length(ada, b"x", 2))[0] == 400
    assert ada.get("/jobs").json["items"] == []


def test_a_body_without_a_limit_is_read_to_its_end(app: Flask, ada: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(app.config, "MAX_CONTENT_LENGTH", None)
    assert upload(ada, chunks(b"x" * LIMIT * 3)).status_code == 202
