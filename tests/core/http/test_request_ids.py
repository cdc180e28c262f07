"""`X-Request-ID`: on every response and in every problem."""

from typing import Any

import pytest

from tests.support.clients import Client
from tests.support.factories import note
from tests.support.notes import service as notes

ROUTER_ID = "0a1b2c3d-4e5f-6789-abcd-ef0123456789"


def fail_with_secret(*_: Any, **__: Any) -> None:
    raise RuntimeError("the password of the database is hunter2")


@pytest.mark.parametrize("given", [ROUTER_ID, "x" * 20, "x" * 200, "aZ09._:+/=-aZ09._:+/=-"])
def test_the_request_id_of_the_router_is_kept(anonymous: Client, given: str) -> None:
    assert anonymous.get("~/healthz", headers={"X-Request-ID": given}).headers["X-Request-ID"] == given


@pytest.mark.parametrize(
    "given",
    ["", "x" * 19, "x" * 201, "x" * 20 + " ", "x y" * 10, "<script>alert(1)</script>", "é" * 20, "x" * 20 + "%"],
)
def test_an_unsafe_request_id_is_replaced(anonymous: Client, given: str) -> None:
    request_id = anonymous.get("~/healthz", headers={"X-Request-ID": given}).headers["X-Request-ID"]
    assert request_id != given.strip()
    assert 20 <= len(request_id) <= 200


def test_a_request_without_an_id_gets_one(anonymous: Client) -> None:
    assert len({anonymous.get("~/healthz").headers["X-Request-ID"] for _ in range(3)}) == 3


@pytest.mark.parametrize(
    ("status", "method", "path", "options"),
    [
        (400, "POST", "/notes", {"data": "{", "content_type": "application/json"}),
        (404, "GET", "~/nowhere", {}),
        (404, "GET", "/notes/1", {}),
        (405, "PUT", "/notes", {}),
        (409, "POST", "/notes", {"json": note()}),
        (415, "POST", "/notes", {"data": "title=Milk"}),
        (422, "POST", "/notes", {"json": {}}),
        (500, "GET", "/notes", {}),
    ],
)
def test_a_problem_contains_the_request_id(
    ada: Client, monkeypatch: pytest.MonkeyPatch, status: int, method: str, path: str, options: dict[str, Any]
) -> None:
    ada.post("/notes", json=note())
    monkeypatch.setattr(notes, "find", fail_with_secret)
    response = ada.open(method, path, headers={"X-Request-ID": ROUTER_ID}, **options)
    assert response.status_code == status
    assert response.headers["X-Request-ID"] == response.json["request_id"] == ROUTER_ID


def test_a_401_contains_the_request_id(anonymous: Client) -> None:
    response = anonymous.get("/notes")
    assert response.status_code == 401
    assert response.headers["X-Request-ID"] == response.json["request_id"]
