"""Notes: the feature that the tests of all other features use, so that none of them needs the example feature."""

from app.core.http import Api
from tests.support.notes import tasks
from tests.support.notes.resources import NoteImports, NoteItem, NoteList

__all__ = ["register", "tasks"]


def register(api: Api) -> None:
    """Add the resources. Importing `tasks` registered the kind of job."""
    api.add(NoteList, "/notes")
    api.add(NoteItem, "/notes/<id:note_id>")
    api.add(NoteImports, "/notes/imports")
