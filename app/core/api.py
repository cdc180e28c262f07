"""Resources: flask-restful's routing and flask-apispec's annotations, joined in one registration."""

from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any, ClassVar
from urllib.parse import urlencode

import flask
import flask_restful
import orjson
from flask import Flask, Response
from flask_apispec import FlaskApiSpec, MethodResource, doc, marshal_with, use_kwargs
from flask_apispec.utils import merge_recursive, resolve_annotations
from marshmallow import Schema
from werkzeug.routing import BaseConverter

from app.core import idempotency
from app.core.pagination import Page
from app.core.parsing import parser
from app.core.problems import Malformed, PreconditionFailed
from app.core.security import USER, Guard, principal
from app.core.unit_of_work import commit

__all__ = [
    "IF_MATCH",
    "IF_NONE_MATCH",
    "Api",
    "Headers",
    "Resource",
    "doc",
    "idempotent",
    "if_match",
    "marshal_with",
    "problems",
    "use_kwargs",
]

Headers = Mapping[str, str]
IF_MATCH = {
    "in": "header",
    "name": "If-Match",
    "schema": {"type": "string"},
    "description": "The `ETag` of the state that you have seen: if it is another by now, the answer is 412.",
}
IF_NONE_MATCH = IF_MATCH | {
    "name": "If-None-Match",
    "description": "The `ETag` of the state that you have: if it is still the same, the answer is 304.",
}
View = Callable[..., Any]


class Resource(MethodResource, flask_restful.Resource):
    """A URL and its methods.

    A method is annotated with what it takes (`use_kwargs`) and answers (`marshal_with`), and returns the object to
    answer, alone or with headers: `return book, {"Location": …}`. Its docstring is its documentation. Before it runs,
    the guard lets the request pass and the input is parsed; after it, the answer is written and the transaction
    committed.
    """

    guard: ClassVar[Guard] = USER


def problems(*statuses: int) -> Callable[[View], View]:
    """Document the problems that a method answers with, besides those that its guard and its input imply."""

    def annotate(view: View) -> View:
        for status in statuses:
            view = marshal_with(None, code=status)(view)
        return view

    return annotate


def if_match() -> Callable[[str], bool]:
    """The request's `If-Match` as a test of entity tags. Without one, every tag passes (RFC 9110, section 13.1.1)."""
    tags = flask.request.if_match
    if not tags and "If-Match" in flask.request.headers:
        raise Malformed("If-Match holds no entity tag.")  # to go on would be to lose the client's protection
    return lambda etag: not tags or tags.contains_raw(etag)


def idempotent(view: View) -> View:
    """Let clients send a request again without doing it again, by an `Idempotency-Key` header."""
    method: Any = getattr(view, "__wrapped__", view)  # inside flask-apispec's wrapper, where this stands above it
    method.__idempotent__ = True
    return view


class RowId(BaseConverter):
    """The id of a row in a path: what no row can have is not found, before any database is asked."""

    regex = "[1-9][0-9]{0,17}"

    def to_python(self, value: str) -> int:
        return int(value)


class Api(flask_restful.Api):
    """Registers each resource once, for routing and for documentation."""

    def __init__(self, app: Flask, docs: FlaskApiSpec, prefix: str = "") -> None:
        app.url_map.converters["id"] = RowId
        super().__init__(app, prefix=prefix)
        self.docs = docs

    def error_router(self, original_handler: View, error: Exception) -> Any:
        """Leave every error to the application's handlers; flask-restful would answer 500 to most."""
        return original_handler(error)

    def add(self, resource: type[Resource], url: str) -> None:
        """Serve and document a resource at a URL below the prefix."""
        for method in resource.methods or ():
            view = getattr(resource, method.lower())
            setattr(resource, method.lower(), _endpoint(view, resource.guard))
        self.add_resource(resource, url, endpoint=resource.__name__)
        self.docs.register(resource, endpoint=resource.__name__)


def _endpoint(view: View, guard: Guard) -> View:
    operation = _Operation(view, guard)

    @wraps(operation.method)
    def endpoint(self: Resource, **arguments: Any) -> Response:
        return operation(self, arguments)

    return endpoint


class _Operation:
    """A method's whole path, laid out once; flask-apispec would read annotations and build schemas on each request."""

    def __init__(self, view: View, guard: Guard) -> None:
        # What flask-apispec has wrapped; or this class has, for a parent or another application.
        self.method = view.__wrapped__  # type: ignore[attr-defined]
        self.guard = guard
        taken = resolve_annotations(view, "args").options
        self.bodies: dict[str, Schema] = {option["kwargs"]["location"]: option["args"]() for option in taken}
        self.query = self.bodies.pop("query", None)
        answers = merge_recursive(resolve_annotations(view, "schemas").options)
        self.status = next(code for code in answers if code < 300)
        schema = answers[self.status]["schema"]
        self.dump = schema().dump if schema else None
        self.takes_key = hasattr(self.method, "__idempotent__")

    def __call__(self, resource: Resource, arguments: dict[str, Any]) -> Response:
        self.guard()
        request = flask.request
        if self.query is not None:
            arguments |= parser.parse(self.query, request, location="query")
        if self.bodies:
            arguments |= parser.parse_body(self.bodies, request)
        if self.takes_key and (key := request.headers.get(idempotency.HEADER)) is not None:
            return idempotency.once(principal().user_id, key, arguments, lambda: self._answer(resource, arguments))
        response = self._answer(resource, arguments)
        if request.method not in ("GET", "HEAD"):
            commit()
        if "ETag" in response.headers and response.make_conditional(request).status_code == 412:
            raise PreconditionFailed("It has changed since you read it.")
        return response

    def _answer(self, resource: Resource, arguments: dict[str, Any]) -> Response:
        """Do it, and write the answer: before the commit, so that what cannot be told is not done."""
        answer = self.method(resource, **arguments)
        body, headers = answer if isinstance(answer, tuple) else (answer, {})
        if isinstance(body, Response):
            return body
        if self.dump is None:
            return Response(status=self.status, headers=headers)
        content = orjson.dumps(self.dump(body), option=orjson.OPT_UTC_Z)
        response = Response(content, self.status, headers, content_type="application/json")
        if isinstance(body, Page) and body.next_cursor:
            query = flask.request.args.to_dict() | {"cursor": body.next_cursor}
            response.headers["Link"] = f'<{flask.request.path}?{urlencode(query)}>; rel="next"'
        return response
