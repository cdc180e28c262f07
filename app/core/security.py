"""Who is asking: password hashing, and the guards that stand before every resource."""

from dataclasses import dataclass
from functools import cache
from typing import cast

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from flask_jwt_extended import get_current_user, verify_jwt_in_request
from flask_jwt_extended.exceptions import JWTExtendedException
from jwt import PyJWTError

from app.core.problems import Forbidden, Unauthenticated

# OWASP Password Storage Cheat Sheet: Argon2id with 19 MiB, two passes, one lane.
hasher = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)


def hash_password(password: str) -> str:
    """Hash a password for storage, with its own salt."""
    return hasher.hash(password)


def verify_password(password: str, stored: str | None) -> bool:
    """Compare a password with a stored hash; without one (no such user) it takes as long, and is false."""
    try:
        hasher.verify(stored or _nobodys_hash(), password)
    except (VerificationError, InvalidHashError):
        return False
    return stored is not None


def is_outdated(stored: str) -> bool:
    """Whether a password was hashed with weaker parameters than today's."""
    return hasher.check_needs_rehash(stored)


@cache
def _nobodys_hash() -> str:
    return hash_password("nobody has this password")


@dataclass(frozen=True, slots=True)
class Principal:
    """The user and the session that a token stands for."""

    user_id: int
    session_id: str
    role: str


def principal() -> Principal:
    """Who sent the request at hand; only behind a guard that asks for a token."""
    return cast(Principal, get_current_user())


@dataclass(frozen=True)
class Guard:
    """The rule that a request must pass before its resource sees it.

    Attributes:
        scheme: The OpenAPI security scheme that it asks for; none lets everyone in.
        role: The role that the user must have, if any.
    """

    scheme: str | None
    role: str | None = None

    def __call__(self) -> None:
        """Let the request pass.

        Raises:
            Unauthenticated: there is no token, or it is invalid, expired, of the wrong type, or of an ended session.
            Forbidden: the user has not the role.
        """
        if self.scheme is None:
            return
        try:
            verify_jwt_in_request(refresh=self.scheme == REFRESH.scheme)
        except (JWTExtendedException, PyJWTError):
            raise Unauthenticated("A valid token of a live session is required.") from None
        if self.role and principal().role != self.role:
            raise Forbidden(f"Only the role {self.role!r} may do this.")


ANYONE = Guard(scheme=None)
USER = Guard(scheme="access_token")
REFRESH = Guard(scheme="refresh_token")
