"""Background jobs of books."""

from collections.abc import Iterator
from itertools import islice
from typing import Any

from marshmallow import ValidationError

from app.books import csv_files, service
from app.jobs.handlers import Work, handles

BATCH = 500
ERRORS_SHOWN = 100


@handles(service.IMPORT)
def import_books(work: Work) -> Iterator[None]:
    """Upsert the books of a CSV file by their ISBN. The result counts them and lists the errors of rejected rows."""
    if work.total is None:
        work.total = sum(1 for _ in csv_files.read(work.open()))
        work.result = {"created": 0, "updated": 0, "unchanged": 0, "rejected": 0, "errors": []}
        yield
    rows = islice(csv_files.read(work.open()), work.done, None)
    while batch := list(islice(rows, BATCH)):
        books = [book for row in batch if (book := _read(row, work.result)) is not None]
        for outcome, count in service.upsert(work.owner_id, books).items():
            work.result[outcome] += count
        work.done += len(batch)
        yield


def _read(row: csv_files.Row, result: dict[str, Any]) -> dict[str, Any] | None:
    try:
        return row.book()
    except ValidationError as error:
        result["rejected"] += 1
        faults = [
            {"line": row.line, "field": field, "message": message}
            for field, messages in error.normalized_messages().items()
            for message in messages
        ]
        result["errors"] = (result["errors"] + faults)[:ERRORS_SHOWN]
        return None
