"""Password hashing, and the guards that check who sent a request."""

from app.core.security.guards import ADMIN, ANYONE, REFRESH, USER, Guard, Principal, principal
from app.core.security.passwords import hash_password, is_outdated, verify_password

__all__ = [
    "ADMIN",
    "ANYONE",
    "REFRESH",
    "USER",
    "Guard",
    "Principal",
    "hash_password",
    "is_outdated",
    "principal",
    "verify_password",
]
