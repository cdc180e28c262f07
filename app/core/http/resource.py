"""Resources: flask-restful's routing and flask-apispec's annotations, joined in one registration."""

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, TypeVar

import flask_apispec
import flask_restful
from flask import Flask, request
from flask_apispec import FlaskApiSpec, MethodResource
from werkzeug.routing import BaseConverter

from app.core.errors import NotFound
from app.core.http.operation import View, endpoint_of, inner_function
from app.core.security import USER, Guard

__all__ = [
    "Api",
    "Headers",
    "Resource",
    "doc",
    "guarded_by",
    "idempotent",
    "marshal_with",
    "problems",
    "use_kwargs",
]

Headers = Mapping[str, str]
Decorated = TypeVar("Decorated", bound=View)

# flask-apispec's decorators, with types.
use_kwargs: Callable[..., Callable[[Decorated], Decorated]] = flask_apispec.use_kwargs
marshal_with: Callable[..., Callable[[Decorated], Decorated]] = flask_apispec.marshal_with
doc: Callable[..., Callable[[Decorated], Decorated]] = flask_apispec.doc


class Resource(MethodResource, flask_restful.Resource):
    """A URL and its methods.

    A method is annotated with its input (`use_kwargs`) and output (`marshal_with`), and returns the object to
    serialise, alone or with headers: `return book, {"Location": …}`. Its docstring is its documentation.

    For each request, the guard runs first; then the input is parsed, the method is called, its result is serialised,
    and the transaction is committed.
    """

    guard: ClassVar[Guard] = USER


def guarded_by(guard: Guard) -> Callable[[Decorated], Decorated]:
    """Give a method a guard of its own, instead of its class's."""

    def annotate(view: Decorated) -> Decorated:
        inner_function(view).__guard__ = guard
        return view

    return annotate


def problems(*statuses: int) -> Callable[[View], View]:
    """Document further problems of a method. Those of its guard and its input are documented automatically."""

    def annotate(view: View) -> View:
        for status in statuses:
            view = marshal_with(None, code=status)(view)
        return view

    return annotate


def idempotent(view: Decorated) -> Decorated:
    """Replay the first response to a retried request that has the same `Idempotency-Key`."""
    inner_function(view).__idempotent__ = True
    return view


class RowId(BaseConverter):
    """The id of a row in a path. An impossible id is a 404 without a query."""

    regex = "[1-9][0-9]{0,17}"

    def to_python(self, value: str) -> int:
        return int(value)


class Api(flask_restful.Api):
    """Registers each resource once, for routing and for documentation."""

    def __init__(self, app: Flask, docs: FlaskApiSpec, prefix: str = "") -> None:
        super().__init__(app, prefix=prefix)
        self.docs = docs

    def error_router(self, original_handler: View, error: Exception) -> Any:
        """Leave every error to the application's handlers. flask-restful would answer 500 to most."""
        return original_handler(error)

    def add(self, resource: type[Resource], url: str) -> None:
        """Serve and document a resource at a URL below the prefix."""
        for method in resource.methods or ():
            view = getattr(resource, method.lower())
            setattr(resource, method.lower(), endpoint_of(view, resource))
        self.add_resource(resource, url, endpoint=resource.__name__)
        self.docs.register(resource, endpoint=resource.__name__)


def init_routing(app: Flask) -> None:
    """Add the converter `id` for paths, and refuse encoded slashes."""
    app.url_map.converters["id"] = RowId
    app.before_request(_refuse_encoded_slashes)


def _refuse_encoded_slashes() -> None:
    """Answer 404 to a path with `%2F`, which does not separate segments (RFC 3986, section 2.2).

    Servers decode the path, so that it looks like a separator. No id contains a slash.
    """
    path = request.environ.get("RAW_URI", "").partition("?")[0]
    if "%2f" in path.lower():
        raise NotFound("The path contains an encoded slash.")
