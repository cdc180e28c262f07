"""Every route has an authentication rule."""

import re
from collections.abc import Iterator
from typing import NamedTuple

from flask import Flask

from app.core.http import Resource
from app.core.security import ANYONE, REFRESH
from tests.support.clients import Client

# Who adds to this list opens a door to the whole internet.
OPEN = {
    "GET /healthz",
    "GET /readyz",
    "POST /api/v1/auth/signup",
    "POST /api/v1/auth/login",
}
PAGES = {"/", "/openapi.json", "/docs/", "/docs/{path}"}  # for people and tools: no operations


class Operation(NamedTuple):
    """A method of a URL, as it is routed."""

    method: str
    path: str
    resource: type[Resource] | None

    def __str__(self) -> str:
        return f"{self.method} {self.path}"

    @property
    def url(self) -> str:
        """A URL that leads there, for the test client; the tilde stands for the root."""
        return "~" + re.sub(r"{\w+}", "1", self.path)


def operations(app: Flask) -> Iterator[Operation]:
    """Everything that can be called, pages left out."""
    for rule in app.url_map.iter_rules():
        path = re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule)
        resource = getattr(app.view_functions[rule.endpoint], "view_class", None)
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"} if path not in PAGES else ():
            yield Operation(method, path, resource)


def guarded(app: Flask) -> list[Operation]:
    """The operations that are not open."""
    found = [operation for operation in operations(app) if str(operation) not in OPEN]
    assert len(found) > 10
    return found


def test_every_operation_except_the_open_ones_requires_a_token(app: Flask, anonymous: Client) -> None:
    for operation in guarded(app):
        answer = anonymous.open(operation.method, operation.url)
        assert (answer.status_code, answer.mimetype) == (401, "application/problem+json"), operation
        assert answer.headers["WWW-Authenticate"] == "Bearer", operation


def test_head_requests_require_a_token_too(app: Flask, anonymous: Client) -> None:
    readable = [operation for operation in guarded(app) if operation.method == "GET"]
    assert {anonymous.open("HEAD", operation.url).status_code for operation in readable} == {401}


def test_open_operations_require_no_token(app: Flask, anonymous: Client) -> None:
    doors = [operation for operation in operations(app) if str(operation) in OPEN]
    assert {str(operation) for operation in doors} == OPEN
    for operation in doors:
        assert operation.resource is not None
        assert operation.resource.guard == ANYONE
        assert anonymous.open(operation.method, operation.url, json={}).status_code in (200, 422, 503), operation


def test_a_refresh_token_is_refused_by_every_other_operation(app: Flask, ada: Client) -> None:
    client = Client(app, ada.refresh_token)
    for operation in guarded(app):
        if operation.resource and operation.resource.guard != REFRESH:
            answer = client.open(operation.method, operation.url)
            assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (401, "Bearer"), operation


def test_an_access_token_is_refused_by_the_refresh_operation(app: Flask, ada: Client) -> None:
    asking = [operation for operation in guarded(app) if operation.resource and operation.resource.guard == REFRESH]
    assert [str(operation) for operation in asking] == ["POST /api/v1/auth/refresh"]
    assert ada.post("/auth/refresh").status_code == 401
    assert Client(app, ada.refresh_token).post("/auth/refresh").status_code == 200
