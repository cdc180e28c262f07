"""Books: the feature to copy. A resource with pages, filters, entity tags, and work for a worker."""

from app.books import tasks
from app.books.resources import BookExport, BookImports, BookItem, BookList
from app.core.http import Api

__all__ = ["register", "tasks"]


def register(api: Api) -> None:
    """Add the resources; importing `tasks` made the worker know how to import."""
    api.add(BookList, "/books")
    api.add(BookItem, "/books/<id:book_id>")
    api.add(BookExport, "/books/export")
    api.add(BookImports, "/books/imports")
