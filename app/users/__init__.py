"""Users: accounts and their owners' access to them."""

from app.core.http import Api
from app.users.commands import users
from app.users.resources import Me, PasswordChange, UserList


def register(api: Api) -> None:
    """Add the resources and commands."""
    api.add(UserList, "/users")
    api.add(Me, "/users/me")
    api.add(PasswordChange, "/users/me/password")
    api.app.cli.add_command(users)
