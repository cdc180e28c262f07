"""Books."""

from sqlalchemy import Computed, ForeignKey, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from app.core.database import Base, BigInt, Id, Timestamps

NO_YEAR = -9999  # books without a year come before all others


class Book(Timestamps, Base):
    """A book of a user."""

    __tablename__ = "books"
    __table_args__ = (
        UniqueConstraint("owner_id", "isbn"),
        Index(None, "owner_id", "id"),
        Index(None, "owner_id", "title", "id"),
        Index(None, "owner_id", "sort_year", "id"),
        Index(None, "owner_id", "created_at", "id"),
    )

    id: Mapped[Id]
    owner_id: Mapped[int] = mapped_column(BigInt, ForeignKey("users.id", ondelete="CASCADE"))
    title: Mapped[str] = mapped_column(String(500))
    author: Mapped[str] = mapped_column(String(1000))
    isbn: Mapped[str] = mapped_column(String(13))
    year: Mapped[int | None]
    # What `sort=year` sorts by. Databases sort nulls differently, and MariaDB cannot index expressions. It is never
    # null, but MariaDB allows no NOT NULL here.
    sort_year: Mapped[int] = mapped_column(
        Computed(f"coalesce(year, {NO_YEAR})", persisted=True), nullable=True, deferred=True
    )
    language: Mapped[str | None] = mapped_column(String(35))
    version: Mapped[int] = mapped_column()

    # SQLAlchemy increments the version. It need not fetch `sort_year` after each INSERT and UPDATE.
    __mapper_args__ = {"version_id_col": version, "eager_defaults": False}

    @property
    def etag(self) -> str:
        """The entity tag (RFC 9110, section 8.8.3). It changes with each change of the row."""
        return f'"{self.version}"'
