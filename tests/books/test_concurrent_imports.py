"""Concurrent imports of one user."""

import pytest
from flask import Flask

from app.jobs import runner
from tests.books.factories import import_csv, isbn
from tests.support.clients import Client, at_once

ROWS = 3000


@pytest.mark.parametrize("database", ["sqlite", "postgresql"], indirect=True)
def test_concurrent_imports_of_the_same_books_create_each_book_once(app: Flask, ada: Client) -> None:
    """A unique constraint ends the batch of the second import, which must then be tried again."""
    file = "\n".join(["title,author,isbn", *(f"Book {i},Author,{isbn(i)}" for i in range(ROWS))])
    jobs = [import_csv(ada, file).json["id"] for _ in range(2)]

    queued = iter(jobs)

    def work() -> None:
        with app.app_context():
            runner.run(next(queued))

    at_once(work)
    ended = [ada.get(f"/jobs/{job_id}").json for job_id in jobs]
    assert [(job["status"], job["attempts"]) for job in ended] == [("succeeded", 1)] * 2
    assert sum(job["result"]["created"] for job in ended) == ROWS
    assert sum(job["result"]["unchanged"] for job in ended) == ROWS
