"""Operations: what happens between a request and its response, for one method of a resource."""

from collections.abc import Callable, Iterator, Mapping
from functools import wraps
from typing import Any
from urllib.parse import urlencode

import flask
from flask import Response
from flask_apispec import annotations
from flask_apispec.utils import merge_recursive, resolve_annotations
from marshmallow import Schema

from app.core.database import commit, db
from app.core.database.engine import expect_reads
from app.core.http import idempotency
from app.core.http.json import dumps
from app.core.http.pagination import Page
from app.core.http.parser import LOCATIONS, parser
from app.core.http.preconditions import apply_preconditions
from app.core.security import Guard, principal

SAFE_METHODS = ("GET", "HEAD", "OPTIONS")  # RFC 9110, section 9.2.1
LISTS = (list, set, frozenset, Iterator)  # SQLAlchemy's results are iterators
View = Callable[..., Any]
WRAPPERS = (annotations.__name__, __name__)  # modules whose wrappers around a method only annotate or replace it


class InvalidResource(TypeError):
    """A method of a resource is annotated wrongly. The application does not start."""


def inner_function(view: View) -> Any:
    """The method as it was written, inside flask-apispec's wrapper or an endpoint."""
    return view.__wrapped__ if _is_wrapper(view) else view  # type: ignore[attr-defined]


def guard_of(view: View, resource: Any) -> Guard:
    """The guard of a method: its own (`guarded_by`), or else its class's."""
    guard: Guard = getattr(inner_function(view), "__guard__", None) or resource.guard
    return guard


def inputs_of(view: View) -> dict[str, Schema]:
    """The schemas of a method's input, by their location.

    Raises:
        ValueError: A location is unknown, or a schema is something else.
    """
    options = resolve_annotations(view, "args").options
    schemas = {option["kwargs"]["location"] or "json": _instance(option["args"]) for option in options}
    if unknown := schemas.keys() - LOCATIONS:
        raise ValueError(f"use_kwargs has an unknown location: {', '.join(unknown)}")
    return schemas


def responses_of(view: View) -> dict[int, dict[str, Any]]:
    """The responses that `marshal_with` declares, by their status.

    Raises:
        ValueError: One has no status.
    """
    responses: dict[Any, dict[str, Any]] = merge_recursive(resolve_annotations(view, "schemas").options)
    if not all(isinstance(status, int) for status in responses):
        raise ValueError("marshal_with needs a status, such as code=200")
    return responses


class Operation:
    """One method of a resource: guard, parse, call, serialise, commit.

    The annotations are read once, at registration; flask-apispec would read them on each request.
    """

    def __init__(self, view: View, resource: Any) -> None:
        """Read the annotations of a method.

        Raises:
            InvalidResource: An annotation is missing or wrong. The message names the class and the method.
        """
        self.name = f"{resource.__name__}.{view.__name__}"
        self.method = inner_function(view)
        self.guard = guard_of(view, resource)
        self.is_idempotent = hasattr(self.method, "__idempotent__")
        try:
            _refuse_outer_decorator(view)
            self.bodies = inputs_of(view)
            self.status, self.schema = _success(view)
            if self.is_idempotent and self.guard.scheme is None:
                raise ValueError("idempotency keys belong to users; add a guard with a user")
        except ValueError as error:
            raise InvalidResource(f"{self.name}: {error}") from None
        self.query = self.bodies.pop("query", None)

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
        return apply_preconditions(response)

    def _parse(self, request: flask.Request) -> dict[str, Any]:
        arguments: dict[str, Any] = {}
        if self.query is not None:
            arguments |= parser.parse(self.query, request, location="query")
        if self.bodies:
            arguments |= parser.parse_body(self.bodies, request)
        return arguments

    def _respond(self, resource: Any, arguments: dict[str, Any]) -> Response:
        """Call the method and serialise what it returns. This precedes the commit: a serialisation error rolls back."""
        body, headers = self._split(self.method(resource, **arguments))
        if isinstance(body, Response):
            return body
        if self.schema is None:
            return Response(status=self.status, headers=headers)
        self._check_kind(body, self.schema)
        db.session.flush()  # new rows get their ids and defaults
        content = dumps(self.schema.dump(body))
        response = Response(content, self.status, headers, content_type="application/json")
        if isinstance(body, Page) and body.next_cursor:
            query = flask.request.args.to_dict(flat=False) | {"cursor": [body.next_cursor]}
            response.headers["Link"] = f'<{flask.request.path}?{urlencode(query, doseq=True)}>; rel="next"'
        return response

    def _split(self, result: Any) -> tuple[Any, Mapping[str, str]]:
        """Split a result into body and headers. A named tuple is a body."""
        if type(result) is not tuple:
            return result, {}
        if len(result) != 2 or not isinstance(result[1], Mapping):
            raise TypeError(f"{self.name} returned a tuple that is not (body, headers); marshal_with has the status")
        return result

    def _check_kind(self, body: Any, schema: Schema) -> None:
        """Refuse a body that the schema would serialise as an empty object, or as a list of them."""
        if body is None:
            raise TypeError(f"{self.name} returned None; its schema is {type(schema).__name__}")
        if schema.many and isinstance(body, Mapping):
            raise TypeError(f"{self.name} returned one object; its schema is {type(schema).__name__}(many=True)")
        if not schema.many and isinstance(body, LISTS):
            raise TypeError(f"{self.name} returned a list; {type(schema).__name__} needs many=True")


def endpoint_of(view: View, resource: Any) -> View:
    """The function that serves a method of a resource.

    Raises:
        InvalidResource: An annotation is missing or wrong. The message names the class and the method.
    """
    operation = Operation(view, resource)

    @wraps(operation.method)
    def endpoint(self: Any, **path: Any) -> Response:
        return operation(self, path)

    return endpoint


def _is_wrapper(view: View) -> bool:
    """Whether a function is flask-apispec's wrapper or an endpoint. `wraps` copies attributes, but not globals."""
    return hasattr(view, "__wrapped__") and getattr(view, "__globals__", {}).get("__name__") in WRAPPERS


def _refuse_outer_decorator(view: View) -> None:
    """Refuse a decorator outside of flask-apispec's wrapper: it would not be called."""
    annotated = getattr(view, "__apispec__", {}).get("wrapped")  # copied by `wraps`
    if annotated and not _is_wrapper(view):
        raise ValueError("put decorators below use_kwargs and marshal_with")


def _success(view: View) -> tuple[int, Schema | None]:
    """The status and schema of a successful response.

    Raises:
        ValueError: No successful response is declared.
    """
    for status, response in responses_of(view).items():
        if 200 <= status < 300:
            return status, _instance(response["schema"]) if response["schema"] else None
    raise ValueError("no successful response is declared; add @marshal_with(…, code=200)")


def _instance(schema: Any) -> Schema:
    if isinstance(schema, type) and issubclass(schema, Schema):
        return schema()
    if isinstance(schema, Schema):
        return schema
    raise ValueError(f"{schema!r} is not a schema")
