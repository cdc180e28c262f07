"""The example feature in system tests: CSV files of books, what an import of them must give, and a user's journey.

No other module of the harness knows books, but for the requests of `traffic` and `HttpClient`.
"""

import csv
import io
from dataclasses import dataclass, field

from tests.books.factories import isbn
from tests.support.environment import ROOT
from tests.system.harness.process import HttpClient, Service

FILE = ROOT.parent / "shared" / "data" / "goodbooks.csv"  # real books beside the checkout, which we may not publish
COLUMNS = ("title", "author", "isbn", "year", "language")

Book = tuple[str, str, str, int | None, str | None]  # as in COLUMNS, with an ISBN-13


def make_csv(rows: int) -> bytes:
    """A CSV file of different books. One row in a hundred has no ISBN."""
    books = (f"Book {i},Author {i % 97},{'' if i % 100 == 99 else isbn(i)},{1500 + i % 500},eng" for i in range(rows))
    return "\n".join(["title,author,isbn,year,language", *books]).encode()


def goodbooks() -> bytes:
    """The file of 10,000 real books. If it is missing, a file of the same size with the same faults."""
    return FILE.read_bytes() if FILE.exists() else generate_goodbooks()


def generate_goodbooks(size: int = 10_000) -> bytes:
    """10,000 rows: 700 without ISBN, 23 with a wrong checksum, some without year or language, some years negative."""
    text = io.StringIO(newline="")
    rows = csv.writer(text)
    rows.writerow(COLUMNS)
    for number in range(size):
        code = isbn_10(number)
        if number % 100 in (7, 19, 31, 43, 58, 76, 94):
            code = ""
        elif number % 400 == 250 and number < 9_200:
            code = code[:9] + ("0" if code[9] != "0" else "1")
        rows.writerow(
            [
                f'Book "{number}", or: Ünïcode {number % 97} ',
                f"Author {number % 500}, Zoë",
                code,
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


def isbn_13(code: str) -> str | None:
    """The ISBN-13 of an ISBN-10, or None if its checksum is wrong."""
    if code != isbn_10(int(code[:9])):
        return None
    digits = "978" + code[:9]
    check = -sum((1, 3)[place % 2] * int(digit) for place, digit in enumerate(digits)) % 10
    return digits + str(check)


@dataclass
class Expected:
    """The result that an import of a file must have.

    Attributes:
        books: The books that can be imported, in the file's order.
        without_isbn: The lines of rows without an ISBN.
        wrong_checksum: The lines of rows whose ISBN has a wrong checksum.
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
            elif code := isbn_13(book["isbn"]):
                year = int(book["year"]) if book["year"] else None
                expected.books.append((book["title"], book["author"], code, year, book["language"] or None))
            else:
                expected.wrong_checksum.append(rows.line_num)
        return expected

    @property
    def rejected(self) -> list[int]:
        """The lines of all rows that cannot be imported."""
        return sorted(self.without_isbn + self.wrong_checksum)


def list_books(user: HttpClient) -> list[Book]:
    """All books of a user, read page by page."""
    books, url = [], "/api/v1/books?limit=100"
    while url:
        response = user.get(url)
        page = response.json()
        books += page["items"]
        url = response.links.get("next", {}).get("url", "")
        assert (page["next_cursor"] or "") in url
        assert bool(page["next_cursor"]) == bool(url)
    return [(book["title"], book["author"], book["isbn"], book["year"], book["language"]) for book in books]


def export_books(user: HttpClient) -> list[Book]:
    """All books of a user, read from the CSV export."""
    response = user.get("/books/export")
    assert response.headers["Content-Type"] == "text/csv; charset=utf-8"
    header, *rows = csv.reader(response.content.decode().splitlines())
    assert tuple(header) == COLUMNS
    return [
        (title, author, code, int(year) if year else None, language or None)
        for title, author, code, year, language in rows
    ]


def exported_isbns(user: HttpClient) -> list[str]:
    """The ISBN of each book of a user."""
    return [book[2] for book in export_books(user)]


JOURNEY_FILE = generate_goodbooks(300)  # three pages of books; some rows are rejected
JOURNEY = Expected.of(JOURNEY_FILE)


def run_journey(service: Service, email: str = "ada@example.org") -> HttpClient:
    """Sign up, log in, import, page and export. Returns the user."""
    user = service.sign_up(email)
    job = user.wait_for_job(user.import_csv(JOURNEY_FILE))
    assert (job["status"], job["attempts"]) == ("succeeded", 1), job
    assert job["result"]["created"] == len(JOURNEY.books)
    assert [error["line"] for error in job["result"]["errors"]] == JOURNEY.rejected

    listed = list_books(user)
    assert sorted(listed) == sorted(JOURNEY.books)
    assert export_books(user) == listed
    assert "Traceback" not in service.log()
    return user
