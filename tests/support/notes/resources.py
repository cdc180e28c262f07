"""`/notes`: list, create, read, change, delete and import."""

from typing import Any

from flask import url_for

from app.core.http import (
    IF_MATCH,
    IF_NONE_MATCH,
    Headers,
    Page,
    Resource,
    doc,
    idempotent,
    if_match,
    marshal_with,
    problems,
    use_kwargs,
)
from app.core.security import principal
from app.jobs.models import Job
from app.jobs.schemas import JobSchema
from tests.support.notes import service
from tests.support.notes.models import Note
from tests.support.notes.schemas import (
    NewNoteSchema,
    NoteChangesSchema,
    NoteFileSchema,
    NotePageSchema,
    NoteQuery,
    NoteSchema,
)


class NoteList(Resource):
    """All of the user's notes."""

    @use_kwargs(NoteQuery, location="query")
    @marshal_with(NotePageSchema, code=200)
    def get(self, **query: Any) -> Page[Note]:
        """List your notes."""
        return service.find(principal().user_id, **query)

    @idempotent
    @use_kwargs(NewNoteSchema, location="json")
    @marshal_with(NoteSchema, code=201)
    @problems(409)
    def post(self, **fields: Any) -> tuple[Note, Headers]:
        """Create a note."""
        note = service.create(principal().user_id, **fields)
        return note, {"Location": url_for(NoteItem.endpoint, note_id=note.id), "ETag": note.etag}


class NoteItem(Resource):
    """One of the user's notes."""

    @marshal_with(NoteSchema, code=200)
    @doc(parameters=[IF_NONE_MATCH, IF_MATCH], responses={"304": {"description": "Not modified."}})
    @problems(412)
    def get(self, note_id: int) -> tuple[Note, Headers]:
        """Read a note."""
        note = service.get(principal().user_id, note_id)
        return note, {"ETag": note.etag}

    @use_kwargs(NoteChangesSchema, location="json")
    @marshal_with(NoteSchema, code=200)
    @doc(parameters=[IF_MATCH])
    @problems(409, 412)
    def patch(self, note_id: int, **changes: Any) -> tuple[Note, Headers]:
        """Change a note."""
        note = service.change(principal().user_id, note_id, if_match(), **changes)
        return note, {"ETag": note.etag}

    @marshal_with(None, code=204)
    @doc(parameters=[IF_MATCH])
    @problems(412)
    def delete(self, note_id: int) -> None:
        """Delete a note."""
        service.delete(principal().user_id, note_id, if_match())


class NoteImports(Resource):
    """Imports of notes."""

    @idempotent
    @use_kwargs(NoteFileSchema, location="csv")
    @use_kwargs(NoteFileSchema, location="files")
    @marshal_with(JobSchema, code=202)
    def post(self, file: bytes) -> tuple[Job, Headers]:
        """Import a file with one title per line."""
        job = service.request_import(principal().user_id, file)
        return job, {"Location": url_for("JobItem", job_id=job.id)}
