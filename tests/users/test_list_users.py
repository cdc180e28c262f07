"""`GET /users`: admins only."""

import pytest
from flask import Flask

from tests.conftest import every_database
from tests.support.clients import Client
from tests.support.factories import PASSWORD, log_in


@pytest.fixture
def admin(app: Flask) -> Client:
    """An administrator who is logged in."""
    app.test_cli_runner().invoke(args=["users", "create-admin", "root@example.org"], input=f"{PASSWORD}\n")
    return log_in(app, "root@example.org")


@every_database
def test_an_admin_pages_through_all_accounts(admin: Client, ada: Client, bob: Client) -> None:
    first = admin.get("/users?limit=2").json
    rest = admin.get(f"/users?limit=2&cursor={first['next_cursor']}").json
    emails = [user["email"] for user in first["items"] + rest["items"]]
    assert emails == ["root@example.org", "ada@example.org", "bob@example.org"]
    assert rest["next_cursor"] is None


def test_no_answer_contains_a_password_hash(admin: Client) -> None:
    assert "argon2" not in admin.get("/users").text


def test_a_user_gets_403_and_an_anonymous_client_401(ada: Client, anonymous: Client) -> None:
    assert ada.get("/users").status_code == 403
    assert anonymous.get("/users").status_code == 401


def test_openapi_documents_the_403(anonymous: Client) -> None:
    document = anonymous.get("~/openapi.json").json
    assert {"401", "403"} <= set(document["paths"]["/api/v1/users"]["get"]["responses"])
