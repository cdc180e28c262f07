"""`/users`: the account of the user."""

from typing import Any

from app.core.http import Page, Resource, marshal_with, problems, use_kwargs
from app.core.security import ADMIN, principal
from app.users import service
from app.users.models import User
from app.users.schemas import (
    CurrentPasswordSchema,
    PasswordChangeSchema,
    UserChangesSchema,
    UserPageSchema,
    UserQuery,
    UserSchema,
)


class UserList(Resource):
    """All accounts."""

    guard = ADMIN

    @use_kwargs(UserQuery, location="query")
    @marshal_with(UserPageSchema, code=200)
    def get(self, **query: Any) -> Page[User]:
        """List all accounts.

        Requires the role `admin`. Follow `next_cursor`, or the `Link` header, to the next page.
        """
        return service.find(**query)


class Me(Resource):
    """The account of the user."""

    @marshal_with(UserSchema, code=200)
    def get(self) -> User:
        """Read your account."""
        return service.get(principal().user_id)

    @use_kwargs(UserChangesSchema, location="json")
    @marshal_with(UserSchema, code=200)
    def patch(self, **changes: str) -> User:
        """Change your account."""
        return service.change(principal().user_id, **changes)

    @use_kwargs(CurrentPasswordSchema, location="json")
    @marshal_with(None, code=204)
    @problems(403)
    def delete(self, current_password: str) -> None:
        """Delete your account.

        All your data is deleted with it. A wrong password answers 403.
        """
        service.delete(principal().user_id, current_password)


class PasswordChange(Resource):
    """The password of the user."""

    @use_kwargs(PasswordChangeSchema, location="json")
    @marshal_with(None, code=204)
    @problems(403)
    def post(self, current_password: str, new_password: str) -> None:
        """Change your password.

        Your other sessions end. A wrong current password answers 403.
        """
        sender = principal()
        service.change_password(sender.user_id, sender.session_id, current_password, new_password)
