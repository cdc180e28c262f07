"""The services that are compared. Each lists twenty books of one user as JSON."""

import asyncio
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import jwt
import orjson
from fastapi import Depends, FastAPI, Header, HTTPException
from flask import Flask, Response
from pydantic import BaseModel, ConfigDict
from sqlalchemy import create_engine, select
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column
from werkzeug.test import EnvironBuilder

from app import create_app
from app.core.database import UTCDateTime
from bench.seed import SECRET, settings

Call = Callable[[], bytes]


class Base(DeclarativeBase):
    """The base of the model below."""

    type_annotation_map = {datetime: UTCDateTime}


class Book(Base):
    """A book, as the other candidates read it. They do not import the service's models."""

    __tablename__ = "books"

    id: Mapped[int] = mapped_column(primary_key=True)
    owner_id: Mapped[int]
    title: Mapped[str]
    author: Mapped[str]
    isbn: Mapped[str]
    year: Mapped[int | None]
    language: Mapped[str | None]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


def barah(folder: Path, token: str) -> Call:
    """This service: JWT, live session, validated query, ORM, keyset page, response schema, request id."""
    return _wsgi(create_app(settings(folder)), "/api/v1/books", token)


def bare_flask(folder: Path, token: str) -> Call:
    """Flask, SQLAlchemy Core and orjson, and nothing else: no authentication, no validation."""
    app, engine = Flask("bare"), create_engine(f"sqlite:///{folder}/bench.db")
    columns = [column for column in Book.__table__.columns if column.name != "owner_id"]

    @app.get("/books")
    def books() -> Response:
        with engine.connect() as connection:
            rows = connection.execute(select(*columns).where(Book.owner_id == 1).order_by(Book.id).limit(20)).mappings()
            return Response(orjson.dumps([dict(row) for row in rows]), content_type="application/json")

    return _wsgi(app, "/books", token)


class BookOut(BaseModel):
    """What FastAPI answers."""

    model_config = ConfigDict(from_attributes=True)
    id: int
    title: str
    author: str
    isbn: str
    year: int | None
    language: str | None
    created_at: datetime
    updated_at: datetime


def fastapi(folder: Path, token: str) -> Call:
    """FastAPI, pydantic and the ORM, with a JWT that is decoded and no session that is looked up."""
    app, engine = FastAPI(), create_engine(f"sqlite:///{folder}/bench.db")

    def user(authorization: Annotated[str, Header()]) -> int:
        try:
            return int(jwt.decode(authorization.removeprefix("Bearer "), SECRET, algorithms=["HS256"])["sub"])
        except jwt.PyJWTError:
            raise HTTPException(401) from None

    def books(owner: Annotated[int, Depends(user)], limit: int = 20) -> list[Book]:
        with Session(engine) as session:
            return list(session.scalars(select(Book).where(Book.owner_id == owner).order_by(Book.id).limit(limit)))

    app.get("/books", response_model=list[BookOut])(books)
    return _asgi(app, "/books", token)


def _wsgi(app: Flask, path: str, token: str) -> Call:
    def call() -> bytes:
        environ = EnvironBuilder(path, headers=[("Authorization", f"Bearer {token}")]).get_environ()
        statuses: list[str] = []

        def start_response(status: str, _headers: Any, _error: Any = None, /) -> Callable[[bytes], object]:
            statuses.append(status)
            return lambda _: None

        parts = app.wsgi_app(environ, start_response)
        body = b"".join(parts)
        parts.close()  # type: ignore[attr-defined]  # ends the request
        assert statuses == ["200 OK"], (statuses, body)
        return body

    return call


def _asgi(app: FastAPI, path: str, token: str) -> Call:
    loop = asyncio.new_event_loop()
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "GET",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": [(b"authorization", f"Bearer {token}".encode())],
    }

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    def call() -> bytes:
        sent: list[dict[str, Any]] = []

        async def send(message: Any) -> None:
            sent.append(message)

        loop.run_until_complete(app(dict(scope), receive, send))
        assert sent[0]["status"] == 200, sent
        return b"".join(message.get("body", b"") for message in sent[1:])

    return call


CANDIDATES = {"bare Flask": bare_flask, "FastAPI": fastapi, "Barah": barah}
