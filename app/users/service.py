"""What can be done with accounts."""

from sqlalchemy import select

from app.core.extensions import db
from app.core.problems import Conflict, Forbidden, NotFound
from app.core.security import hash_password, verify_password
from app.core.unit_of_work import flush
from app.users.models import User


def create(email: str, name: str, password: str, *, role: str = "user") -> User:
    """Create an account.

    Raises:
        Conflict: the email is taken.
    """
    user = User(email=email.lower(), name=name, password_hash=hash_password(password), role=role)
    db.session.add(user)
    flush(or_else=Conflict("This email already has an account."))
    return user


def get(user_id: int) -> User:
    """Fetch an account.

    Raises:
        NotFound: it is gone.
    """
    user = db.session.get(User, user_id)
    if user is None:
        raise NotFound("There is no such user.")
    return user


def by_email(email: str) -> User | None:
    """Find an account by its email, in any case of letters."""
    return db.session.scalar(select(User).where(User.email == email.lower()))


def lock_unchanged(user: User) -> User | None:
    """Keep others from changing an account until the commit; nothing if its password is not what was read before."""
    unchanged = select(User).where(User.id == user.id, User.password_hash == user.password_hash)
    return db.session.scalar(unchanged.with_for_update().execution_options(populate_existing=True))


def change(user_id: int, **fields: str) -> User:
    """Change what the user may change of their account."""
    user = get(user_id)
    for name, value in fields.items():
        setattr(user, name, value)
    db.session.flush()
    return user


def check_password(user_id: int, password: str) -> User:
    """Fetch an account whose user has just proved to be there.

    Raises:
        Forbidden: the password is wrong.
    """
    user = get(user_id)
    if not verify_password(password, user.password_hash):
        raise Forbidden("The current password is wrong.")
    return user


def delete(user_id: int, current_password: str) -> None:
    """Delete an account and everything it owns.

    Raises:
        Forbidden: the password is wrong.
    """
    db.session.delete(check_password(user_id, current_password))
