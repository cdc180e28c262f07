"""Reading requests strictly: a schema gets what the client meant, or the client is told."""

import json
from collections.abc import Mapping
from functools import cached_property
from io import BytesIO
from typing import IO, Any, NoReturn
from urllib.parse import unquote_to_bytes

import flask
import orjson
from gunicorn.http.errors import ParseException
from marshmallow import Schema, ValidationError
from marshmallow.exceptions import SCHEMA
from webargs.flaskparser import FlaskParser
from werkzeug.datastructures import MultiDict
from werkzeug.exceptions import RequestEntityTooLarge
from werkzeug.wsgi import LimitedStream

from app.core.problems import Invalid, Malformed, UnsupportedMediaType

# webargs' name of each place that a body can be read from, and the media type that says so.
MEDIA_TYPES = {
    "json": "application/json",
    "form": "application/x-www-form-urlencoded",
    "files": "multipart/form-data",
    "csv": "text/csv",
}


class Request(flask.Request):
    """A request whose body is never cut short and never touches the disk."""

    @cached_property
    def stream(self) -> IO[bytes]:
        """The body. Werkzeug lets a chunked one end at the limit, and any end when the client goes; this raises."""
        source, limit = self.environ["wsgi.input"], self.max_content_length
        if limit is None or not self.environ.get("wsgi.input_terminated"):
            return super().stream
        if self.content_length is None:
            return _ChunkedBody(source, limit)  # type: ignore[return-value]
        if self.content_length > limit:
            raise RequestEntityTooLarge
        return LimitedStream(source, self.content_length)  # type: ignore[return-value]

    def _get_file_stream(self, *_: Any, **__: Any) -> IO[bytes]:
        return BytesIO()  # no larger than the body may be; the file system may be read-only


class _ChunkedBody(LimitedStream):
    """Reads to the end that the client sets, or raises 413 at the first byte beyond the limit."""

    def __init__(self, stream: IO[bytes], limit: int) -> None:
        super().__init__(stream, limit + 1, is_max=True)

    def readinto(self, b: bytearray) -> int | None:  # type: ignore[override]
        try:
            size = super().readinto(b)
        except ParseException:
            raise Malformed("The body is not chunked as it says.") from None
        if self.is_exhausted:
            raise RequestEntityTooLarge
        return size


class Parser(FlaskParser):
    """webargs, stricter: unknown fields are errors everywhere, JSON is what RFC 8259 says and no more."""

    DEFAULT_UNKNOWN_BY_LOCATION = dict.fromkeys(("query", *MEDIA_TYPES))  # each schema's own rule
    __location_map__ = FlaskParser.__location_map__ | {"csv": "load_csv"}

    def parse_body(self, schemas: Mapping[str, Schema], request: flask.Request) -> Any:
        """Parse the body by the schema that its media type calls for.

        Raises:
            UnsupportedMediaType: no schema takes this type.
        """
        for location, schema in schemas.items():
            if request.mimetype == MEDIA_TYPES[location]:
                return self.parse(schema, request, location=location)
        taken = " or ".join(MEDIA_TYPES[location] for location in schemas)
        raise UnsupportedMediaType(f"The body must be {taken}, and its Content-Type must say so.")

    def load_json(self, req: flask.Request, schema: Schema) -> Any:
        """Read JSON, refusing what parsers disagree on: NaN, lone surrogates, huge numbers, repeated keys."""
        body = req.get_data()
        try:
            orjson.loads(body)
            return json.loads(body, object_pairs_hook=_unique)
        except (ValueError, RecursionError) as error:
            reason = "is nested too deeply" if isinstance(error, RecursionError) else "is not valid JSON"
            raise Malformed(f"The body {reason}.") from None

    def load_csv(self, req: flask.Request, schema: Schema) -> Any:
        """The whole body is the file."""
        return {"file": req.get_data()}

    def load_querystring(self, req: flask.Request, schema: Schema) -> Any:
        """Read the query, which must be UTF-8; Werkzeug would search for what it cannot decode."""
        try:
            unquote_to_bytes(req.query_string).decode()
        except UnicodeDecodeError:
            raise Malformed("The query is not UTF-8.") from None
        _refuse_repeated(req.args)
        return super().load_querystring(req, schema)

    def load_form(self, req: flask.Request, schema: Schema) -> Any:
        """Read a form without files."""
        _refuse_repeated(req.form)
        return super().load_form(req, schema)

    def load_files(self, req: flask.Request, schema: Schema) -> Any:
        """Read a form of nothing but files."""
        if req.form:
            raise ValidationError({name: ["Not a file."] for name in req.form})
        _refuse_repeated(req.files)
        return super().load_files(req, schema)

    def handle_error(self, error: ValidationError, *_: Any, **__: Any) -> NoReturn:
        """Turn marshmallow's messages into a problem."""
        (messages,) = error.normalized_messages().values()
        raise Invalid("Some fields are not valid.", errors=flatten(messages))


def flatten(messages: Any, path: str = "") -> dict[str, list[str]]:
    """Name nested fields by a dotted path."""
    if isinstance(messages, Mapping):
        names = {key: "body" if key == SCHEMA else str(key) for key in messages}
        parts = (flatten(value, f"{path}.{names[key]}" if path else names[key]) for key, value in messages.items())
        return {name: values for part in parts for name, values in part.items()}
    return {path: [str(message) for message in messages]}


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    mapping = dict(pairs)
    if len(mapping) < len(pairs):
        raise ValueError("a key is repeated")
    return mapping


def _refuse_repeated(values: MultiDict[str, Any]) -> None:
    """Refuse a name given twice: proxies and frameworks disagree on which value counts."""
    repeated = {name: ["Given more than once."] for name, given in values.lists() if len(given) > 1}
    if repeated:
        raise ValidationError(repeated)


parser = Parser()
