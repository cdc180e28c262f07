"""Logins during which the account changes."""

from collections.abc import Callable

import pytest
from flask import Flask

from app.auth import service
from app.core.security import passwords
from tests.conftest import every_database
from tests.support.clients import Client
from tests.support.factories import PASSWORD, log_in

NEW = "another long password"


def change_during_login(monkeypatch: pytest.MonkeyPatch, meanwhile: Callable[[], object]) -> None:
    """Call `meanwhile` between the check of the password and the rest of the login."""
    verify = passwords.verify_password

    def verify_then_change(password: str, stored: str | None) -> bool:
        correct = verify(password, stored)
        monkeypatch.setattr(service, "verify_password", verify)
        meanwhile()
        return correct

    monkeypatch.setattr(service, "verify_password", verify_then_change)


@pytest.mark.parametrize("database", ["postgresql", "mariadb"], indirect=True)
def test_a_login_fails_if_the_password_is_changed_meanwhile(
    app: Flask, ada: Client, anonymous: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    change = {"current_password": PASSWORD, "new_password": NEW}
    change_during_login(monkeypatch, lambda: ada.post("/users/me/password", json=change))
    monkeypatch.setattr(service, "is_outdated", lambda _stored: True)
    response = anonymous.post("/auth/login", json={"email": "ada@example.org", "password": PASSWORD})
    assert response.status_code == 401
    log_in(app, "ada@example.org", NEW)


@pytest.mark.parametrize("database", ["postgresql", "mariadb"], indirect=True)
def test_a_login_fails_if_the_account_is_deleted_meanwhile(
    ada: Client, anonymous: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    change_during_login(monkeypatch, lambda: ada.delete("/users/me", json={"current_password": PASSWORD}))
    response = anonymous.post("/auth/login", json={"email": "ada@example.org", "password": PASSWORD})
    assert response.status_code == 401


@every_database
def test_a_login_rehashes_a_password_with_outdated_parameters(
    app: Flask, ada: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "is_outdated", lambda _stored: True)
    log_in(app, "ada@example.org")
    monkeypatch.undo()
    log_in(app, "ada@example.org")
