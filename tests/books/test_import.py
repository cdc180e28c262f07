"""Books from CSV: `POST /books/imports`, and what the job makes of the file."""

import io
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import func, select

from app.books import service, tasks
from app.core.database import db
from app.jobs.models import JobInput
from tests.books.factories import book, isbn
from tests.conftest import every_database
from tests.support.clients import Client, problem

HEADER = "title,author,isbn,year,language\n"
Import = Callable[[str | bytes], dict[str, Any]]


@pytest.fixture
def imported(ada: Client, run_jobs: Callable[[], None]) -> Import:
    """Import a file as Ada, and return the job's result."""

    def imported(file: str | bytes) -> dict[str, Any]:
        accepted = ada.import_csv(file)
        assert accepted.status_code == 202, accepted.text
        run_jobs()
        job = ada.open("GET", "~" + accepted.headers["Location"]).json
        assert (job["status"], job["error"]) == ("succeeded", None)
        result: dict[str, Any] = job["result"]
        return result

    return imported


def counts(result: dict[str, Any]) -> tuple[int, int, int, int]:
    return result["created"], result["updated"], result["unchanged"], result["rejected"]


def shelf(client: Client) -> list[dict[str, Any]]:
    """The books, without what the server adds."""
    items = client.get("/books?limit=100").json["items"]
    return [{name: item[name] for name in book()} for item in items]


@every_database
def test_an_upload_returns_a_queued_job(ada: Client) -> None:
    response = ada.import_csv(HEADER)
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
    location = ada.import_csv(f"{HEADER}Emma,Jane Austen,{isbn(1)},1815,eng\nNo ISBN,Nobody,,,\n").headers["Location"]
    run_jobs()
    job = ada.open("GET", f"~{location}").json
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
def test_a_new_book_is_imported_with_every_column(ada: Client, imported: Import) -> None:
    assert counts(imported(f"{HEADER}Война и мир 📚,Лев Толстой,{isbn(1)},1869,ru\n")) == (1, 0, 0, 0)
    assert shelf(ada) == [book(title="Война и мир 📚", author="Лев Толстой", isbn=isbn(1), year=1869, language="ru")]


@every_database
def test_rows_are_upserted_by_isbn(ada: Client, imported: Import) -> None:
    for number, title in ((1, "Same"), (2, "Old")):
        ada.post("/books", json=book(isbn=isbn(number), title=title))
    file = f"{HEADER}Same,Jane Austen,{isbn(1)},1815,eng\nNew,Jane Austen,{isbn(2)},1815,eng\nNew,A,{isbn(3)},,\n"
    assert counts(imported(file)) == (1, 1, 1, 0)
    assert [item["title"] for item in shelf(ada)] == ["Same", "New", "New"]


@every_database
def test_a_second_import_of_a_file_changes_nothing(ada: Client, imported: Import) -> None:
    file = HEADER + "".join(f"Title {number},Author,{isbn(number)},{number},\n" for number in range(30))
    assert counts(imported(file)) == (30, 0, 0, 0)
    before = ada.get("/books?limit=100").json
    assert counts(imported(file)) == (0, 0, 30, 0)
    assert ada.get("/books?limit=100").json == before


def test_an_import_changes_the_etag_of_updated_books_only(ada: Client, imported: Import) -> None:
    created = ada.post("/books", json=book(isbn=isbn(1)))
    location = "~" + created.headers["Location"]
    imported(f"{HEADER}Emma,Jane Austen,{isbn(1)},1815,eng\n")
    assert ada.open("GET", location).headers["ETag"] == created.headers["ETag"]
    imported(f"{HEADER}Emma,Austen,{isbn(1)},1815,eng\n")
    assert ada.open("GET", location).headers["ETag"] != created.headers["ETag"]


@every_database
def test_an_import_leaves_other_users_books_alone(ada: Client, bob: Client, imported: Import) -> None:
    bob.post("/books", json=book(isbn=isbn(1), title="Bob's"))
    assert counts(imported(f"{HEADER}Ada's,Author,{isbn(1)},,\n")) == (1, 0, 0, 0)
    assert [item["title"] for item in shelf(bob)] == ["Bob's"]


@every_database
def test_the_last_row_of_a_repeated_isbn_wins(ada: Client, imported: Import) -> None:
    rows = [f"{title},Author,{isbn(1)},,\n" for title in ("First", "Second", "Second")]
    assert counts(imported(HEADER + "".join(rows))) == (1, 1, 1, 0)
    assert [item["title"] for item in shelf(ada)] == ["Second"]


def test_a_repeated_isbn_may_be_in_another_batch(
    ada: Client, imported: Import, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tasks, "BATCH", 1)
    rows = [f"{title},Author,{isbn(1)},,\n" for title in ("First", "Second", "Second")]
    assert counts(imported(HEADER + "".join(rows))) == (1, 1, 1, 0)


@every_database
def test_isbn_10_and_isbn_13_identify_the_same_book(ada: Client, imported: Import) -> None:
    rows = [f"Emma,Jane Austen,{number},1815,eng\n" for number in ("0-14-143958-0", "978-0-14-143958-7", "0141439580")]
    assert counts(imported(HEADER + "".join(rows))) == (1, 0, 2, 0)
    assert shelf(ada) == [book(isbn="9780141439587")]


@every_database
def test_an_absent_year_column_keeps_the_year_and_an_empty_cell_clears_it(ada: Client, imported: Import) -> None:
    ada.post("/books", json=book(isbn=isbn(1)))
    assert counts(imported(f"title,author,isbn\nEmma,Jane Austen,{isbn(1)}\n")) == (0, 0, 1, 0)
    assert shelf(ada) == [book(isbn=isbn(1))]
    assert counts(imported(f"{HEADER}Emma,Jane Austen,{isbn(1)},,\n")) == (0, 1, 0, 0)
    assert shelf(ada) == [book(isbn=isbn(1), year=None, language=None)]


def test_columns_may_be_in_any_order_and_unknown_ones_are_ignored(ada: Client, imported: Import) -> None:
    file = f"rating,ISBN, Author ,note,title,note\n5,{isbn(1)},Jane Austen,a,Emma,b\n"
    assert counts(imported(file)) == (1, 0, 0, 0)
    assert shelf(ada) == [book(isbn=isbn(1), year=None, language=None)]


@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("last", ["", "the ending"])
def test_a_byte_order_mark_and_any_line_endings_are_accepted(
    ada: Client, imported: Import, ending: str, last: str
) -> None:
    lines = ["title,author,isbn", f"Emma,Jane Austen,{isbn(1)}", f"Émile,Rousseau,{isbn(2)}"]
    result = imported((ending.join(lines) + (ending if last else "")).encode("utf-8-sig"))
    assert counts(result) == (2, 0, 0, 0)
    assert [item["title"] for item in shelf(ada)] == ["Emma", "Émile"]


def test_the_file_can_be_a_form_field(ada: Client, run_jobs: Callable[[], None]) -> None:
    file = io.BytesIO(f"title,author,isbn\nEmma,Jane Austen,{isbn(1)}\n".encode())
    response = ada.post("/books/imports", data={"file": (file, "books.csv", "text/csv")})
    assert response.status_code == 202
    run_jobs()
    assert [item["title"] for item in shelf(ada)] == ["Emma"]


def test_a_form_without_the_field_is_refused(ada: Client) -> None:
    status, body = problem(ada.post("/books/imports", data={"books": (io.BytesIO(HEADER.encode()), "books.csv")}))
    assert status == 422
    assert "file" in body["errors"]


@pytest.mark.parametrize("content_type", ["application/json", "text/plain", "application/octet-stream", None])
def test_other_content_types_get_415(ada: Client, content_type: str | None) -> None:
    response = ada.post("/books/imports", data=HEADER, content_type=content_type)
    assert problem(response)[0] == 415


@pytest.mark.parametrize(
    ("file", "reason"),
    [
        (b"", "title, author, isbn"),
        (b"\n", "title, author, isbn"),
        (b"\xef\xbb\xbf", "title, author, isbn"),
        (b"title,author\nEmma,Jane Austen\n", "isbn"),
        (b"Emma,Jane Austen,9780141439587\n", "title, author, isbn"),
        (b"title;author;isbn\n", "title, author, isbn"),
        (b"title,author,isbn,isbn\n", "isbn"),
        (b"title,author,isbn,year,Year\n", "year"),
        (b'"title,author,isbn\n', "not CSV"),
        (b"title,author,isbn\nEmma,Br\xe9b\xe9,1\n", "Line 2 is not UTF-8"),
        ("title,author,isbn\n".encode("utf-16"), "Line 1 is not UTF-8"),
        (b"title,author,isbn\n\0", "NUL"),
        (b'{"title": "Emma"}', "title, author, isbn"),
    ],
)
def test_a_file_without_the_columns_is_refused(ada: Client, file: bytes, reason: str) -> None:
    status, body = problem(ada.import_csv(file))
    assert status == 422
    assert reason in body["errors"]["file"][0]
    assert ada.get("/jobs").json["items"] == []


def test_a_file_without_rows_is_accepted(ada: Client, imported: Import) -> None:
    assert imported(HEADER) == {"created": 0, "updated": 0, "unchanged": 0, "rejected": 0, "errors": []}


@pytest.mark.parametrize(
    ("row", "fields"),
    [
        ("Emma,Jane Austen,9780141439588,,", ["isbn"]),
        ("Emma,Jane Austen,,,", ["isbn"]),
        (f" ,Jane Austen,{isbn(1)},,", ["title"]),
        (f"{'x' * 501},Jane Austen,{isbn(1)},,", ["title"]),
        (f"Emma,,{isbn(1)},,", ["author"]),
        (f"Emma,Jane Austen,{isbn(1)},1815.0,", ["year"]),
        (f"Emma,Jane Austen,{isbn(1)},2101,", ["year"]),
        (f"Emma,Jane Austen,{isbn(1)},١٨١٥,", ["year"]),
        (f"Emma,Jane Austen,{isbn(1)},,not a language", ["language"]),
        (",,,x,", ["title", "author", "isbn", "year"]),
        (f"Emma,Jane Austen,{isbn(1)},1815", ["row"]),
        (f"Emma,Jane Austen,{isbn(1)},1815,eng,", ["row"]),
        (f'"Emma" x,Jane Austen,{isbn(1)},,', ["row"]),
        (f"{'x' * 200_000},Jane Austen,{isbn(1)},,", ["row"]),
    ],
)
def test_an_invalid_row_is_rejected_with_its_line_and_fields(
    ada: Client, imported: Import, row: str, fields: list[str]
) -> None:
    result = imported(f"{HEADER}Kim,Rudyard Kipling,{isbn(2)},1901,eng\n{row}\nMore,Author,{isbn(3)},,\n")
    assert counts(result) == (2, 0, 0, 1)
    assert sorted((error["line"], error["field"]) for error in result["errors"]) == sorted((3, name) for name in fields)
    assert [item["title"] for item in shelf(ada)] == ["Kim", "More"]


def test_blank_lines_are_skipped_but_counted(imported: Import) -> None:
    result = imported(f"{HEADER}\nEmma,Jane Austen,{isbn(1)},,\n\n\nNo ISBN,Nobody,,,\n\n")
    assert counts(result) == (1, 0, 0, 1)
    assert [error["line"] for error in result["errors"]] == [6]


def test_a_multiline_row_is_reported_at_its_first_line(ada: Client, imported: Import) -> None:
    result = imported(
        HEADER
        + f'"Two\nlines, ""quoted""",Author,{isbn(1)},,\n'
        + '"Three\r\n\r\nlines",Author,no isbn,,\n'
        + "No ISBN,Author,,,\n"
    )
    assert counts(result) == (1, 0, 0, 2)
    assert [error["line"] for error in result["errors"]] == [4, 7]
    assert [item["title"] for item in shelf(ada)] == ['Two\nlines, "quoted"']


def test_an_unclosed_quote_rejects_only_its_own_line(ada: Client, imported: Import) -> None:
    result = imported(f'{HEADER}"Emma,Jane Austen,{isbn(1)},,\nKim,Author,{isbn(2)},,\nLast,Author,{isbn(3)},,\n')
    assert counts(result) == (2, 0, 0, 1)
    assert [(error["line"], error["field"]) for error in result["errors"]] == [(2, "row")]
    assert [item["title"] for item in shelf(ada)] == ["Kim", "Last"]


def test_a_row_of_more_than_100_lines_is_rejected(ada: Client, imported: Import) -> None:
    """Were each row read to the end of a file whose quotes are never closed, a large file would take days."""
    longest = "\n" * 99
    result = imported(f'{HEADER}"Long{longest}title",Author,{isbn(1)},,\n' + 'a",b,"\n' * 300)
    assert counts(result) == (1, 0, 0, 300)
    assert {error["message"] for error in result["errors"]} == {"Not CSV: a row of more than 100 lines."}


@every_database
def test_only_the_first_100_errors_are_reported(imported: Import) -> None:
    result = imported(HEADER + "Emma,Jane Austen,,x,\n" * 700)
    assert counts(result) == (0, 0, 0, 700)
    assert [error["line"] for error in result["errors"]] == [line for line in range(2, 52) for _ in ("isbn", "year")]


@every_database
def test_an_import_of_several_batches_and_parts_is_complete(ada: Client, imported: Import) -> None:
    note = "x" * 1000
    rows = [f"Title {number},Author,{isbn(number)},{note}\n" for number in range(1100)]
    assert counts(imported("title,author,isbn,note\n" + "".join(rows))) == (1100, 0, 0, 0)
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
    location = ada.import_csv(HEADER + "".join(rows)).headers["Location"]
    run_jobs()
    assert ada.open("GET", f"~{location}").json["progress"] == {"done": 4, "total": 10}
    assert len(shelf(ada)) == 2
    run_jobs()
    job = ada.open("GET", f"~{location}").json
    assert (job["status"], job["attempts"], job["progress"]) == ("succeeded", 2, {"done": 10, "total": 10})
    assert counts(job["result"]) == (5, 0, 0, 5)
    assert [error["line"] for error in job["result"]["errors"]] == [3, 5, 7, 9, 11]
    assert len(calls) == 6


def test_the_file_is_deleted_after_the_import(app: Flask, imported: Import) -> None:
    imported(HEADER)
    with app.app_context():
        assert db.session.scalar(select(func.count()).select_from(JobInput)) == 0
