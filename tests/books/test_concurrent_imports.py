"""Imports of one user that meet."""

import pytest
from flask import Flask

from app.jobs import runner
from tests.books.factories import isbn
from tests.support.clients import Client, at_once

ROWS = 3000


@pytest.mark.parametrize("database", ["sqlite", "postgresql"], indirect=True)
def test_concurrent_imports_of_the_same_books_create_each_book_once(app: Flask, ada: Client) -> None:
    """Fails without a second try of the batch: a unique constraint ends the attempt of whoever comes second."""
    file = "\n".join(["title,author,isbn", *(f"Book {i},Somebody,{isbn(i)}" for i in range(ROWS))])
    jobs = [ada.import_csv(file).json["id"] for _ in range(2)]

    waiting = iter(jobs)

    def work() -> None:
        with app.app_context():
            runner.run(next(waiting))

    at_once(work)
    ended = [ada.get(f"/jobs/{job_id}").json for job_id in jobs]
    assert [(job["status"], job["attempts"]) for job in ended] == [("succeeded", 1)] * 2
    assert sum(job["result"]["created"] for job in ended) == ROWS
    assert sum(job["result"]["unchanged"] for job in ended) == ROWS
