"""The declarative base of all models, and how their tables are created on each database."""

from typing import Any

from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import MetaData
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.schema import CreateTable

from app.core.database.types import Timestamp, utcnow


class Base(DeclarativeBase):
    """The base class of every model. Constraints have fixed names: migrations and error handling use them."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )


db = SQLAlchemy(model_class=Base, session_options={"expire_on_commit": False})


class Timestamps:
    """Mixin: when a row was created and last changed."""

    created_at: Mapped[Timestamp] = mapped_column(default=utcnow)
    updated_at: Mapped[Timestamp] = mapped_column(default=utcnow, onupdate=utcnow)


@compiles(CreateTable, "mysql", "mariadb")
def _compare_bytes(create: CreateTable, compiler: Any, **options: Any) -> str:
    """Store all of Unicode and compare bytes: with a server's default, different ISBNs or emails may be equal."""
    return f"{compiler.visit_create_table(create, **options)} CHARSET=utf8mb4 COLLATE=utf8mb4_bin"


@compiles(CreateTable, "sqlite")
def _never_reuse_ids(create: CreateTable, compiler: Any, **options: Any) -> str:
    """Use AUTOINCREMENT: without it, SQLite gives a new row the id of a deleted one, which late messages name."""
    create.element.dialect_options["sqlite"]["autoincrement"] = True
    return str(compiler.visit_create_table(create, **options))
