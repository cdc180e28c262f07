"""Users: accounts, and what their owners may do with them."""

from app.core.api import Api
from app.users.commands import users
from app.users.resources import Me


def register(api: Api) -> None:
    """Add the resources and commands."""
    api.add(Me, "/users/me")
    api.app.cli.add_command(users)
