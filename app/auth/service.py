"""Sessions, and the pair of tokens of each.

Refresh tokens rotate: each can be used once. If one is used twice, it or its successor was stolen, so the session ends
(RFC 9700, section 4.14.2).
"""

import re
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import uuid4

from flask_jwt_extended import create_access_token, create_refresh_token
from sqlalchemy import bindparam, delete, select, update

from app.auth.models import Session
from app.core.commands import prunes
from app.core.database import affected_rows, commit, db, read_connection, utcnow
from app.core.errors import Unauthenticated
from app.core.events import listens
from app.core.security import Principal, hash_password, is_outdated, verify_password
from app.users import service as users
from app.users.models import User

ACCESS_LIFETIME = timedelta(minutes=15)
SESSION_LIFETIME = timedelta(days=30)
ID = re.compile("[0-9a-f]{32}")  # of sessions and refresh tokens
# Built once, because it is executed on each request.
LIVE_USER = (
    select(User.id, User.role)
    .join(Session, Session.user_id == User.id)
    .where(Session.id == bindparam("session_id"), User.active, Session.expires_at > bindparam("now"))
)


@dataclass(frozen=True)
class Tokens:
    """A pair of tokens (RFC 6749, section 5.1). `expires_in` is in seconds."""

    access_token: str
    refresh_token: str
    token_type: str = "Bearer"  # noqa: S105
    expires_in: int = int(ACCESS_LIFETIME.total_seconds())


def log_in(email: str, password: str) -> Tokens:
    """Start a session.

    Raises:
        Unauthenticated: The email or the password is wrong, or the account is closed. The message is the same.
    """
    user = users.by_email(email)
    correct = verify_password(password, user.password_hash if user else None)
    # Hashing is slow. The login must fail if the password was changed or the account deleted in the meantime.
    user = users.lock_unchanged(user) if user and correct else None
    if user is None or not user.active:
        raise Unauthenticated("Email or password is wrong.")
    if is_outdated(user.password_hash):
        user.password_hash = hash_password(password)
    session = Session(id=uuid4().hex, user_id=user.id, refresh_id=uuid4().hex, expires_at=utcnow() + SESSION_LIFETIME)
    db.session.add(session)
    db.session.flush()
    return _tokens(session.user_id, session.id, session.refresh_id)


def rotate(principal: Principal, refresh_id: str) -> Tokens:
    """Exchange a refresh token for a new pair.

    Raises:
        Unauthenticated: The token was used before, so its session has ended.
    """
    successor = uuid4().hex
    now = utcnow()
    rotated = affected_rows(
        update(Session)
        .where(Session.id == principal.session_id, Session.refresh_id == refresh_id)
        .values(refresh_id=successor, last_used_at=now, expires_at=now + SESSION_LIFETIME)
    )
    if not rotated:
        end(principal.session_id)
        commit()  # before the error, which would roll back the end of the session
        raise Unauthenticated("This refresh token was used before, so its session has ended. Log in again.")
    return _tokens(principal.user_id, principal.session_id, successor)


def end(session_id: str) -> None:
    """End a session. Its tokens are invalid immediately."""
    affected_rows(delete(Session).where(Session.id == session_id))


@listens("password.changed")
def end_other_sessions(user_id: int, session_id: str) -> None:
    """End all sessions of a user except one."""
    affected_rows(delete(Session).where(Session.user_id == user_id, Session.id != session_id))


def principal_of(claims: dict[str, Any]) -> Principal | None:
    """Return the principal of a token's claims, or None if the session has ended or the account is closed.

    Tokens without an expiry, a session or a known type are refused; flask-jwt-extended would accept them.

    Runs on each request, on a connection of its own, so that no transaction is open while a slow body is read.
    """
    if "exp" not in claims or claims["type"] not in ("access", "refresh") or not _is_id(claims.get("sid")):
        return None
    if claims["type"] == "refresh" and not _is_id(claims["jti"]):
        return None
    with read_connection(db.engine) as connection:
        user = connection.execute(LIVE_USER, {"session_id": claims["sid"], "now": utcnow()}).first()
    return Principal(user.id, claims["sid"], user.role) if user and claims["sub"] == str(user.id) else None


def _is_id(value: Any) -> bool:
    """Whether a claim has the form of our ids. A database may raise an error for other text, such as NUL."""
    return isinstance(value, str) and ID.fullmatch(value) is not None


@prunes("expired sessions")
def delete_expired() -> int:
    """Delete the sessions that have expired."""
    return affected_rows(delete(Session).where(Session.expires_at <= utcnow()))


def _tokens(user_id: int, session_id: str, refresh_id: str) -> Tokens:
    session = {"sid": session_id}
    return Tokens(
        create_access_token(str(user_id), additional_claims=session),
        create_refresh_token(str(user_id), additional_claims=session | {"jti": refresh_id}),
    )
