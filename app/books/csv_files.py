"""Books as CSV (RFC 4180): what a good file is, how its rows are read, and how an export is written."""

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
LONGEST_ROW = 100  # lines

_schema = BookRowSchema()


@dataclass(frozen=True)
class Row:
    """A row of a file: the number of its first line, and its cells by column, or why it has none."""

    line: int
    cells: Mapping[str, str]
    fault: str | None = None

    def book(self) -> dict[str, Any]:
        """Read the book in this row.

        Raises:
            ValidationError: there is none; the messages are by field, or under `row`.
        """
        if self.fault:
            raise ValidationError({"row": [self.fault]})
        given: dict[str, str | None] = {name: self.cells[name] for name in REQUIRED if self.cells[name]}
        given |= {name: self.cells[name] or None for name in OPTIONAL if name in self.cells}
        return cast(dict[str, Any], _schema.load(given))


def check(file: bytes) -> None:
    """Make sure that a file is CSV with the columns, in UTF-8; what its rows hold is seen later.

    Raises:
        Invalid: it is not, for the reason given.
    """
    try:
        file.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = len((error.object[: error.start] + b"x").splitlines())
        raise _not_usable(f"Line {line} is not UTF-8.") from None
    if b"\0" in file:
        raise _not_usable("It holds NUL characters, so it is not a text.")
    try:
        header = _header(next(csv.reader(_Lines(_text(io.BytesIO(file))), strict=True), []))
    except csv.Error:
        raise _not_usable("The first line is not CSV.") from None
    missing = [column for column in REQUIRED if column not in header]
    if missing:
        raise _not_usable(f"The first line must name the columns {', '.join(REQUIRED)}; missing: {', '.join(missing)}.")
    twice = [column for column in COLUMNS if header.count(column) > 1]
    if twice:
        raise _not_usable(f"The first line names a column more than once: {', '.join(twice)}.")


def read(file: io.BufferedReader) -> Iterator[Row]:
    """Read the rows of a file that has passed `check`, whatever is in them; blank lines do not count."""
    lines = _Lines(_text(file))
    rows = csv.reader(lines, strict=True)
    header = _header(next(rows))
    while True:
        lines.begin_row()
        try:
            row = next(rows)
        except StopIteration:
            return
        except csv.Error as error:
            # A quote that is never closed would swallow the lines that follow: only its own line is lost.
            lines.go_back()
            yield Row(lines.row, {}, fault=f"Not CSV: {error}.")
            continue
        if len(row) == len(header):
            yield Row(lines.row, {name: cell.strip() for name, cell in zip(header, row, strict=True)})
        elif row:
            yield Row(lines.row, {}, fault=f"It has {len(row)} cells, the first line {len(header)}.")


def write(rows: Iterable[Iterable[Any]]) -> str:
    """Write rows as CSV; missing values as empty cells."""
    text = io.StringIO(newline="")
    csv.writer(text).writerows(rows)
    return text.getvalue()


def _text(file: BinaryIO) -> io.TextIOWrapper:
    return io.TextIOWrapper(file, encoding="utf-8-sig", newline="")


def _header(names: list[str]) -> list[str]:
    return [name.strip().lower() for name in names]


def _not_usable(reason: str) -> Invalid:
    return Invalid("The file cannot be imported.", errors={"file": [reason]})


class _Lines(Iterator[str]):
    """Lines that know their number, and can be read again from the second line of a row on."""

    def __init__(self, source: Iterator[str]) -> None:
        self._source = source
        self._again: deque[str] = deque()
        self._taken: list[str] = []
        self.row = 1  # the number of the row's first line

    def __next__(self) -> str:
        if len(self._taken) == LONGEST_ROW:  # without an end, a file of bad quotes would be read again from every line
            raise csv.Error(f"a row of more than {LONGEST_ROW} lines")
        line = self._again.popleft() if self._again else next(self._source)
        self._taken.append(line)
        return line

    def begin_row(self) -> None:
        self.row += len(self._taken)
        self._taken.clear()

    def go_back(self) -> None:
        self._again.extendleft(reversed(self._taken[1:]))
        del self._taken[1:]
