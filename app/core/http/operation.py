"""Operations: what happens between a request and its response, for one method of a resource."""

from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlencode

import flask
import orjson
from flask import Response
from flask_apispec.utils import merge_recursive, resolve_annotations
from marshmallow import Schema

from app.core.database import commit
from app.core.database.engine import expect_reads
from app.core.errors import PreconditionFailed
from app.core.http import idempotency
from app.core.http.pagination import Page
from app.core.http.parser import parser
from app.core.security import Guard, principal

SAFE_METHODS = ("GET", "HEAD", "OPTIONS")  # RFC 9110, section 9.2.1
View = Callable[..., Any]


def inner_function(view: View) -> Any:
    """The method as it was written, inside flask-apispec's wrapper."""
    return getattr(view, "__wrapped__", view)


def guard_of(view: View, resource: Any) -> Guard:
    """The guard of a method: its own (`guarded_by`), or else its class's."""
    guard: Guard = getattr(inner_function(view), "__guard__", None) or resource.guard
    return guard


class Operation:
    """One method of a resource: guard, parse, call, serialise, commit.

    The annotations are read once, at registration; flask-apispec would read them on each request.
    """

    def __init__(self, view: View, resource: Any) -> None:
        self.method = inner_function(view)
        self.guard = guard_of(view, resource)
        inputs = resolve_annotations(view, "args").options
        self.bodies: dict[str, Schema] = {option["kwargs"]["location"]: option["args"]() for option in inputs}
        self.query = self.bodies.pop("query", None)
        self.status, self.schema = _success(view)
        self.is_idempotent = hasattr(self.method, "__idempotent__")

    def __call__(self, resource: Any, path: Mapping[str, Any]) -> Response:
        """Answer the current request.

        Args:
            resource: The instance of the resource that was created for this request.
            path: The variables of the URL.
        """
        request = flask.request
        if request.method in SAFE_METHODS:
            expect_reads()
        self.guard()
        arguments = {**path, **self._parse(request)}
        if self.is_idempotent and (key := request.headers.get(idempotency.HEADER)) is not None:
            return idempotency.once(principal().user_id, key, arguments, lambda: self._respond(resource, arguments))
        response = self._respond(resource, arguments)
        commit()
        if "ETag" in response.headers and response.make_conditional(request).status_code == 412:
            raise PreconditionFailed("It has changed since you read it.")
        return response

    def _parse(self, request: flask.Request) -> dict[str, Any]:
        arguments: dict[str, Any] = {}
        if self.query is not None:
            arguments |= parser.parse(self.query, request, location="query")
        if self.bodies:
            arguments |= parser.parse_body(self.bodies, request)
        return arguments

    def _respond(self, resource: Any, arguments: dict[str, Any]) -> Response:
        """Call the method and serialise what it returns. This precedes the commit: a serialisation error rolls back."""
        result = self.method(resource, **arguments)
        body, headers = result if isinstance(result, tuple) else (result, {})
        if isinstance(body, Response):
            return body
        if self.schema is None:
            return Response(status=self.status, headers=headers)
        content = orjson.dumps(self.schema.dump(body), option=orjson.OPT_UTC_Z)
        response = Response(content, self.status, headers, content_type="application/json")
        if isinstance(body, Page) and body.next_cursor:
            query = flask.request.args.to_dict() | {"cursor": body.next_cursor}
            response.headers["Link"] = f'<{flask.request.path}?{urlencode(query)}>; rel="next"'
        return response


def _success(view: View) -> tuple[int, Schema | None]:
    """The status and schema of a successful response."""
    responses = merge_recursive(resolve_annotations(view, "schemas").options)
    status = next(code for code in responses if code < 300)
    schema = responses[status]["schema"]
    return status, schema() if schema else None
