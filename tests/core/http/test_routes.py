"""Every route has an authentication rule."""

from flask import Flask

from app.core.security import ANYONE, REFRESH
from tests.core.http.operations import Operation, operations
from tests.support.clients import Client

# An operation in this list is open to the whole internet.
OPEN = {
    "GET /healthz",
    "GET /readyz",
    "POST /api/v1/auth/signup",
    "POST /api/v1/auth/login",
}


def guarded(app: Flask) -> list[Operation]:
    """The operations that require a token."""
    found = [operation for operation in operations(app) if str(operation) not in OPEN]
    assert len(found) > 10
    return found


def test_every_operation_except_the_open_ones_requires_a_token(app: Flask, anonymous: Client) -> None:
    for operation in guarded(app):
        response = anonymous.open(operation.method, operation.url)
        assert (response.status_code, response.mimetype) == (401, "application/problem+json"), operation
        assert response.headers["WWW-Authenticate"] == "Bearer", operation


def test_head_requests_require_a_token_too(app: Flask, anonymous: Client) -> None:
    readable = [operation for operation in guarded(app) if operation.method == "GET"]
    assert {anonymous.open("HEAD", operation.url).status_code for operation in readable} == {401}


def test_open_operations_require_no_token(app: Flask, anonymous: Client) -> None:
    found = [operation for operation in operations(app) if str(operation) in OPEN]
    assert {str(operation) for operation in found} == OPEN
    for operation in found:
        assert operation.guard == ANYONE
        assert anonymous.open(operation.method, operation.url, json={}).status_code in (200, 422, 503), operation


def test_a_refresh_token_is_refused_by_every_other_operation(app: Flask, ada: Client) -> None:
    client = Client(app, ada.refresh_token)
    for operation in guarded(app):
        if operation.guard != REFRESH:
            response = client.open(operation.method, operation.url)
            assert (response.status_code, response.headers["WWW-Authenticate"]) == (401, "Bearer"), operation


def test_an_access_token_is_refused_by_the_refresh_operation(app: Flask, ada: Client) -> None:
    refreshing = [operation for operation in guarded(app) if operation.guard == REFRESH]
    assert [str(operation) for operation in refreshing] == ["POST /api/v1/auth/refresh"]
    assert ada.post("/auth/refresh").status_code == 401
    assert Client(app, ada.refresh_token).post("/auth/refresh").status_code == 200
