"""Logins that something overtakes while the password is being hashed."""

from collections.abc import Callable

import pytest
from flask import Flask

from app.auth import service
from app.core.security import passwords
from tests.conftest import every_database
from tests.support.clients import Client
from tests.support.factories import PASSWORD, log_in

NEW = "a new password, and a better one"


def overtake(monkeypatch: pytest.MonkeyPatch, meanwhile: Callable[[], object]) -> None:
    """Let something happen between the check of a login's password and the rest of the login."""
    verify = passwords.verify_password

    def slowly(password: str, stored: str | None) -> bool:
        correct = verify(password, stored)
        monkeypatch.setattr(service, "verify_password", verify)
        meanwhile()
        return correct

    monkeypatch.setattr(service, "verify_password", slowly)


@pytest.mark.parametrize("database", ["postgresql", "mariadb"], indirect=True)
def test_a_login_fails_if_the_password_is_changed_meanwhile(
    app: Flask, ada: Client, anonymous: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    change = {"current_password": PASSWORD, "new_password": NEW}
    overtake(monkeypatch, lambda: ada.post("/users/me/password", json=change))
    monkeypatch.setattr(service, "is_outdated", lambda _stored: True)
    answer = anonymous.post("/auth/login", json={"email": "ada@example.org", "password": PASSWORD})
    assert answer.status_code == 401
    log_in(app, "ada@example.org", NEW)


@pytest.mark.parametrize("database", ["postgresql", "mariadb"], indirect=True)
def test_a_login_fails_if_the_account_is_deleted_meanwhile(
    ada: Client, anonymous: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    overtake(monkeypatch, lambda: ada.delete("/users/me", json={"current_password": PASSWORD}))
    answer = anonymous.post("/auth/login", json={"email": "ada@example.org", "password": PASSWORD})
    assert answer.status_code == 401


@every_database
def test_a_login_rehashes_a_password_with_outdated_parameters(
    app: Flask, ada: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "is_outdated", lambda _stored: True)
    log_in(app, "ada@example.org")
    monkeypatch.undo()
    log_in(app, "ada@example.org")
