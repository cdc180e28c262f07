"""`/users`: the account of whoever asks."""

from app.core.api import Resource, marshal_with, problems, use_kwargs
from app.core.security import principal
from app.users import service
from app.users.models import User
from app.users.schemas import CurrentPasswordSchema, UserChangesSchema, UserSchema


class Me(Resource):
    """The account that the token stands for."""

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

        Your books, jobs and sessions go with it. A wrong password answers 403.
        """
        service.delete(principal().user_id, current_password)
