"""Request bodies as bytes: valid, too large, cut off, and framed incorrectly."""

from collections.abc import Iterable

from tests.books.factories import isbn

LIMIT = 100_000
CSV = f"title,author,isbn\nEmma,Jane Austen,{isbn(1)}\n".encode()
CHUNKED = "Transfer-Encoding: chunked"

Sent = tuple[str, bytes]  # the header that frames a body, and the bytes of the body


def of_size(size: int) -> bytes:
    """A valid file of this size."""
    return CSV + b"\n" * (size - len(CSV))


def with_length(body: bytes, length: int | None = None) -> Sent:
    """Frame a body by a Content-Length, which may be wrong."""
    return f"Content-Length: {len(body) if length is None else length}", body


def chunks(body: bytes, size: int = 10_000, end: bytes = b"0\r\n\r\n") -> Sent:
    """Frame a body by chunks."""
    parts: Iterable[bytes] = (body[start : start + size] for start in range(0, len(body), size))
    return CHUNKED, b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts) + end


ACCEPTED: dict[str, Sent] = {
    "a length": with_length(CSV),
    "chunks": chunks(CSV),
    "chunks of a byte": chunks(CSV, 1),
    "chunks with a trailer": chunks(CSV, end=b"0\r\nX-Checksum: 5\r\n\r\n"),
    "a length at the limit": with_length(of_size(LIMIT)),
    "chunks at the limit": chunks(of_size(LIMIT)),
    "one chunk at the limit": chunks(of_size(LIMIT), LIMIT),
}

TOO_LARGE: dict[str, Sent] = {
    "a length": with_length(of_size(LIMIT + 1)),
    "a length without a body": with_length(b"", LIMIT + 1),
    "a length beyond 2^63": with_length(b"", 10**30),
    "chunks": chunks(of_size(LIMIT + 1)),
    "one chunk": chunks(of_size(LIMIT + 1), LIMIT + 1),
    "chunks without an end": chunks(of_size(LIMIT + 1), end=b""),
    "ten times as much": with_length(of_size(10 * LIMIT)),
    "ten times as many chunks": chunks(of_size(10 * LIMIT)),
}

CUT_OFF: dict[str, Sent] = {
    "inside its length": with_length(CSV, len(CSV) + 1),
    "before its length begins": with_length(b"", len(CSV)),
    "inside a chunk": (CHUNKED, b"ffff\r\n" + CSV),
    "between chunks": chunks(CSV, end=b""),
    "inside the last chunk": chunks(CSV, end=b"0\r\n"),
}

MISFRAMED: dict[str, Sent] = {
    "a size in words": (CHUNKED, b"five\r\nEmma\n\r\n0\r\n\r\n"),
    "a negative size": (CHUNKED, b"-5\r\nEmma\n\r\n0\r\n\r\n"),
    "no size": (CHUNKED, b"\r\nEmma\r\n"),
    "a size that never ends": (CHUNKED, b"0" * 10_000),
    "more than its size": (CHUNKED, b"1\r\nEmma\r\n0\r\n\r\n"),
    "a broken extension": (CHUNKED, b"5;=\r\nEmma\n\r\n0\r\n\r\n"),
    "a broken trailer": chunks(CSV, end=b"0\r\nno colon\r\n\r\n"),
}

TYPES = {
    "CSV": ("/books/imports", "text/csv"),
    "a form with a file": ("/books/imports", "multipart/form-data; boundary=x"),
    "JSON": ("/books", "application/json"),
    "a form": ("/auth/login", "application/x-www-form-urlencoded"),
}
