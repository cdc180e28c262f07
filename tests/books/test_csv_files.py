"""CSV files: unusable ones are refused, and invalid rows are reported with their lines."""

import io
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.books import csv_files
from app.core.errors import Invalid
from tests.books.factories import book, import_csv, isbn
from tests.conftest import every_database
from tests.support.clients import Client, problem

HEADER = "title,author,isbn\n"
EMMA, EMMA_10, PRIDE, SANDITON = "9780141439587", "0141439580", "9780141439518", isbn(1)

REFUSED: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "missing: title, author, isbn"),
    "a BOM alone": (b"\xef\xbb\xbf", "missing: title, author, isbn"),
    "blank": (b"\n\n\n", "missing: title, author, isbn"),
    "a PNG": (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "Line 1 is not UTF-8"),
    "a ZIP": (b"PK\3\4\x14\0\6\0\10\0", "NUL"),
    "UTF-16": (f"{HEADER}Emma,J,{EMMA}".encode("utf-16"), "Line 1 is not UTF-8"),
    "UTF-16 without BOM": (f"{HEADER}Emma,J,{EMMA}".encode("utf-16-le"), "NUL"),
    "Latin-1": (f"{HEADER}Emma,J,{EMMA}\nÉmile,J,{PRIDE}".encode("latin-1"), "Line 3 is not UTF-8"),
    "Latin-1 after a BOM": (b"\xef\xbb\xbf" + f"{HEADER}É,J,{EMMA}".encode("latin-1"), "Line 2 is not UTF-8"),
    "Latin-1 with CR line ends": (f"{HEADER}É,J,{EMMA}".replace("\n", "\r").encode("latin-1"), "Line 2 is not UTF-8"),
    "UTF-8 cut short": (f"{HEADER}É".encode()[:-1], "Line 2 is not UTF-8"),
    "a surrogate in UTF-8": (HEADER.encode() + b"\xed\xa0\x80,J,x", "Line 2 is not UTF-8"),
    "NUL": (f"{HEADER}Em\0ma,J,{EMMA}".encode(), "NUL"),
    "a column missing": (b"title,author,year\nEmma,J,1815\n", "missing: isbn"),
    "no header": (f"Emma,J,{EMMA}\n".encode(), "missing: title, author, isbn"),
    "a column twice": (b"title,author,isbn,Title\nEmma,J,x,Emma\n", "more than once: title"),
    "an optional column twice": (b"title,author,isbn,year,year\n", "more than once: year"),
    "semicolons": (f"title;author;isbn\nEmma;J;{EMMA}\n".encode(), "missing: title, author, isbn"),
    "a quote left open in the header": (b'"title,author,isbn\nEmma,J,x\n', "not CSV"),
    "1 MB in one line": (b"x" * 1_000_000, "not CSV"),
    "1 MB of commas": (b"," * 1_000_000, "missing: title, author, isbn"),
    "JSON": (b'[{"title": "Emma"}]', "missing: title, author, isbn"),
    "HTML": (b"<!doctype html>\n<title>Log in</title>", "missing: title, author, isbn"),
}

LineErrors = list[tuple[int, str]]
READ: dict[str, tuple[str, int, LineErrors]] = {
    "a header alone": ("title,author,isbn", 0, []),
    "rows with a cell too few or too many": (
        f"{HEADER}Emma,J\nPride,J,{PRIDE}\nEmma,J,{EMMA},1815\n",
        1,
        [(2, "row"), (4, "row")],
    ),
    "a quote left open": (f'{HEADER}"Emma,J,{EMMA}\nPride,J,{PRIDE}\n', 1, [(2, "row")]),
    "quotes left open": (
        f'{HEADER}"Emma,J,{EMMA}\nPride,J,{PRIDE}\n"Emma,J,{EMMA}\nSanditon,J,{SANDITON}\n',
        2,
        [(2, "row"), (4, "row")],
    ),
    "a quote left open in the last line": (f'{HEADER}Pride,J,{PRIDE}\nEmma,"J,{EMMA}', 1, [(3, "row")]),
    "text after a closed quote": (f'{HEADER}"Emma"!,J,{EMMA}\nPride,J,{PRIDE}\n', 1, [(2, "row")]),
    "a cell of a million characters": (f"{HEADER}{'x' * 10**6},J,{EMMA}\nPride,J,{PRIDE}\n", 1, [(2, "row")]),
    "a cell of 100,000 characters": (f"{HEADER}{'x' * 10**5},J,{EMMA}\nPride,J,{PRIDE}\n", 1, [(2, "title")]),
    "a line of 1 MB": (f"{HEADER}{'x,' * 500_000}\nPride,J,{PRIDE}\n", 1, [(2, "row")]),
    "the same ISBN twice": (f"{HEADER}Emma,J,{EMMA}\nEmma,J,{EMMA}\n", 1, []),
    "ISBN-10 and ISBN-13 of a book": (f"{HEADER}Emma,J,{EMMA}\nEmma,J,{EMMA_10}\n", 1, []),
    "CR line ends": (f"{HEADER}Emma,J,{EMMA}\nNone,J,\nPride,J,{PRIDE}\n".replace("\n", "\r"), 2, [(3, "isbn")]),
    "CR LF line ends": (f"{HEADER}Emma,J,{EMMA}\nNone,J,\nPride,J,{PRIDE}\n".replace("\n", "\r\n"), 2, [(3, "isbn")]),
    "blank lines": (f"{HEADER}\n\nEmma,J,{EMMA}\n\n \nPride,J,{PRIDE}\n\n", 2, [(6, "row")]),
    "a cell of three lines": (f'{HEADER}"E\nm\nma",J,{EMMA}\nNone,J,x\n', 1, [(5, "isbn")]),
    "line separators": (f"{HEADER}E\x0b\x0c\x1c\x85\u2028ma,J,{EMMA}\nNone,J,x\n", 1, [(3, "isbn")]),
    "cells of white space": (f"{HEADER} ,\u00a0,\t\n", 0, [(2, "title"), (2, "author"), (2, "isbn")]),
    "years that are none": (
        "title,author,isbn,year\n" + "".join(f"Emma,J,{EMMA},{y}\n" for y in ("1.5", "١٨", "1_8", "9" * 5_000, "2101")),
        0,
        [(line, "year") for line in range(2, 7)],
    ),
    "a formula": (f"{HEADER}=cmd|'/c calc'!A1,J,{EMMA}\n", 1, []),
}


def has_books_or_jobs(client: Client) -> bool:
    return any(client.get(path).json["items"] for path in ("/books", "/jobs"))


@every_database
@pytest.mark.parametrize(("file", "reason"), REFUSED.values(), ids=REFUSED)
def test_an_unusable_file_is_refused_with_the_reason(ada: Client, file: bytes, reason: str) -> None:
    response = import_csv(ada, file)
    assert problem(response)[0] == 422
    assert list(response.json["errors"]) == ["file"]
    assert reason in response.json["errors"]["file"][0]
    assert not has_books_or_jobs(ada)


@every_database
@pytest.mark.parametrize(("file", "books", "errors"), READ.values(), ids=READ)
def test_errors_in_rows_are_reported_with_their_lines(
    ada: Client, run_jobs: Callable[[], None], file: str, books: int, errors: LineErrors
) -> None:
    accepted = import_csv(ada, file.encode())
    assert accepted.status_code == 202, accepted.text
    run_jobs()
    result: dict[str, Any] = ada.get(f"/jobs/{accepted.json['id']}").json["result"]
    assert [(error["line"], error["field"]) for error in result["errors"]] == errors
    assert result["rejected"] == len({line for line, _ in errors})
    assert result["created"] == books == len(ada.get("/books").json["items"])


FORMS: dict[str, tuple[dict[str, Any], str]] = {
    "nothing": ({}, "file"),
    "text instead of a file": ({"file": HEADER}, "file"),
    "another name": ({"csv": (io.BytesIO(HEADER.encode()), "a.csv")}, "csv"),
    "a field beside it": ({"file": (io.BytesIO(HEADER.encode()), "a.csv"), "mode": "replace"}, "mode"),
    "two files": ({"file": [(io.BytesIO(HEADER.encode()), name) for name in ("a.csv", "b.csv")]}, "file"),
}


@pytest.mark.parametrize(("form", "field"), FORMS.values(), ids=FORMS)
def test_a_form_must_contain_the_file_and_nothing_else(ada: Client, form: dict[str, Any], field: str) -> None:
    response = ada.post("/books/imports", data=form, content_type="multipart/form-data")
    assert problem(response)[0] == 422
    assert field in response.json["errors"]
    assert not has_books_or_jobs(ada)


@pytest.mark.parametrize("content_type", ["multipart/form-data", "multipart/form-data; boundary=\xff"])
def test_an_unreadable_form_is_refused(ada: Client, content_type: str) -> None:
    assert problem(ada.post("/books/imports", data=b"--x\r\n", content_type=content_type))[0] == 422
    assert not has_books_or_jobs(ada)


def rows_of(text: str) -> list[csv_files.Row]:
    return list(csv_files.read(io.BufferedReader(io.BytesIO(text.encode()))))


@given(st.text(st.sampled_from('ab,"\n\r ;\ufeff\u2028é'), max_size=60))
def test_any_text_after_the_header_is_parsed_line_by_line(text: str) -> None:
    lines = [row.line for row in rows_of(HEADER + text)]
    assert lines == sorted(set(lines))
    assert all(1 < line <= 1 + len(io.StringIO(text, newline=None).readlines()) for line in lines)


@given(st.binary(max_size=80) | st.text(max_size=80).map(str.encode))
def test_any_bytes_are_parsed_or_refused(data: bytes) -> None:
    for file in (data, HEADER.encode() + data):
        try:
            csv_files.check(file)
        except Invalid:
            continue
        list(csv_files.read(io.BufferedReader(io.BytesIO(file))))


cells = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20).map(str.strip)


@given(st.lists(st.tuples(cells, cells, cells, cells, cells)))
def test_a_written_file_parses_back_equal(table: list[tuple[str, ...]]) -> None:
    text = csv_files.write([csv_files.COLUMNS, *table])
    assert [tuple(row.cells.values()) for row in rows_of(text)] == table


def test_an_import_of_bad_rows_leaves_existing_books_alone(ada: Client, run_jobs: Callable[[], None]) -> None:
    kept = ada.post("/books", json=book()).json
    import_csv(ada, f'{HEADER}"Emma,J,{EMMA}\nEmma,,{EMMA}\n,J,{EMMA}\n')
    run_jobs()
    assert ada.get("/books").json["items"] == [kept]
