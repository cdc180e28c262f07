"""`POST /books/imports`: the job and its result."""

import io
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import func, select

from app.books import service, tasks
from app.core.database import db
from app.jobs.models import JobInput
from tests.books.conftest import Import, counts
from tests.books.factories import book, import_csv, isbn, list_books
from tests.conftest import every_database
from tests.support.clients import Client, problem

HEADER = "title,author,isbn,year,language\n"


@every_database
def test_an_upload_returns_a_queued_job(ada: Client) -> None:
    response = import_csv(ada, HEADER)
    assert response.status_code == 202
    job = response.json
    assert response.headers["Location"] == f"/api/v1/jobs/{job['id']}"
    assert job.pop("created_at").endswith("Z")
    assert job == {
        "id": job["id"],
        "kind": "books.import",
        "status": "queued",
        "progress": {"done": 0, "total": None},
        "attempts": 0,
        "result": None,
        "error": None,
        "started_at": None,
        "finished_at": None,
    }


@every_database
def test_a_finished_import_reports_progress_and_result(ada: Client, run_jobs: Callable[[], None]) -> None:
    file = f"{HEADER}Emma,Jane Austen,{isbn(1)},1815,eng\nNo ISBN,Nobody,,,\n"
    location = import_csv(ada, file).headers["Location"]
    run_jobs()
    job = ada.get(f"~{location}").json
    assert job["status"] == "succeeded"
    assert job["progress"] == {"done": 2, "total": 2}
    assert job["attempts"] == 1
    assert job["created_at"] <= job["started_at"] <= job["finished_at"]
    assert job["result"] == {
        "created": 1,
        "updated": 0,
        "unchanged": 0,
        "rejected": 1,
        "errors": [{"line": 3, "field": "isbn", "message": "Missing data for required field."}],
    }


@every_database
def test_a_new_book_is_imported_with_every_column(ada: Client, import_file: Import) -> None:
    assert counts(import_file(f"{HEADER}Война и мир 📚,Толстой,{isbn(1)},1869,ru\n")) == (1, 0, 0, 0)
    assert list_books(ada) == [book(title="Война и мир 📚", author="Толстой", isbn=isbn(1), year=1869, language="ru")]


@every_database
def test_rows_are_upserted_by_isbn(ada: Client, import_file: Import) -> None:
    for number, title in ((1, "Same"), (2, "Old")):
        ada.post("/books", json=book(isbn=isbn(number), title=title))
    file = f"{HEADER}Same,Jane Austen,{isbn(1)},1815,eng\nNew,Jane Austen,{isbn(2)},1815,eng\nNew,A,{isbn(3)},,\n"
    assert counts(import_file(file)) == (1, 1, 1, 0)
    assert [item["title"] for item in list_books(ada)] == ["Same", "New", "New"]


@every_database
def test_a_second_import_of_a_file_changes_nothing(ada: Client, import_file: Import) -> None:
    file = HEADER + "".join(f"Title {number},Author,{isbn(number)},{number},\n" for number in range(30))
    assert counts(import_file(file)) == (30, 0, 0, 0)
    before = ada.get("/books?limit=100").json
    assert counts(import_file(file)) == (0, 0, 30, 0)
    assert ada.get("/books?limit=100").json == before


def test_an_import_changes_the_etag_of_updated_books_only(ada: Client, import_file: Import) -> None:
    created = ada.post("/books", json=book(isbn=isbn(1)))
    location = "~" + created.headers["Location"]
    import_file(f"{HEADER}Emma,Jane Austen,{isbn(1)},1815,eng\n")
    assert ada.get(location).headers["ETag"] == created.headers["ETag"]
    import_file(f"{HEADER}Emma,Austen,{isbn(1)},1815,eng\n")
    assert ada.get(location).headers["ETag"] != created.headers["ETag"]


@every_database
def test_an_import_leaves_other_users_books_alone(ada: Client, bob: Client, import_file: Import) -> None:
    bob.post("/books", json=book(isbn=isbn(1), title="Bob's"))
    assert counts(import_file(f"{HEADER}Ada's,Author,{isbn(1)},,\n")) == (1, 0, 0, 0)
    assert [item["title"] for item in list_books(bob)] == ["Bob's"]


@every_database
def test_the_last_row_of_a_repeated_isbn_wins(ada: Client, import_file: Import) -> None:
    rows = [f"{title},Author,{isbn(1)},,\n" for title in ("First", "Second", "Second")]
    assert counts(import_file(HEADER + "".join(rows))) == (1, 1, 1, 0)
    assert [item["title"] for item in list_books(ada)] == ["Second"]


def test_a_repeated_isbn_may_be_in_another_batch(
    ada: Client, import_file: Import, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tasks, "BATCH", 1)
    rows = [f"{title},Author,{isbn(1)},,\n" for title in ("First", "Second", "Second")]
    assert counts(import_file(HEADER + "".join(rows))) == (1, 1, 1, 0)


@every_database
def test_isbn_10_and_isbn_13_identify_the_same_book(ada: Client, import_file: Import) -> None:
    rows = [f"Emma,Jane Austen,{number},1815,eng\n" for number in ("0-14-143958-0", "978-0-14-143958-7", "0141439580")]
    assert counts(import_file(HEADER + "".join(rows))) == (1, 0, 2, 0)
    assert list_books(ada) == [book(isbn="9780141439587")]


@every_database
def test_an_absent_year_column_keeps_the_year_and_an_empty_cell_clears_it(ada: Client, import_file: Import) -> None:
    ada.post("/books", json=book(isbn=isbn(1)))
    assert counts(import_file(f"title,author,isbn\nEmma,Jane Austen,{isbn(1)}\n")) == (0, 0, 1, 0)
    assert list_books(ada) == [book(isbn=isbn(1))]
    assert counts(import_file(f"{HEADER}Emma,Jane Austen,{isbn(1)},,\n")) == (0, 1, 0, 0)
    assert list_books(ada) == [book(isbn=isbn(1), year=None, language=None)]


def test_the_file_can_be_a_form_field(ada: Client, run_jobs: Callable[[], None]) -> None:
    file = io.BytesIO(f"title,author,isbn\nEmma,Jane Austen,{isbn(1)}\n".encode())
    response = ada.post("/books/imports", data={"file": (file, "books.csv", "text/csv")})
    assert response.status_code == 202
    run_jobs()
    assert [item["title"] for item in list_books(ada)] == ["Emma"]


def test_a_form_without_the_field_is_refused(ada: Client) -> None:
    status, body = problem(ada.post("/books/imports", data={"books": (io.BytesIO(HEADER.encode()), "books.csv")}))
    assert status == 422
    assert "file" in body["errors"]


@pytest.mark.parametrize("content_type", ["application/json", "text/plain", "application/octet-stream", None])
def test_other_content_types_get_415(ada: Client, content_type: str | None) -> None:
    response = ada.post("/books/imports", data=HEADER, content_type=content_type)
    assert problem(response)[0] == 415


@every_database
def test_only_the_first_100_errors_are_reported(import_file: Import) -> None:
    result = import_file(HEADER + "Emma,Jane Austen,,x,\n" * 700)
    assert counts(result) == (0, 0, 0, 700)
    assert [error["line"] for error in result["errors"]] == [line for line in range(2, 52) for _ in ("isbn", "year")]


@every_database
def test_an_import_of_several_batches_and_parts_is_complete(ada: Client, import_file: Import) -> None:
    note = "x" * 1000
    rows = [f"Title {number},Author,{isbn(number)},{note}\n" for number in range(1100)]
    assert counts(import_file("title,author,isbn,note\n" + "".join(rows))) == (1100, 0, 0, 0)
    newest = ada.get("/books?sort=-id&limit=1").json["items"][0]
    assert (newest["title"], newest["isbn"]) == ("Title 1099", isbn(1099))


@every_database
def test_an_interrupted_import_resumes_and_counts_each_row_once(
    ada: Client, run_jobs: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[int] = []
    upsert = service.upsert

    def break_off_after_the_third_batch(owner_id: int, rows: list[dict[str, Any]]) -> dict[str, int]:
        outcome = upsert(owner_id, rows)
        calls.append(len(rows))
        if len(calls) == 3:
            raise ConnectionError
        return outcome

    monkeypatch.setattr(tasks, "BATCH", 2)
    monkeypatch.setattr(service, "upsert", break_off_after_the_third_batch)
    rows = [f"Title,Author,{isbn(number)},,\nNo ISBN,Author,,,\n" for number in range(5)]
    location = import_csv(ada, HEADER + "".join(rows)).headers["Location"]
    run_jobs()
    assert ada.get(f"~{location}").json["progress"] == {"done": 4, "total": 10}
    assert len(list_books(ada)) == 2
    run_jobs()
    job = ada.get(f"~{location}").json
    assert (job["status"], job["attempts"], job["progress"]) == ("succeeded", 2, {"done": 10, "total": 10})
    assert counts(job["result"]) == (5, 0, 0, 5)
    assert [error["line"] for error in job["result"]["errors"]] == [3, 5, 7, 9, 11]
    assert len(calls) == 6


def test_the_file_is_deleted_after_the_import(app: Flask, import_file: Import) -> None:
    import_file(HEADER)
    with app.app_context():
        assert db.session.scalar(select(func.count()).select_from(JobInput)) == 0
