"""`flask users`: one-off processes for accounts (factor XII)."""

import sys

import click
from flask.cli import AppGroup
from marshmallow import ValidationError

from app.core.database import commit
from app.core.errors import Conflict
from app.users import service
from app.users.schemas import NewUserSchema

users = AppGroup("users", help="Manage accounts.")


@users.command("create-admin")
@click.argument("email")
def create_admin(email: str) -> None:
    """Create an administrator. The password is prompted for, or read from standard input."""
    prompted = sys.stdin.isatty()
    password = click.prompt("Password", hide_input=True, confirmation_prompt=True) if prompted else sys.stdin.readline()
    account = {"email": email, "name": "Admin", "password": password.rstrip("\n")}
    try:
        user = service.create(**NewUserSchema().load(account), role="admin")
    except ValidationError as invalid:
        faults = (f"{field}: {' '.join(messages)}" for field, messages in invalid.normalized_messages().items())
        raise click.ClickException(" ".join(faults)) from None
    except Conflict as conflict:
        raise click.ClickException(conflict.detail) from None
    commit()
    click.echo(f"Created administrator {user.email}.")
