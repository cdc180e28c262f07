"""Books: list, create, read, change, delete, import, export."""

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

Precondition = Callable[[str], bool]  # takes the entity tag of the book; False answers 412

ORDERS: dict[str, SQLColumnExpression[Any]] = {
    "id": Book.id,
    "title": Book.title,
    "year": Book.sort_year,
    "created_at": Book.created_at,
}
IMPORT = "books.import"  # the kind of job; its handler is in `tasks`
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
    """List the user's books that match all filters."""
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
        Conflict: The user already has a book with this ISBN.
    """
    book = Book(owner_id=owner_id, **fields)
    db.session.add(book)
    flush({UNIQUE_ISBN: Conflict(DUPLICATE)})
    return book


def get(owner_id: int, book_id: int, *, for_update: bool = False) -> Book:
    """Fetch one of the user's books. With `for_update`, lock it until the commit.

    Raises:
        NotFound: The book does not exist, or belongs to another user.
    """
    statement = select(Book).where(Book.id == book_id, Book.owner_id == owner_id)
    if for_update:
        statement = statement.with_for_update().execution_options(populate_existing=True)
    book = db.session.scalar(statement)
    if book is None:
        raise NotFound("The book does not exist.")
    return book


def change(owner_id: int, book_id: int, precondition: Precondition, **fields: Any) -> Book:
    """Change fields of a book.

    Raises:
        NotFound: The book does not exist, or belongs to another user.
        PreconditionFailed: The book has changed since the client read it.
        Conflict: The user already has another book with this ISBN.
    """
    book = _locked(owner_id, book_id, precondition)
    for name, value in fields.items():
        setattr(book, name, value)
    flush({UNIQUE_ISBN: Conflict(DUPLICATE)})
    return book


def delete(owner_id: int, book_id: int, precondition: Precondition) -> None:
    """Delete a book.

    Raises:
        NotFound: The book does not exist, or belongs to another user.
        PreconditionFailed: The book has changed since the client read it.
    """
    db.session.delete(_locked(owner_id, book_id, precondition))


def upsert(owner_id: int, rows: list[dict[str, Any]]) -> dict[str, int]:
    """Add books, or change those with the same ISBN.

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
    """Enqueue the import of a CSV file that has passed `csv_files.check`."""
    return jobs.enqueue(IMPORT, owner_id=owner_id, data=file)


def export(owner_id: int, *columns: str, size: int = 1000) -> Iterator[list[Sequence[Any]]]:
    """Fetch columns of all the user's books, page by page. No transaction stays open while a slow client reads."""
    owned = select(Book.id, *(getattr(Book, column) for column in columns)).where(Book.owner_id == owner_id)
    last = 0
    while True:
        rows = db.session.execute(owned.where(Book.id > last).order_by(Book.id).limit(size)).all()
        db.session.rollback()
        yield [row[1:] for row in rows]
        if len(rows) < size:
            return
        last = rows[-1].id


def _locked(owner_id: int, book_id: int, precondition: Precondition) -> Book:
    """Lock a book and check the precondition."""
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
    db.session.bulk_save_objects(new)  # twice as fast as add_all, which tracks the objects
    return counts
