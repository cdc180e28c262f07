"""Strict request parsing: ambiguous input is an error."""

from collections.abc import Mapping
from typing import Any, NoReturn
from urllib.parse import unquote_to_bytes

import flask
from marshmallow import Schema, ValidationError
from marshmallow.exceptions import SCHEMA
from webargs.flaskparser import FlaskParser
from webargs.multidictproxy import MultiDictProxy
from werkzeug.datastructures import MultiDict

from app.core.errors import Invalid, Malformed, UnsupportedMediaType
from app.core.http.json import loads

# webargs' name for each kind of body, and its media type.
MEDIA_TYPES = {
    "json": "application/json",
    "form": "application/x-www-form-urlencoded",
    "files": "multipart/form-data",
    "csv": "text/csv",
}
LOCATIONS = {"query", *MEDIA_TYPES}


class Parser(FlaskParser):
    """webargs, made strict: unknown fields are errors everywhere, and JSON must conform to RFC 8259."""

    DEFAULT_UNKNOWN_BY_LOCATION = dict.fromkeys(LOCATIONS)  # each schema has its own rule
    __location_map__ = FlaskParser.__location_map__ | {"csv": "load_csv"}

    def parse_body(self, schemas: Mapping[str, Schema], request: flask.Request) -> Any:
        """Parse the body by the schema for its media type.

        Args:
            schemas: The schema for each location in `MEDIA_TYPES` that the operation accepts.
            request: The current request.

        Raises:
            UnsupportedMediaType: There is no schema for this media type.
            Invalid: A field breaks a rule.
            Malformed: The body cannot be parsed.
        """
        for location, schema in schemas.items():
            if request.mimetype == MEDIA_TYPES[location]:
                return self.parse(schema, request, location=location)
        accepted = " or ".join(MEDIA_TYPES[location] for location in schemas)
        raise UnsupportedMediaType(f"The Content-Type must be {accepted}.")

    def load_json(self, req: flask.Request, schema: Schema) -> Any:
        """Parse JSON strictly."""
        try:
            return loads(req.get_data())
        except (ValueError, RecursionError) as error:
            reason = "is nested too deeply" if isinstance(error, RecursionError) else "is not valid JSON"
            raise Malformed(f"The body {reason}.") from None

    def load_csv(self, req: flask.Request, schema: Schema) -> Any:
        """Treat the whole body as the field `file`."""
        return {"file": req.get_data()}

    def load_querystring(self, req: flask.Request, schema: Schema) -> Any:
        """Parse the query string. It must be UTF-8: Werkzeug would replace other bytes."""
        try:
            unquote_to_bytes(req.query_string).decode()
        except UnicodeDecodeError:
            raise Malformed("The query is not UTF-8.") from None
        _refuse_repeated(req.args, schema)
        return super().load_querystring(req, schema)

    def load_form(self, req: flask.Request, schema: Schema) -> Any:
        """Parse a form without files."""
        _refuse_repeated(req.form, schema)
        return super().load_form(req, schema)

    def load_files(self, req: flask.Request, schema: Schema) -> Any:
        """Parse a form that contains files only."""
        if req.form:
            raise ValidationError({name: ["Not a file."] for name in req.form})
        _refuse_repeated(req.files, schema)
        return super().load_files(req, schema)

    def handle_error(self, error: ValidationError, *_: Any, **__: Any) -> NoReturn:
        """Raise marshmallow's messages as an `Invalid` error."""
        (messages,) = error.normalized_messages().values()
        raise Invalid("Some fields are not valid.", errors=flatten(messages))


def flatten(messages: Any, path: str = "") -> dict[str, list[str]]:
    """Flatten nested messages: each field is named by a dotted path."""
    if isinstance(messages, Mapping):
        names = {key: "body" if key == SCHEMA else str(key) for key in messages}
        parts = (flatten(value, f"{path}.{names[key]}" if path else names[key]) for key, value in messages.items())
        return {name: values for part in parts for name, values in part.items()}
    return {path: [str(message) for message in messages]}


def _refuse_repeated(values: MultiDict[str, Any], schema: Schema) -> None:
    """Refuse repeated names, except of lists: proxies and frameworks disagree on which value counts."""
    lists = MultiDictProxy(values, schema).multiple_keys
    repeated = {name: ["Given more than once."] for name, given in values.lists() if len(given) > 1}
    if errors := {name: repeated[name] for name in repeated.keys() - lists}:
        raise ValidationError(errors)


parser = Parser()
