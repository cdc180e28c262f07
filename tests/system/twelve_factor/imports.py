"""Imports, as a user sees them: accepted, done, and to be found among the books."""

import csv
from typing import Any

from tests.system.formation import HttpClient


def accept(user: HttpClient, file: bytes) -> str:
    """Have an import accepted, without much delay."""
    answer = user.post("/books/imports", data=file, headers={"Content-Type": "text/csv"}, timeout=5)
    assert answer.status_code == 202, answer.text
    return str(answer.headers["Location"])


def assert_imported_once(user: HttpClient, job: str, file: bytes) -> dict[str, Any]:
    """The job succeeds, its counts are right, and the user has the file's books, each of them once."""
    ended = user.finished(job, 90)
    assert ended["status"] == "succeeded", ended
    expected = books_of(file)
    rejected = len(file.splitlines()) - 1 - len(expected)
    assert (ended["result"]["created"], ended["result"]["rejected"]) == (len(expected), rejected)
    assert books(user) == expected
    return ended


def books_of(file: bytes) -> list[list[str]]:
    """The rows of a CSV file that have an ISBN."""
    return sorted(row for row in list(csv.reader(file.decode().splitlines()))[1:] if row[2])


def books(user: HttpClient) -> list[list[str]]:
    """The user's books, as CSV has them."""
    return sorted(list(csv.reader(user.get("/books/export").content.decode().splitlines()))[1:])
