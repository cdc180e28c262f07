"""What users can do with their notes."""

from collections.abc import Callable
from typing import Any

from sqlalchemy import SQLColumnExpression, func, select

from app.core.database import db, flush
from app.core.errors import Conflict, NotFound, PreconditionFailed
from app.core.http import Page, paginate
from app.jobs import service as jobs
from app.jobs.models import Job
from tests.support.notes.models import Note

IMPORT = "notes.import"
DUPLICATE = "You already have a note with this code."
ORDERS: dict[str, SQLColumnExpression[Any]] = {
    "id": Note.id,
    "title": Note.title,
    "number": func.coalesce(Note.number, -9999),
    "created_at": Note.created_at,
}


def find(
    owner_id: int,
    *,
    q: str | None = None,
    tag: str | None = None,
    number_min: int | None = None,
    sort: str,
    limit: int,
    cursor: str | None = None,
) -> Page[Note]:
    """List the user's notes that match every filter."""
    notes = select(Note).where(Note.owner_id == owner_id)
    if q:
        notes = notes.where(Note.title.icontains(q, autoescape=True))
    if tag:
        notes = notes.where(Note.tag == tag)
    if number_min is not None:
        notes = notes.where(Note.number >= number_min)
    return paginate(notes, orders=ORDERS, key=Note.id, sort=sort, limit=limit, cursor=cursor)


def create(owner_id: int, **fields: Any) -> Note:
    """Add a note."""
    note = Note(owner_id=owner_id, **fields)
    db.session.add(note)
    flush({"uq_notes_owner_id_code": Conflict(DUPLICATE)})
    return note


def get(owner_id: int, note_id: int, *, for_update: bool = False) -> Note:
    """Fetch one of the user's notes, and lock it for an update."""
    statement = select(Note).where(Note.id == note_id, Note.owner_id == owner_id)
    if for_update:
        statement = statement.with_for_update().execution_options(populate_existing=True)
    note = db.session.scalar(statement)
    if note is None:
        raise NotFound("The note does not exist.")
    return note


def change(owner_id: int, note_id: int, matches: Callable[[str], bool], **fields: Any) -> Note:
    """Change a note whose entity tag matches."""
    note = _matching(owner_id, note_id, matches)
    for name, value in fields.items():
        setattr(note, name, value)
    flush({"uq_notes_owner_id_code": Conflict(DUPLICATE)})
    return note


def delete(owner_id: int, note_id: int, matches: Callable[[str], bool]) -> None:
    """Delete a note whose entity tag matches."""
    db.session.delete(_matching(owner_id, note_id, matches))


def request_import(owner_id: int, file: bytes) -> Job:
    """Enqueue the import of a file."""
    return jobs.enqueue(IMPORT, owner_id=owner_id, data=file)


def _matching(owner_id: int, note_id: int, matches: Callable[[str], bool]) -> Note:
    note = get(owner_id, note_id, for_update=True)
    if not matches(note.etag):
        raise PreconditionFailed("The note has changed since you read it.")
    return note
