"""`/auth`: sign up, log in, refresh, log out."""

from flask_jwt_extended import get_jwt

from app.auth import service
from app.auth.schemas import (
    CredentialsSchema,
    PasswordGrantSchema,
    TokensSchema,
)
from app.auth.service import Tokens
from app.core.http import Headers, Resource, marshal_with, problems, use_kwargs
from app.core.security import ANYONE, REFRESH, principal
from app.users import service as users
from app.users.models import User
from app.users.schemas import NewUserSchema, UserSchema

NO_STORE: Headers = {"Cache-Control": "no-store"}  # RFC 6749, section 5.1


class Signup(Resource):
    """Signing up."""

    guard = ANYONE

    @use_kwargs(NewUserSchema, location="json")
    @marshal_with(UserSchema, code=201)
    @problems(409)
    def post(self, email: str, password: str, name: str) -> User:
        """Create an account.

        An email that already has an account answers 409. The password must have 8 to 128 characters.
        """
        return users.create(email, name, password)


class Login(Resource):
    """Logging in."""

    guard = ANYONE

    @use_kwargs(CredentialsSchema, location="json")
    @use_kwargs(PasswordGrantSchema, location="form")
    @marshal_with(TokensSchema, code=200)
    @problems(401)
    def post(self, email: str, password: str, grant_type: str = "password") -> tuple[Tokens, Headers]:
        """Log in.

        Accepts JSON, or the form of the OAuth 2 password grant, as "Authorize" on this page sends it. A wrong password
        and an unknown email both answer 401, with the same message.
        """
        return service.log_in(email, password), NO_STORE


class Refresh(Resource):
    """Refresh token rotation."""

    guard = REFRESH

    @marshal_with(TokensSchema, code=200)
    def post(self) -> tuple[Tokens, Headers]:
        """Exchange a refresh token for a new pair.

        Send the refresh token as the bearer token. It can be used once: a second use ends its session.
        """
        return service.rotate(principal(), get_jwt()["jti"]), NO_STORE


class Logout(Resource):
    """Logging out."""

    @marshal_with(None, code=204)
    def post(self) -> None:
        """Log out.

        The session's access and refresh tokens become invalid immediately.
        """
        service.end(principal().session_id)
