"""Idempotency keys: replay the first response to a retried request.

Follows the IETF draft `draft-ietf-httpapi-idempotency-key-header`, and Stripe. A request first claims its key in a
transaction of its own, so that concurrent requests see the claim. Its work and its response are then committed
together, so there is never an effect without a response, nor a response without its effect.

What a request finds under its key decides what happens. All times are those of the database's clock.

| state     | the row of the key                                             | the request                         |
| --------- | -------------------------------------------------------------- | ----------------------------------- |
| free      | does not exist                                                 | claims the key and does the work    |
| expired   | was claimed more than `KEPT` ago                               | takes the key over, does the work   |
| other     | has the fingerprint of a different request                     | 422                                 |
| answered  | has a response                                                 | gets that response                  |
| live      | has no response, and was claimed less than `LEASE` ago         | 409, with the rest of the lease     |
| abandoned | has no response, and was claimed more than `LEASE` ago         | takes the key over, does the work   |

If the work or its commit fails, the request deletes its claim, and the key is free again. If even that fails, because
the database is away or the process was killed, the claim is abandoned when its lease ends.
"""

import hashlib
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from math import ceil
from typing import Any
from uuid import uuid4

import orjson
from flask import Response, request
from sqlalchemy import JSON, ColumnElement, ForeignKey, String, UniqueConstraint, delete, insert, select, update
from sqlalchemy.exc import IntegrityError, SQLAlchemyError
from sqlalchemy.orm import Mapped, mapped_column

from app.core.commands import prunes
from app.core.database import Base, BigInt, Bytes, Id, Timestamp, affected_rows, commit, db, db_now, rollback
from app.core.database.errors import violated_constraint
from app.core.errors import Conflict, Invalid
from app.core.http.json import encode

HEADER = "Idempotency-Key"
REPLAYED = "Idempotent-Replayed"
KEPT = timedelta(hours=24)
LEASE = timedelta(seconds=60)  # longer than any request takes
KEPT_HEADERS = ("Content-Type", "Location", "ETag")


class IdempotencyKey(Base):
    """A key that a user has sent, and the response to its request once there is one."""

    __tablename__ = "idempotency_keys"
    __table_args__ = (UniqueConstraint("user_id", "key"),)

    id: Mapped[Id]
    user_id: Mapped[int] = mapped_column(BigInt, ForeignKey("users.id", ondelete="CASCADE"))
    key: Mapped[str] = mapped_column(String(255))
    fingerprint: Mapped[str] = mapped_column(String(64))  # a hash of the request
    claim: Mapped[str] = mapped_column(String(32))  # identifies the request that works on it
    claimed_at: Mapped[Timestamp] = mapped_column(index=True)
    status: Mapped[int | None]
    headers: Mapped[dict[str, str] | None] = mapped_column(JSON)
    body: Mapped[bytes | None] = mapped_column(Bytes)


def once(user_id: int, key: str, arguments: Mapping[str, Any], respond: Callable[[], Response]) -> Response:
    """Respond to a request and commit, or return the first response to the same request.

    Args:
        user_id: The sender. The keys of different users are independent.
        key: The value of the header.
        arguments: The parsed input. Two uploads of one file are the same, whatever their boundaries.
        respond: Does the work, without committing it.

    Raises:
        Invalid: The key has a wrong form, or was used for another request.
        Conflict: The first request with this key is still running. `retry_after` is the rest of its lease.
    """
    if not (key.isascii() and key.isprintable() and 0 < len(key) <= 255):
        raise Invalid("The idempotency key is not valid.", errors={HEADER: ["Not 1 to 255 printable characters."]})
    claim = _Claim(user_id, key, _fingerprint(arguments))
    if not claim.insert() and (first := claim.replace()):
        return Response(first.body, first.status, {**(first.headers or {}), REPLAYED: "true"})
    try:
        response = respond()
        claim.answer(response)
    except Exception:
        claim.release()
        raise
    return response


@dataclass(frozen=True)
class _Claim:
    """The claim of the current request to a key."""

    user_id: int
    key: str
    fingerprint: str
    id: str = field(default_factory=lambda: uuid4().hex)

    def insert(self) -> bool:
        """Claim a free key; return False if the key is not free."""
        try:
            row = {"user_id": self.user_id, "key": self.key, **self._values()}
            db.session.execute(insert(IdempotencyKey).values(row))
            commit()
        except IntegrityError as error:
            rollback()
            if violated_constraint(error, ["uq_idempotency_keys_user_id_key"]):
                return False
            raise
        return True

    def find(self) -> tuple[IdempotencyKey, timedelta]:
        """Fetch the row of the key, and the time since its claim.

        Raises:
            Conflict: The key has become free since `insert`.
        """
        found = db.session.execute(select(IdempotencyKey, db_now()).where(*self._same_key())).first()
        if found is None:
            raise Conflict("The first request with this idempotency key has just failed.", retry_after=1)
        row, now = found
        return row, now - row.claimed_at

    def replace(self) -> IdempotencyKey | None:
        """Take over an expired or abandoned key; return the row of an answered one.

        Raises:
            Invalid: The key was used for another request.
            Conflict: The key is live.
        """
        row, age = self.find()
        if age < KEPT:
            if row.fingerprint != self.fingerprint:
                raise Invalid("The idempotency key is taken.", errors={HEADER: ["Was used with another request."]})
            if row.status is not None:
                return row
            if age < LEASE:
                raise _running(LEASE - age)
        unchanged = (IdempotencyKey.claim == row.claim, IdempotencyKey.status.is_not_distinct_from(row.status))
        taken_over = affected_rows(update(IdempotencyKey).where(*self._same_key(), *unchanged).values(self._values()))
        commit()
        if not taken_over:
            raise _running(LEASE)
        return None

    def answer(self, response: Response) -> None:
        """Store the response and commit it together with the work.

        Raises:
            Conflict: The lease has ended, and another request has taken the key over.
        """
        headers = {name: response.headers[name] for name in KEPT_HEADERS if name in response.headers}
        values = {"status": response.status_code, "headers": headers, "body": response.get_data()}
        if not affected_rows(update(IdempotencyKey).where(*self._own_row()).values(values)):
            raise _running(LEASE)
        commit()

    def release(self) -> None:
        """Roll back and free the key. A stored response stays: a commit that fails may have succeeded on the server."""
        rollback()
        with suppress(SQLAlchemyError):
            affected_rows(delete(IdempotencyKey).where(*self._own_row(), IdempotencyKey.status.is_(None)))
            commit()

    def _values(self) -> dict[str, Any]:
        claimed = {"fingerprint": self.fingerprint, "claim": self.id, "claimed_at": db_now()}
        return claimed | dict.fromkeys(("status", "headers", "body"))

    def _same_key(self) -> tuple[ColumnElement[bool], ...]:
        return IdempotencyKey.user_id == self.user_id, IdempotencyKey.key == self.key

    def _own_row(self) -> tuple[ColumnElement[bool], ...]:
        return *self._same_key(), IdempotencyKey.claim == self.id


def _running(lease: timedelta) -> Conflict:
    seconds = ceil(lease.total_seconds())
    return Conflict("Another request with this idempotency key is still running.", retry_after=seconds)


def _fingerprint(arguments: Mapping[str, Any]) -> str:
    """Hash what identifies a request: its method, its path and its parsed input."""
    identity = [request.method, request.path, arguments]
    content = orjson.dumps(identity, default=_encode, option=orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS)
    return hashlib.sha256(content).hexdigest()


def _encode(value: Any) -> Any:
    return hashlib.sha256(value).hexdigest() if isinstance(value, bytes) else encode(value)  # bytes may be a large file


@prunes("idempotency keys")
def delete_expired() -> int:
    """Delete the expired keys."""
    before = select(db_now() - KEPT).scalar_subquery()  # evaluated once, so that the index is used
    return affected_rows(delete(IdempotencyKey).where(IdempotencyKey.claimed_at <= before))
