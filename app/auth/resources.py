"""`/auth`: accounts come, sessions begin and end."""

from flask_jwt_extended import get_jwt

from app.auth import service
from app.auth.schemas import (
    CredentialsSchema,
    NewPasswordSchema,
    PasswordGrantSchema,
    TokensSchema,
)
from app.auth.service import Tokens
from app.core.api import Headers, Resource, marshal_with, problems, use_kwargs
from app.core.security import ANYONE, REFRESH, principal
from app.users import service as users
from app.users.models import User
from app.users.schemas import NewUserSchema, UserSchema

NOT_TO_BE_CACHED: Headers = {"Cache-Control": "no-store"}  # RFC 6749, section 5.1


class Signup(Resource):
    """New accounts."""

    guard = ANYONE

    @use_kwargs(NewUserSchema, location="json")
    @marshal_with(UserSchema, code=201)
    @problems(409)
    def post(self, email: str, password: str, name: str) -> User:
        """Create an account.

        An email that is taken answers 409. The password has 8 to 128 characters.
        """
        return users.create(email, name, password)


class Login(Resource):
    """New sessions."""

    guard = ANYONE

    @use_kwargs(CredentialsSchema, location="json")
    @use_kwargs(PasswordGrantSchema, location="form")
    @marshal_with(TokensSchema, code=200)
    @problems(401)
    def post(self, email: str, password: str, grant_type: str = "password") -> tuple[Tokens, Headers]:
        """Log in.

        Takes JSON, or the form of the OAuth 2 password grant, as "Authorize" on this page sends it. A wrong password
        and an unknown email look alike: 401.
        """
        return service.log_in(email, password), NOT_TO_BE_CACHED


class Refresh(Resource):
    """Refresh token rotation."""

    guard = REFRESH

    @marshal_with(TokensSchema, code=200)
    def post(self) -> tuple[Tokens, Headers]:
        """Exchange a refresh token for a new pair.

        Send the refresh token as the bearer token. It is good once: used again, it ends its whole session.
        """
        return service.rotate(principal(), get_jwt()["jti"]), NOT_TO_BE_CACHED


class Logout(Resource):
    """The end of a session."""

    @marshal_with(None, code=204)
    def post(self) -> None:
        """Log out.

        The session's access and refresh tokens are dead at once.
        """
        service.end(principal().session_id)


class PasswordChange(Resource):
    """The user's password."""

    @use_kwargs(NewPasswordSchema, location="json")
    @marshal_with(None, code=204)
    @problems(403)
    def post(self, current_password: str, new_password: str) -> None:
        """Change your password.

        Your other sessions end. A wrong current password answers 403.
        """
        service.change_password(principal(), current_password, new_password)
