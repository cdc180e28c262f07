"""Sessions."""

from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column

from app.core.database import Base, BigInt, Timestamp, utcnow


class Session(Base):
    """One login on one device. Its tokens are valid as long as its row exists."""

    __tablename__ = "sessions"

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    user_id: Mapped[int] = mapped_column(BigInt, ForeignKey("users.id", ondelete="CASCADE"), index=True)
    refresh_id: Mapped[str] = mapped_column(String(32))  # the `jti` of the only valid refresh token
    created_at: Mapped[Timestamp] = mapped_column(default=utcnow)
    last_used_at: Mapped[Timestamp] = mapped_column(default=utcnow)
    expires_at: Mapped[Timestamp] = mapped_column(index=True)
