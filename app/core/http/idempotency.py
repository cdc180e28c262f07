"""Idempotency keys: a request that is sent again gets the first answer again, and has its effect once.

After the IETF draft `draft-ietf-httpapi-idempotency-key-header`, as Stripe has it. The key's row is written before the
work, in a transaction of its own, so that a second request sees the first at work; the answer is kept in the work's own
transaction, so there is no effect without an answer, nor the other way round.
"""

import hashlib
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any
from uuid import uuid4

import orjson
from flask import Response, request
from sqlalchemy import JSON, ForeignKey, String, UniqueConstraint, delete, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Mapped, mapped_column

from app.core.commands import prunes
from app.core.database import Base, BigInt, Bytes, Id, Timestamp, affected_rows, commit, db, rollback, utcnow
from app.core.errors import Conflict, Invalid

HEADER = "Idempotency-Key"
REPLAYED = "Idempotent-Replayed"
KEPT = timedelta(hours=24)
LEASE = timedelta(seconds=60)  # a request that is silent for so long has died with its process
KEPT_HEADERS = ("Content-Type", "Location", "ETag")


class IdempotencyKey(Base):
    """A key that a user has sent, and the answer to it, once there is one."""

    __tablename__ = "idempotency_keys"
    __table_args__ = (UniqueConstraint("user_id", "key"),)

    id: Mapped[Id]
    user_id: Mapped[int] = mapped_column(BigInt, ForeignKey("users.id", ondelete="CASCADE"))
    key: Mapped[str] = mapped_column(String(255))
    fingerprint: Mapped[str] = mapped_column(String(64))  # of the request that it stands for
    claim: Mapped[str] = mapped_column(String(32))  # of the request that works on it
    claimed_at: Mapped[Timestamp] = mapped_column(index=True)
    status: Mapped[int | None]
    headers: Mapped[dict[str, str] | None] = mapped_column(JSON)
    body: Mapped[bytes | None] = mapped_column(Bytes)


def once(user_id: int, key: str, arguments: Mapping[str, Any], answer: Callable[[], Response]) -> Response:
    """Answer a request and commit, or give the answer that it was given before.

    Args:
        user_id: Who asks; keys of different users have nothing to do with each other.
        key: What the client sent.
        arguments: What the request says, parsed: two uploads of one file are the same, whatever their boundaries.
        answer: Does the work, without committing it.

    Raises:
        Invalid: the key is not usable, or was used for another request.
        Conflict: the first request with this key is still at work.
    """
    if not (key.isascii() and key.isprintable() and 0 < len(key) <= 255):
        raise Invalid("The idempotency key is not usable.", errors={HEADER: ["Not 1 to 255 printable characters."]})
    claim = uuid4().hex
    kept = _claim(user_id, key, _fingerprint(arguments), claim)
    if kept is not None:
        return Response(kept.body, kept.status, {**(kept.headers or {}), REPLAYED: "true"})
    ours = (IdempotencyKey.user_id == user_id, IdempotencyKey.key == key, IdempotencyKey.claim == claim)
    try:
        response = answer()
    except Exception:
        rollback()
        affected_rows(delete(IdempotencyKey).where(*ours))  # an error is no answer to keep: it may go better next time
        commit()
        raise
    headers = {name: response.headers[name] for name in KEPT_HEADERS if name in response.headers}
    result = {"status": response.status_code, "headers": headers, "body": response.get_data()}
    if not affected_rows(update(IdempotencyKey).where(*ours).values(**result)):
        rollback()
        raise Conflict("Another request with this idempotency key has taken over.")
    commit()
    return response


def _claim(user_id: int, key: str, fingerprint: str, claim: str) -> IdempotencyKey | None:
    """Take the key for this request; or find the answer of an earlier one."""
    now = utcnow()
    fresh: dict[str, Any] = {"fingerprint": fingerprint, "claim": claim, "claimed_at": now}
    try:
        db.session.add(IdempotencyKey(user_id=user_id, key=key, **fresh))
        commit()
    except IntegrityError:
        rollback()
    else:
        return None
    mine = (IdempotencyKey.user_id == user_id, IdempotencyKey.key == key)
    seen = db.session.scalar(select(IdempotencyKey).where(*mine))
    if seen is None:
        raise Conflict("The first request with this idempotency key has just failed: send it again.")
    if seen.claimed_at > now - KEPT and (kept := _kept(seen, fingerprint)):
        return kept
    fresh |= {"status": None, "headers": None, "body": None}
    taken_over = affected_rows(update(IdempotencyKey).where(*mine, IdempotencyKey.claim == seen.claim).values(**fresh))
    commit()
    if not taken_over:
        raise Conflict("Another request with this idempotency key is at work.")
    return None


def _kept(seen: IdempotencyKey, fingerprint: str) -> IdempotencyKey | None:
    """Return a key that has an answer for this request, and none if the one who worked on it is gone."""
    if seen.fingerprint != fingerprint:
        raise Invalid("The idempotency key is taken.", errors={HEADER: ["Was used with another request."]})
    if seen.status is None and seen.claimed_at > utcnow() - LEASE:
        raise Conflict("The first request with this idempotency key is still at work.")
    return seen if seen.status is not None else None


def _fingerprint(arguments: Mapping[str, Any]) -> str:
    told = [request.method, request.path, arguments]
    content = orjson.dumps(told, default=lambda value: hashlib.sha256(value).hexdigest(), option=orjson.OPT_SORT_KEYS)
    return hashlib.sha256(content).hexdigest()


@prunes("idempotency keys")
def delete_expired() -> int:
    """Delete the keys that would not be heeded any more."""
    return affected_rows(delete(IdempotencyKey).where(IdempotencyKey.claimed_at <= utcnow() - KEPT))
