"""The rows of an imported CSV file."""

import pytest

from tests.books.conftest import Import, counts
from tests.books.factories import book, isbn, list_books
from tests.support.clients import Client

HEADER = "title,author,isbn,year,language\n"


def test_columns_may_be_in_any_order_and_unknown_ones_are_ignored(ada: Client, import_file: Import) -> None:
    file = f"rating,ISBN, Author ,note,title,note\n5,{isbn(1)},Jane Austen,a,Emma,b\n"
    assert counts(import_file(file)) == (1, 0, 0, 0)
    assert list_books(ada) == [book(isbn=isbn(1), year=None, language=None)]


@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("last", ["", "the ending"])
def test_a_byte_order_mark_and_any_line_endings_are_accepted(
    ada: Client, import_file: Import, ending: str, last: str
) -> None:
    lines = ["title,author,isbn", f"Emma,Jane Austen,{isbn(1)}", f"Émile,Rousseau,{isbn(2)}"]
    result = import_file((ending.join(lines) + (ending if last else "")).encode("utf-8-sig"))
    assert counts(result) == (2, 0, 0, 0)
    assert [item["title"] for item in list_books(ada)] == ["Emma", "Émile"]


def test_a_file_without_rows_is_accepted(ada: Client, import_file: Import) -> None:
    assert import_file(HEADER) == {"created": 0, "updated": 0, "unchanged": 0, "rejected": 0, "errors": []}


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
    ada: Client, import_file: Import, row: str, fields: list[str]
) -> None:
    result = import_file(f"{HEADER}Kim,Rudyard Kipling,{isbn(2)},1901,eng\n{row}\nMore,Author,{isbn(3)},,\n")
    assert counts(result) == (2, 0, 0, 1)
    assert sorted((error["line"], error["field"]) for error in result["errors"]) == sorted((3, name) for name in fields)
    assert [item["title"] for item in list_books(ada)] == ["Kim", "More"]


def test_blank_lines_are_skipped_but_counted(import_file: Import) -> None:
    result = import_file(f"{HEADER}\nEmma,Jane Austen,{isbn(1)},,\n\n\nNo ISBN,Nobody,,,\n\n")
    assert counts(result) == (1, 0, 0, 1)
    assert [error["line"] for error in result["errors"]] == [6]


def test_a_multiline_row_is_reported_at_its_first_line(ada: Client, import_file: Import) -> None:
    result = import_file(
        HEADER
        + f'"Two\nlines, ""quoted""",Author,{isbn(1)},,\n'
        + '"Three\r\n\r\nlines",Author,no isbn,,\n'
        + "No ISBN,Author,,,\n"
    )
    assert counts(result) == (1, 0, 0, 2)
    assert [error["line"] for error in result["errors"]] == [4, 7]
    assert [item["title"] for item in list_books(ada)] == ['Two\nlines, "quoted"']


def test_an_unclosed_quote_rejects_only_its_own_line(ada: Client, import_file: Import) -> None:
    result = import_file(f'{HEADER}"Emma,Jane Austen,{isbn(1)},,\nKim,Author,{isbn(2)},,\nLast,Author,{isbn(3)},,\n')
    assert counts(result) == (2, 0, 0, 1)
    assert [(error["line"], error["field"]) for error in result["errors"]] == [(2, "row")]
    assert [item["title"] for item in list_books(ada)] == ["Kim", "Last"]


def test_a_row_of_more_than_100_lines_is_rejected(ada: Client, import_file: Import) -> None:
    """Were each row read to the end of a file whose quotes are never closed, a large file would take days."""
    longest = "\n" * 99
    result = import_file(f'{HEADER}"Long{longest}title",Author,{isbn(1)},,\n' + 'a",b,"\n' * 300)
    assert counts(result) == (1, 0, 0, 300)
    assert {error["message"] for error in result["errors"]} == {"Not CSV: a row of more than 100 lines."}
