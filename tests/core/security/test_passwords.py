"""How passwords are stored."""

from app.core.security.passwords import hasher
from tests.support.factories import PASSWORD


def test_passwords_are_hashed_as_owasp_recommends() -> None:
    """OWASP Password Storage Cheat Sheet: Argon2id with 19 MiB of memory, two passes and one lane, and a salt."""
    stored = hasher.hash(PASSWORD)
    assert stored.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert stored != hasher.hash(PASSWORD)
    assert hasher.verify(stored, PASSWORD)
