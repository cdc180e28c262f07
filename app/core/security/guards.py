"""Guards: the rule that a request must pass before its resource runs."""

from dataclasses import dataclass
from typing import cast

from flask_jwt_extended import get_current_user, verify_jwt_in_request
from flask_jwt_extended.exceptions import JWTExtendedException
from jwt import PyJWTError

from app.core.errors import Forbidden, Unauthenticated


@dataclass(frozen=True, slots=True)
class Principal:
    """The user and the session that a token belongs to."""

    user_id: int
    session_id: str
    role: str


def principal() -> Principal:
    """The sender of the current request. Available behind every guard except `ANYONE`."""
    return cast(Principal, get_current_user())


@dataclass(frozen=True)
class Guard:
    """The rule that a request must pass before its resource runs.

    Attributes:
        scheme: The OpenAPI security scheme that it requires; None admits everyone.
        role: The role that the user must have, if any.
    """

    scheme: str | None
    role: str | None = None

    def __call__(self) -> None:
        """Check the current request.

        Raises:
            Unauthenticated: The token is missing, invalid, expired, of the wrong type, or its session has ended.
            Forbidden: The user does not have the role.
        """
        if self.scheme is None:
            return
        try:
            verify_jwt_in_request(refresh=self.scheme == REFRESH.scheme)
        except (JWTExtendedException, PyJWTError):
            raise Unauthenticated("A valid token of a live session is required.") from None
        if self.role and principal().role != self.role:
            raise Forbidden(f"This requires the role {self.role!r}.")


ANYONE = Guard(scheme=None)
USER = Guard(scheme="access_token")
ADMIN = Guard(scheme="access_token", role="admin")
REFRESH = Guard(scheme="refresh_token")
