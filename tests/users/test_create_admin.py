"""`flask users create-admin`."""

import pytest
from click.testing import Result
from flask import Flask

from app.core.database import db
from app.users.models import User
from tests.conftest import every_database
from tests.support.clients import Client
from tests.support.factories import PASSWORD, log_in


def create_admin(app: Flask, email: str, typed: str = f"{PASSWORD}\n") -> Result:
    return app.test_cli_runner().invoke(args=["users", "create-admin", email], input=typed)


def users_in(app: Flask) -> int:
    with app.app_context():
        return db.session.scalar(db.select(db.func.count(User.id))) or 0


@every_database
def test_create_admin_reads_the_password_from_standard_input(app: Flask) -> None:
    result = create_admin(app, "Root@example.org")
    assert (result.exit_code, result.output) == (0, "Created administrator root@example.org.\n")
    assert log_in(app, "root@example.org", PASSWORD).get("/users/me").json["role"] == "admin"


@pytest.mark.parametrize("ending", ["", "\n", "\r\n", "\nanother line\n"])
def test_the_password_is_the_first_line_of_standard_input(app: Flask, ending: str) -> None:
    assert create_admin(app, "root@example.org", f" with spaces  {ending}").exit_code == 0
    log_in(app, "root@example.org", " with spaces  ")


@every_database
@pytest.mark.parametrize("email", ["root", "root@", "", f"root@{'example.' * 40}org"])
def test_an_invalid_email_is_refused(app: Flask, email: str) -> None:
    result = create_admin(app, email)
    assert result.exit_code == 1
    assert result.output.startswith("Error: ")
    assert "email" in result.output
    assert users_in(app) == 0


@pytest.mark.parametrize("typed", ["", "\n", "1234567\n", f"{'x' * 129}\n"])
def test_a_weak_password_is_refused(app: Flask, typed: str) -> None:
    result = create_admin(app, "root@example.org", typed)
    assert result.exit_code == 1
    assert "password" in result.output.lower()
    assert users_in(app) == 0


@every_database
def test_an_email_that_is_taken_is_refused(app: Flask, ada: Client) -> None:
    result = create_admin(app, "ADA@example.org")
    assert (result.exit_code, result.output) == (1, "Error: This email already has an account.\n")
    assert ada.get("/users/me").json["role"] == "user"
    assert users_in(app) == 1
