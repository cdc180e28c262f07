"""What users can do with their books."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from sqlalchemy import SQLColumnExpression, or_, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm.exc import StaleDataError

from app.books.models import Book
from app.core.database import db, flush, violated_constraint
from app.core.errors import Conflict, NotFound, PreconditionFailed
from app.core.http import Page, paginate
from app.jobs import service as jobs
from app.jobs.models import Job

Precondition = Callable[[str], bool]  # whether a book with this entity tag may be changed

ORDERS: dict[str, SQLColumnExpression[Any]] = {
    "id": Book.id,
    "title": Book.title,
    "year": Book.sort_year,
    "created_at": Book.created_at,
}
IMPORT = "books.import"  # the kind of job; `tasks` does it
UPSERTS = 3  # attempts at a batch while other transactions change the same books
UNIQUE_ISBN = "uq_books_owner_id_isbn"
DUPLICATE = "You already have a book with this ISBN."


def find(
    owner_id: int,
    *,
    q: str | None = None,
    author: str | None = None,
    language: str | None = None,
    year_min: int | None = None,
    year_max: int | None = None,
    sort: str,
    limit: int,
    cursor: str | None = None,
) -> Page[Book]:
    """List the user's books, as far as they match all that is given."""
    books = select(Book).where(Book.owner_id == owner_id)
    if q:
        books = books.where(or_(Book.title.icontains(q, autoescape=True), Book.author.icontains(q, autoescape=True)))
    if author:
        books = books.where(Book.author.icontains(author, autoescape=True))
    if language:
        books = books.where(Book.language == language)
    if year_min is not None:
        books = books.where(Book.year >= year_min)
    if year_max is not None:
        books = books.where(Book.year <= year_max)
    return paginate(books, orders=ORDERS, key=Book.id, sort=sort, limit=limit, cursor=cursor)


def create(owner_id: int, **fields: Any) -> Book:
    """Add a book.

    Raises:
        Conflict: the user already has this ISBN.
    """
    book = Book(owner_id=owner_id, **fields)
    db.session.add(book)
    flush({UNIQUE_ISBN: Conflict(DUPLICATE)})
    return book


def get(owner_id: int, book_id: int, *, for_update: bool = False) -> Book:
    """Fetch a book, and keep others from changing it until the commit, if it is for an update.

    Raises:
        NotFound: there is none, or it is somebody else's.
    """
    statement = select(Book).where(Book.id == book_id, Book.owner_id == owner_id)
    if for_update:
        statement = statement.with_for_update().execution_options(populate_existing=True)
    book = db.session.scalar(statement)
    if book is None:
        raise NotFound("There is no such book.")
    return book


def change(owner_id: int, book_id: int, precondition: Precondition, **fields: Any) -> Book:
    """Change a book that is still as the client has seen it.

    Raises:
        NotFound: there is none, or it is somebody else's.
        PreconditionFailed: it has changed meanwhile.
        Conflict: the user already has another book with this ISBN.
    """
    book = _still_as_seen(owner_id, book_id, precondition)
    for name, value in fields.items():
        setattr(book, name, value)
    flush({UNIQUE_ISBN: Conflict(DUPLICATE)})
    return book


def delete(owner_id: int, book_id: int, precondition: Precondition) -> None:
    """Delete a book that is still as the client has seen it.

    Raises:
        NotFound: there is none, or it is somebody else's.
        PreconditionFailed: it has changed meanwhile.
    """
    db.session.delete(_still_as_seen(owner_id, book_id, precondition))


def upsert(owner_id: int, rows: list[dict[str, Any]]) -> dict[str, int]:
    """Add books, or change those that the user has, by their ISBN.

    Returns:
        How many were `created`, `updated` and `unchanged`.
    """
    for _ in range(UPSERTS - 1):
        try:
            with db.session.begin_nested():
                return _upsert(owner_id, rows)
        except StaleDataError:  # another transaction has changed one of the books
            continue
        except IntegrityError as error:  # or added one
            if not violated_constraint(error, [UNIQUE_ISBN]):
                raise
    # After several conflicts in a row, for example with another import, an error makes the job start again later.
    return _upsert(owner_id, rows)


def request_import(owner_id: int, file: bytes) -> Job:
    """Promise to import a CSV file that has been checked."""
    return jobs.enqueue(IMPORT, owner_id=owner_id, data=file)


def export(owner_id: int, *columns: str, size: int = 1000) -> Iterator[list[Sequence[Any]]]:
    """Fetch columns of all the user's books, some at a time: a slow reader holds no transaction open between."""
    last, rows = 0, None
    while rows is None or len(rows) == size:
        wanted = select(Book.id, *(getattr(Book, column) for column in columns))
        after = wanted.where(Book.owner_id == owner_id, Book.id > last).order_by(Book.id).limit(size)
        rows = db.session.execute(after).all()
        db.session.rollback()
        yield [row[1:] for row in rows]
        last = rows[-1].id if rows else last


def _still_as_seen(owner_id: int, book_id: int, precondition: Precondition) -> Book:
    book = get(owner_id, book_id, for_update=True)
    if not precondition(book.etag):
        raise PreconditionFailed("The book has changed since you read it.")
    return book


def _upsert(owner_id: int, rows: list[dict[str, Any]]) -> dict[str, int]:
    counts = {"created": 0, "updated": 0, "unchanged": 0}
    owned = select(Book).where(Book.owner_id == owner_id, Book.isbn.in_([row["isbn"] for row in rows]))
    books = {book.isbn: book for book in db.session.scalars(owned)}
    new = []
    for row in rows:
        book = books.get(row["isbn"])
        if book is None:
            books[row["isbn"]] = book = Book(owner_id=owner_id, **row)
            new.append(book)
            counts["created"] += 1
            continue
        changes = {name: value for name, value in row.items() if getattr(book, name) != value}
        for name, value in changes.items():
            setattr(book, name, value)
        counts["updated" if changes else "unchanged"] += 1
    db.session.flush()
    db.session.bulk_save_objects(new)  # nobody looks at them again: twice as fast as to keep track of them
    return counts
