"""`/books`: the user's books, CSV export and CSV import."""

from collections.abc import Iterator
from typing import Any

from flask import Response, stream_with_context, url_for

from app.books import csv_files, service
from app.books.models import Book
from app.books.schemas import (
    BookChangesSchema,
    BookPageSchema,
    BookQuery,
    BookSchema,
    CsvFileSchema,
    NewBookSchema,
)
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


class BookList(Resource):
    """All of the user's books."""

    @use_kwargs(BookQuery, location="query")
    @marshal_with(BookPageSchema, code=200)
    def get(self, **query: Any) -> Page[Book]:
        """List your books.

        Follow `next_cursor` or the `Link` header to the next page. Books without a year sort before all others.
        """
        return service.find(principal().user_id, **query)

    @idempotent
    @use_kwargs(NewBookSchema, location="json")
    @marshal_with(BookSchema, code=201)
    @problems(409)
    def post(self, **fields: Any) -> tuple[Book, Headers]:
        """Add a book.

        If you already have a book with this ISBN, the response is 409.
        """
        book = service.create(principal().user_id, **fields)
        return book, {"Location": url_for(BookItem.endpoint, book_id=book.id), "ETag": book.etag}


class BookItem(Resource):
    """One of the user's books."""

    @marshal_with(BookSchema, code=200)
    @doc(parameters=[IF_NONE_MATCH, IF_MATCH], responses={"304": {"description": "The book has not changed."}})
    @problems(412)
    def get(self, book_id: int) -> tuple[Book, Headers]:
        """Read a book.

        The `ETag` identifies this version of the book. Send it as `If-None-Match` to read the book only if it has
        changed, or as `If-Match` to change the book only if it has not.
        """
        book = service.get(principal().user_id, book_id)
        return book, {"ETag": book.etag}

    @use_kwargs(BookChangesSchema, location="json")
    @marshal_with(BookSchema, code=200)
    @doc(parameters=[IF_MATCH])
    @problems(409, 412)
    def patch(self, book_id: int, **changes: Any) -> tuple[Book, Headers]:
        """Change a book.

        With `If-Match`, the response is 412 if the book has another entity tag.
        """
        book = service.change(principal().user_id, book_id, if_match(), **changes)
        return book, {"ETag": book.etag}

    @marshal_with(None, code=204)
    @doc(parameters=[IF_MATCH])
    @problems(412)
    def delete(self, book_id: int) -> None:
        """Delete a book.

        With `If-Match`, the response is 412 if the book has another entity tag.
        """
        service.delete(principal().user_id, book_id, if_match())


class BookExport(Resource):
    """CSV export."""

    @marshal_with(None, code=200)
    @doc(responses={"200": {"content": {"text/csv": {"schema": {"type": "string"}}}}})
    def get(self) -> Response:
        """Export all your books as CSV.

        The file can be imported again. Cells are not escaped: a spreadsheet may read one that begins with `=` as a
        formula.
        """
        owner_id = principal().user_id

        def lines() -> Iterator[str]:
            yield csv_files.write([csv_files.COLUMNS])
            for books in service.export(owner_id, *csv_files.COLUMNS):
                yield csv_files.write(books)

        attachment = {"Content-Disposition": 'attachment; filename="books.csv"'}
        return Response(stream_with_context(lines()), headers=attachment, content_type="text/csv; charset=utf-8")


class BookImports(Resource):
    """CSV import."""

    @idempotent
    @use_kwargs(CsvFileSchema, location="csv")
    @use_kwargs(CsvFileSchema, location="files")
    @marshal_with(JobSchema, code=202)
    def post(self, file: bytes) -> tuple[Job, Headers]:
        """Import books from CSV.

        Send the file as the body, or as the field `file` of a form. It must be UTF-8. Its first line names the columns:
        `title`, `author` and `isbn` are required, `year` and `language` are optional, and the order is free. A book
        with an ISBN that you already have is updated.

        The response is a job. Poll `Location` until its `status` is `succeeded`. Its `result` counts the books that
        were `created`, `updated`, `unchanged` and `rejected`, and lists the first 100 errors with their lines.
        """
        csv_files.check(file)
        job = service.request_import(principal().user_id, file)
        return job, {"Location": url_for("JobItem", job_id=job.id)}
