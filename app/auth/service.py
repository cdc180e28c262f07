"""Logging in and out: sessions, and the pair of tokens that stands for one.

Refresh tokens rotate: each is good once. One that comes a second time was stolen, or its successor was, so the session
ends for both (RFC 9700, section 4.14.2).
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import uuid4

from flask_jwt_extended import create_access_token, create_refresh_token
from sqlalchemy import bindparam, delete, select, update

from app.auth.models import Session
from app.core.commands import prunes
from app.core.database import reading, utcnow
from app.core.extensions import db
from app.core.problems import Unauthenticated
from app.core.security import Principal, hash_password, is_outdated, verify_password
from app.core.unit_of_work import affected_rows, commit
from app.users import service as users
from app.users.models import User

ACCESS_LIFETIME = timedelta(minutes=15)
SESSION_LIFETIME = timedelta(days=30)
# Built once, because it is asked on each request.
LIVE_USER = (
    select(User.id, User.role)
    .join(Session, Session.user_id == User.id)
    .where(Session.id == bindparam("session_id"), User.active, Session.expires_at > bindparam("now"))
)


@dataclass(frozen=True)
class Tokens:
    """What a client gets to prove who it is (RFC 6749, section 5.1); `expires_in` is in seconds."""

    access_token: str
    refresh_token: str
    token_type: str = "Bearer"  # noqa: S105
    expires_in: int = int(ACCESS_LIFETIME.total_seconds())


def log_in(email: str, password: str) -> Tokens:
    """Begin a session.

    Raises:
        Unauthenticated: email or password is wrong, or the account is closed; which of them is not told.
    """
    user = users.by_email(email)
    correct = verify_password(password, user.password_hash if user else None)
    # Hashing takes its time: who changes the password or deletes the account meanwhile ends this login, too.
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
        Unauthenticated: the token was used before; its session is over.
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
        commit()  # here, because the error that follows undoes what is not committed
        raise Unauthenticated("This refresh token was used before, so its session has ended. Log in again.")
    return _tokens(principal.user_id, principal.session_id, successor)


def end(session_id: str) -> None:
    """End a session: its tokens are dead at once."""
    affected_rows(delete(Session).where(Session.id == session_id))


def change_password(principal: Principal, current_password: str, new_password: str) -> None:
    """Set a new password and end the user's other sessions.

    Raises:
        Forbidden: the current password is wrong.
    """
    user = users.check_password(principal.user_id, current_password)
    user.password_hash = hash_password(new_password)
    affected_rows(delete(Session).where(Session.user_id == user.id, Session.id != principal.session_id))


def principal_of(claims: dict[str, Any]) -> Principal | None:
    """Find who a token's claims stand for; nobody, if the session has ended or the account is closed.

    A token needs an end, a session and one of our types, though flask-jwt-extended would do without.

    Asked on each request, on a connection of its own: no transaction stays open while a slow body is read.
    """
    if "exp" not in claims or not isinstance(claims.get("sid"), str) or claims["type"] not in ("access", "refresh"):
        return None
    with reading(db.engine) as connection:
        user = connection.execute(LIVE_USER, {"session_id": claims["sid"], "now": utcnow()}).first()
    return Principal(user.id, claims["sid"], user.role) if user and claims["sub"] == str(user.id) else None


@prunes("expired sessions")
def delete_expired() -> int:
    """Delete the sessions that nobody can use any more."""
    return affected_rows(delete(Session).where(Session.expires_at <= utcnow()))


def _tokens(user_id: int, session_id: str, refresh_id: str) -> Tokens:
    session = {"sid": session_id}
    return Tokens(
        create_access_token(str(user_id), additional_claims=session),
        create_refresh_token(str(user_id), additional_claims=session | {"jti": refresh_id}),
    )
