"""Accounts: create, read, change, delete."""

from sqlalchemy import select

from app.core.database import db, flush
from app.core.errors import Conflict, Forbidden, NotFound
from app.core.events import announce
from app.core.http import Page, paginate
from app.core.security import hash_password, verify_password
from app.users.models import User


def create(email: str, name: str, password: str, *, role: str = "user") -> User:
    """Create an account.

    Raises:
        Conflict: The email already has an account.
    """
    user = User(email=email.lower(), name=name, password_hash=hash_password(password), role=role)
    db.session.add(user)
    flush({"uq_users_email": Conflict("This email already has an account.")})
    return user


def get(user_id: int) -> User:
    """Fetch an account.

    Raises:
        NotFound: The account does not exist.
    """
    user = db.session.get(User, user_id)
    if user is None:
        raise NotFound("The user does not exist.")
    return user


def find(*, sort: str, limit: int, cursor: str | None) -> Page[User]:
    """List all accounts."""
    return paginate(select(User), orders={"id": User.id}, key=User.id, sort=sort, limit=limit, cursor=cursor)


def by_email(email: str) -> User | None:
    """Find an account by its email, regardless of upper and lower case."""
    return db.session.scalar(select(User).where(User.email == email.lower()))


def lock_unchanged(user: User) -> User | None:
    """Lock an account until the commit, or return None if its password has changed since it was read."""
    unchanged = select(User).where(User.id == user.id, User.password_hash == user.password_hash)
    return db.session.scalar(unchanged.with_for_update().execution_options(populate_existing=True))


def change(user_id: int, **fields: str) -> User:
    """Change fields of an account."""
    user = get(user_id)
    for name, value in fields.items():
        setattr(user, name, value)
    db.session.flush()
    return user


def check_password(user_id: int, password: str) -> User:
    """Fetch an account after checking its password.

    Raises:
        Forbidden: The password is wrong.
    """
    user = get(user_id)
    if not verify_password(password, user.password_hash):
        raise Forbidden("The current password is wrong.")
    return user


def change_password(user_id: int, session_id: str, current_password: str, new_password: str) -> None:
    """Set a new password, and announce `password.changed` with the session that stays alive.

    Raises:
        Forbidden: The current password is wrong.
    """
    user = check_password(user_id, current_password)
    user.password_hash = hash_password(new_password)
    announce("password.changed", user_id=user_id, session_id=session_id)


def delete(user_id: int, current_password: str) -> None:
    """Delete an account and everything it owns.

    Raises:
        Forbidden: The password is wrong.
    """
    db.session.delete(check_password(user_id, current_password))
