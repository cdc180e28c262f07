"""Books: the example of a feature. It has resources with pages, filters and entity tags, and a background job."""

from app.books import tasks
from app.books.resources import BookExport, BookImports, BookItem, BookList
from app.core.http import Api

__all__ = ["register", "tasks"]


def register(api: Api) -> None:
    """Add the resources. The import of `tasks` has registered the job handler."""
    api.add(BookList, "/books")
    api.add(BookItem, "/books/<id:book_id>")
    api.add(BookExport, "/books/export")
    api.add(BookImports, "/books/imports")
