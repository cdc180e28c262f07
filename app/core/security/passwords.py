"""Password hashing with Argon2id."""

from functools import cache

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

# OWASP Password Storage Cheat Sheet: Argon2id with 19 MiB of memory, two passes, one lane.
hasher = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)


def hash_password(password: str) -> str:
    """Hash a password for storage, with its own salt."""
    return hasher.hash(password)


def verify_password(password: str, stored: str | None) -> bool:
    """Compare a password with a stored hash.

    Args:
        password: What the client sent.
        stored: The hash, or None if there is no such user: then the result is False, after the same time.
    """
    try:
        hasher.verify(stored or _dummy_hash(), password)
    except (VerificationError, InvalidHashError):
        return False
    return stored is not None


def is_outdated(stored: str) -> bool:
    """Whether a password was hashed with other parameters than the current ones."""
    return hasher.check_needs_rehash(stored)


@cache
def _dummy_hash() -> str:
    return hash_password("no user has this password")
