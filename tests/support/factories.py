"""Factories: users with a session, and rows of every table that several tests need."""

from collections.abc import Iterable
from typing import Any

from flask import Flask

from app.core.database import commit, db
from app.jobs import service as jobs
from app.jobs.models import Job
from app.users.models import User
from tests.support.clients import Client
from tests.support.notes.models import Note

PASSWORD = "correct horse battery staple"


def account(**fields: Any) -> dict[str, Any]:
    """The body of a valid signup."""
    return {"email": "ada@example.org", "password": PASSWORD, "name": "Ada"} | fields


def sign_up(app: Flask, email: str, password: str = PASSWORD) -> Client:
    """Create a user through the API, and log in."""
    response = Client(app).post("/auth/signup", json=account(email=email, password=password, name=email))
    assert response.status_code == 201, response.text
    return log_in(app, email, password)


def log_in(app: Flask, email: str, password: str = PASSWORD) -> Client:
    """Start a session through the API."""
    response = Client(app).post("/auth/login", json={"email": email, "password": password})
    assert response.status_code == 200, response.text
    return Client(app, response.json["access_token"], response.json["refresh_token"])


def note(**fields: Any) -> dict[str, Any]:
    """The body of a valid new note."""
    return {"title": "Milk", "text": "Buy two bottles.", "code": "A-1", "number": 2, "tag": "home"} | fields


def code(number: int) -> str:
    """The valid code with this number."""
    return f"C-{number:06}"


def import_notes(client: Client, file: bytes = b"Milk\n") -> Any:
    """Upload a file of notes, one title per line."""
    return client.post("/notes/imports", data=file, content_type="text/csv")


# These need an application context.


def create_user(email: str = "ada@example.org") -> User:
    """Commit a user without a valid password."""
    user = User(email=email, name="Ada", password_hash="no hash")
    db.session.add(user)
    commit()
    return user


def create_notes(owner_id: int, notes: Iterable[dict[str, Any]]) -> list[Note]:
    """Commit notes with codes of their own."""
    rows = [Note(owner_id=owner_id, **note(code=code(number)) | fields) for number, fields in enumerate(notes)]
    db.session.add_all(rows)
    commit()
    return rows


def create_note(owner_id: int, **fields: Any) -> Note:
    """Commit a note."""
    (row,) = create_notes(owner_id, [fields])
    return row


def create_job(owner_id: int | None, kind: str, data: bytes = b"", **options: Any) -> Job:
    """Commit a queued job."""
    job = jobs.enqueue(kind, owner_id=owner_id, data=data, **options)
    commit()
    return job
