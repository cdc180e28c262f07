"""CORS: which browsers' origins are allowed."""

from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from app import create_app
from tests.conftest import make_settings
from tests.support.clients import Client


def cors_app(folder: Path, *origins: str) -> Flask:
    settings = make_settings(f"sqlite:///{folder}/a.db", f"sqla+sqlite:///{folder}/b.db", cors_origins=origins)
    return create_app(settings)


def preflight(app: Flask, origin: str) -> Any:
    headers = {
        "Origin": origin,
        "Access-Control-Request-Method": "PATCH",
        "Access-Control-Request-Headers": "authorization, content-type, if-match",
    }
    return Client(app).open("OPTIONS", "/users/me", headers=headers)


def cors_headers(response: Any) -> list[str]:
    return [name for name in response.headers.keys() if name.startswith("Access-Control-")]  # noqa: SIM118


def test_no_origin_is_allowed_by_default(app: Flask, anonymous: Client) -> None:
    for response in (anonymous.get("~/healthz", headers={"Origin": "https://a.org"}), preflight(app, "https://a.org")):
        assert cors_headers(response) == []


@pytest.mark.parametrize("origin", ["https://a.org", "https://b.org:8443"])
def test_a_listed_origin_is_allowed(tmp_path: Path, origin: str) -> None:
    app = cors_app(tmp_path, "https://a.org", "https://b.org:8443")
    response = Client(app).get("~/healthz", headers={"Origin": origin})
    assert response.headers["Access-Control-Allow-Origin"] == origin
    assert "Origin" in response.headers["Vary"]


@pytest.mark.parametrize("origin", ["https://b.org", "http://a.org", "https://a.org.b.org", "https://xa.org", "null"])
def test_an_unlisted_origin_is_not_allowed(tmp_path: Path, origin: str) -> None:
    app = cors_app(tmp_path, "https://a.org")
    for response in (Client(app).get("~/healthz", headers={"Origin": origin}), preflight(app, origin)):
        assert cors_headers(response) == []


def test_a_listed_origin_can_send_a_token_json_and_preconditions(tmp_path: Path) -> None:
    response = preflight(cors_app(tmp_path, "https://a.org"), "https://a.org")
    assert response.status_code == 200
    assert response.headers["Access-Control-Allow-Origin"] == "https://a.org"
    assert "PATCH" in response.headers["Access-Control-Allow-Methods"]
    allowed = response.headers["Access-Control-Allow-Headers"].lower()
    assert {"authorization", "content-type", "if-match"} <= set(allowed.split(", "))


def test_a_listed_origin_can_read_problems(tmp_path: Path) -> None:
    response = Client(cors_app(tmp_path, "https://a.org")).get("/jobs", headers={"Origin": "https://a.org"})
    assert response.status_code == 401
    assert response.headers["Access-Control-Allow-Origin"] == "https://a.org"


def test_a_listed_origin_can_read_the_response_headers(tmp_path: Path) -> None:
    response = Client(cors_app(tmp_path, "https://a.org")).get("~/healthz", headers={"Origin": "https://a.org"})
    shown = response.headers["Access-Control-Expose-Headers"].lower().split(", ")
    assert {"etag", "link", "location", "x-request-id"} <= set(shown)


def test_cors_allows_no_cookies(tmp_path: Path) -> None:
    response = Client(cors_app(tmp_path, "https://a.org")).get("~/healthz", headers={"Origin": "https://a.org"})
    assert "Access-Control-Allow-Credentials" not in response.headers
    assert "Set-Cookie" not in response.headers
