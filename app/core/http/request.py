"""The request class: bodies that are complete and bounded, and one form of the `Authorization` header."""

from functools import cached_property
from io import BytesIO
from typing import IO, Any

import flask
from gunicorn.http.errors import ParseException
from werkzeug.exceptions import RequestEntityTooLarge
from werkzeug.wsgi import LimitedStream

from app.core.errors import Malformed


class Request(flask.Request):
    """A request whose body is either complete or an error."""

    def __init__(self, environ: dict[str, Any], *args: Any, **options: Any) -> None:
        """Write the scheme `Bearer` as flask-jwt-extended expects it. Schemes ignore case (RFC 9110, section 11.1)."""
        scheme, _, token = environ.get("HTTP_AUTHORIZATION", "").partition(" ")
        if scheme.lower() == "bearer":
            environ["HTTP_AUTHORIZATION"] = f"Bearer {token}"
        super().__init__(environ, *args, **options)

    @cached_property
    def stream(self) -> IO[bytes]:
        """The body. Reading raises an error if it is incomplete or too large; Werkzeug's stream would truncate it."""
        source, limit = self.environ["wsgi.input"], self.max_content_length
        if limit is None or not self.environ.get("wsgi.input_terminated"):
            return super().stream
        if self.content_length is None:
            return _ChunkedBody(source, limit)  # type: ignore[return-value]
        if self.content_length > limit:
            raise RequestEntityTooLarge
        return LimitedStream(source, self.content_length)  # type: ignore[return-value]

    def _get_file_stream(self, *_: Any, **__: Any) -> IO[bytes]:
        return BytesIO()  # bounded by the body's limit; the file system may be read-only


class _ChunkedBody(LimitedStream):
    """Reads to the end of a chunked body, and raises 413 at the first byte beyond the limit."""

    def __init__(self, stream: IO[bytes], limit: int) -> None:
        super().__init__(stream, limit + 1, is_max=True)

    def readinto(self, b: bytearray) -> int | None:  # type: ignore[override]
        try:
            size = super().readinto(b)
        except ParseException:
            raise Malformed("The chunked encoding of the body is invalid.") from None
        if self.is_exhausted:
            raise RequestEntityTooLarge
        return size
