"""Books as CSV (RFC 4180): checks an uploaded file, reads its rows, and writes an export."""

import csv
import io
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO, cast

from marshmallow import ValidationError

from app.books.schemas import BookRowSchema
from app.core.errors import Invalid

REQUIRED = ("title", "author", "isbn")
OPTIONAL = ("year", "language")
COLUMNS = (*REQUIRED, *OPTIONAL)
MAX_LINES_PER_ROW = 100

_schema = BookRowSchema()


@dataclass(frozen=True)
class Row:
    """A row of a file.

    Attributes:
        line: The number of the row's first line.
        cells: The cells by column; empty if the row cannot be parsed.
        error: Why the row cannot be parsed.
    """

    line: int
    cells: Mapping[str, str]
    error: str | None = None

    def book(self) -> dict[str, Any]:
        """Validate the cells and return the fields of the book.

        Raises:
            ValidationError: The row is invalid. The messages are by field, or under `row`.
        """
        if self.error:
            raise ValidationError({"row": [self.error]})
        values: dict[str, str | None] = {name: self.cells[name] for name in REQUIRED if self.cells[name]}
        values |= {name: self.cells[name] or None for name in OPTIONAL if name in self.cells}
        return cast(dict[str, Any], _schema.load(values))


def check(file: bytes) -> None:
    """Check that a file is UTF-8 and CSV with the required columns. The job reads the rows later.

    Raises:
        Invalid: The file cannot be imported.
    """
    try:
        file.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = len((error.object[: error.start] + b"x").splitlines())
        raise _invalid(f"Line {line} is not UTF-8.") from None
    if b"\0" in file:
        raise _invalid("The file contains NUL characters, so it is not text.")
    try:
        header = _header(next(csv.reader(_Lines(_text(io.BytesIO(file))), strict=True), []))
    except csv.Error:
        raise _invalid("The first line is not CSV.") from None
    missing = [column for column in REQUIRED if column not in header]
    if missing:
        raise _invalid(f"The first line must name the columns {', '.join(REQUIRED)}; missing: {', '.join(missing)}.")
    duplicates = [column for column in COLUMNS if header.count(column) > 1]
    if duplicates:
        raise _invalid(f"The first line names a column more than once: {', '.join(duplicates)}.")


def read(file: io.BufferedReader) -> Iterator[Row]:
    """Read the rows of a file that has passed `check`. Blank lines are skipped."""
    lines = _Lines(_text(file))
    rows = csv.reader(lines, strict=True)
    header = _header(next(rows))
    while True:
        lines.start_row()
        try:
            row = next(rows)
        except StopIteration:
            return
        except csv.Error as error:
            # An unclosed quote takes in the following lines, too. Only its own line is bad: read the others again.
            lines.push_back_all_but_first()
            yield Row(lines.number, {}, error=f"Not CSV: {error}.")
            continue
        if len(row) == len(header):
            yield Row(lines.number, {name: cell.strip() for name, cell in zip(header, row, strict=True)})
        elif row:
            yield Row(lines.number, {}, error=f"The row has {len(row)} cells, the first line {len(header)}.")


def write(rows: Iterable[Iterable[Any]]) -> str:
    """Write rows as CSV. None becomes an empty cell."""
    text = io.StringIO(newline="")
    csv.writer(text).writerows(rows)
    return text.getvalue()


def _text(file: BinaryIO) -> io.TextIOWrapper:
    return io.TextIOWrapper(file, encoding="utf-8-sig", newline="")


def _header(names: list[str]) -> list[str]:
    return [name.strip().lower() for name in names]


def _invalid(reason: str) -> Invalid:
    return Invalid("The file cannot be imported.", errors={"file": [reason]})


class _Lines(Iterator[str]):
    """The lines of a file, for `csv.reader`. Counts them, and can take back lines of the current row.

    Attributes:
        number: The number of the first line of the current row.
    """

    def __init__(self, source: Iterator[str]) -> None:
        self._source = source
        self._pushed_back: deque[str] = deque()
        self._row: list[str] = []
        self.number = 1

    def __next__(self) -> str:
        if len(self._row) == MAX_LINES_PER_ROW:
            # Without a limit, each unclosed quote would take in the rest of the file, and all of it be read again.
            raise csv.Error(f"a row of more than {MAX_LINES_PER_ROW} lines")
        line = self._pushed_back.popleft() if self._pushed_back else next(self._source)
        self._row.append(line)
        return line

    def start_row(self) -> None:
        """Start the next row after the lines of the current one."""
        self.number += len(self._row)
        self._row.clear()

    def push_back_all_but_first(self) -> None:
        """End the current row after its first line. Its other lines will be read again."""
        self._pushed_back.extendleft(reversed(self._row[1:]))
        del self._row[1:]
