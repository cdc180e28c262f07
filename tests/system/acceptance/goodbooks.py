"""The 10,000 books of the acceptance test: what a reader of the file alone would expect, and what comes out again."""

import csv
import io
from dataclasses import dataclass, field

from tests.support.environment import ROOT
from tests.system.formation import HttpClient

FILE = ROOT.parent / "shared" / "data" / "goodbooks.csv"  # real books, beside the checkout: not ours to publish
COLUMNS = ("title", "author", "isbn", "year", "language")

Book = tuple[str, str, str, int | None, str | None]  # as in COLUMNS, with an ISBN-13


def content() -> bytes:
    """The file, or where it is not there, one of the same size and with the same faults."""
    return FILE.read_bytes() if FILE.exists() else generated()


def generated(size: int = 10_000) -> bytes:
    """10,000 rows: 700 without ISBN, 23 with a wrong checksum, some without year or language, some years negative."""
    text = io.StringIO(newline="")
    rows = csv.writer(text)
    rows.writerow(COLUMNS)
    for number in range(size):
        isbn = isbn_10(number)
        if number % 100 in (7, 19, 31, 43, 58, 76, 94):
            isbn = ""
        elif number % 400 == 250 and number < 9_200:
            isbn = isbn[:9] + ("0" if isbn[9] != "0" else "1")
        rows.writerow(
            [
                f'Book "{number}", or: Ünïcode {number % 97} ',
                f"Author {number % 500}, Zoë",
                isbn,
                "" if number % 476 == 5 else number % 2750 - 720 if number % 9 == 0 else 1900 + number % 118,
                ("eng", "en-US", "", "ara")[number % 4],
            ]
        )
    return text.getvalue().encode()


def isbn_10(number: int) -> str:
    """The ISBN-10 whose first nine digits are the number."""
    digits = f"{number:09}"
    check = -sum((10 - place) * int(digit) for place, digit in enumerate(digits)) % 11
    return digits + "0123456789X"[check]


def isbn_13(isbn: str) -> str | None:
    """The ISBN-13 of an ISBN-10; none, if its checksum is wrong."""
    if isbn != isbn_10(int(isbn[:9])):
        return None
    digits = "978" + isbn[:9]
    check = -sum((1, 3)[place % 2] * int(digit) for place, digit in enumerate(digits)) % 10
    return digits + str(check)


@dataclass
class Expected:
    """What the file holds.

    Attributes:
        books: The books that can be imported, in the file's order.
        without_isbn: The lines of rows without an ISBN.
        wrong_checksum: The lines of rows whose ISBN is none.
    """

    books: list[Book] = field(default_factory=list)
    without_isbn: list[int] = field(default_factory=list)
    wrong_checksum: list[int] = field(default_factory=list)

    @classmethod
    def of(cls, file: bytes) -> "Expected":
        """Read a file."""
        expected = cls()
        rows = csv.DictReader(io.StringIO(file.decode(), newline=""))
        for row in rows:
            book = {name: cell.strip() for name, cell in row.items()}
            if not book["isbn"]:
                expected.without_isbn.append(rows.line_num)
            elif isbn := isbn_13(book["isbn"]):
                year = int(book["year"]) if book["year"] else None
                expected.books.append((book["title"], book["author"], isbn, year, book["language"] or None))
            else:
                expected.wrong_checksum.append(rows.line_num)
        return expected

    @property
    def rejected(self) -> list[int]:
        """The lines of all rows that cannot be imported."""
        return sorted(self.without_isbn + self.wrong_checksum)


def pages(user: HttpClient) -> list[Book]:
    """All books, page after page."""
    books, url = [], "/api/v1/books?limit=100"
    while url:
        response = user.get(url)
        page = response.json()
        books += page["items"]
        url = response.links.get("next", {}).get("url", "")
        assert (page["next_cursor"] or "") in url
        assert bool(page["next_cursor"]) == bool(url)
    return [(book["title"], book["author"], book["isbn"], book["year"], book["language"]) for book in books]


def exported(user: HttpClient) -> list[Book]:
    """All books, as CSV has them."""
    response = user.get("/books/export")
    assert response.headers["Content-Type"] == "text/csv; charset=utf-8"
    header, *rows = csv.reader(response.content.decode().splitlines())
    assert tuple(header) == COLUMNS
    return [
        (title, author, isbn, int(year) if year else None, language or None)
        for title, author, isbn, year, language in rows
    ]
