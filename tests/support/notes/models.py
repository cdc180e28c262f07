"""The table of notes. It is in a metadata of its own, so that migrations and their drift check do not see it."""

from sqlalchemy import ForeignKey, Index, MetaData, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from app.core.database import Base, BigInt, Id, Timestamps
from app.users.models import User


class Note(Timestamps, Base):
    """A note of a user."""

    __tablename__ = "notes"
    __table_args__ = (
        UniqueConstraint("owner_id", "code"),
        Index(None, "owner_id", "id"),
        Index(None, "owner_id", "title", "id"),
        Index(None, "owner_id", "created_at", "id"),
    )

    metadata = MetaData(naming_convention=Base.metadata.naming_convention)

    id: Mapped[Id]
    owner_id: Mapped[int] = mapped_column(BigInt, ForeignKey(User.id, ondelete="CASCADE"))
    title: Mapped[str] = mapped_column(String(500))
    text: Mapped[str] = mapped_column(String(1000))
    code: Mapped[str] = mapped_column(String(50))
    number: Mapped[int | None]
    tag: Mapped[str | None] = mapped_column(String(35))
    version: Mapped[int] = mapped_column()

    __mapper_args__ = {"version_id_col": version}

    @property
    def etag(self) -> str:
        """The entity tag of the current state."""
        return f'"{self.version}"'
