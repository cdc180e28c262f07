"""The log handler of a worker's parent: it writes in a thread of its own."""

import logging
from io import StringIO
from threading import Event, Thread

import pytest

from app.core.observability.queued import QueuedStreamHandler


def record(message: str, *arguments: object) -> logging.LogRecord:
    return logging.LogRecord("tests", logging.INFO, __file__, 1, message, arguments, None)


class BlockedStream(StringIO):
    """A stream that accepts nothing until it is released."""

    def __init__(self) -> None:
        super().__init__()
        self.entered, self.released = Event(), Event()

    def write(self, text: str) -> int:
        self.entered.set()
        assert self.released.wait(30)
        return super().write(text)


def test_a_flush_returns_when_all_lines_are_written_in_their_order() -> None:
    stream = StringIO()
    handler = QueuedStreamHandler(stream)
    for number in range(100):
        handler.emit(record("line %s", number))
    handler.flush()
    assert stream.getvalue().splitlines() == [f"line {number}" for number in range(100)]


def test_a_line_can_be_logged_while_the_stream_is_blocked() -> None:
    stream = BlockedStream()
    handler = QueuedStreamHandler(stream)
    handler.emit(record("first"))
    assert stream.entered.wait(30)
    handler.emit(record("second"))
    assert stream.getvalue() == ""
    stream.released.set()
    handler.flush()
    assert stream.getvalue().splitlines() == ["first", "second"]


def test_a_line_shows_its_arguments_as_they_were_when_it_was_logged() -> None:
    stream = BlockedStream()
    handler = QueuedStreamHandler(stream)
    changing = ["before"]
    handler.emit(record("%s", changing))
    changing[0] = "after"
    stream.released.set()
    handler.flush()
    assert stream.getvalue() == "['before']\n"


def test_a_line_with_wrong_arguments_is_reported_and_the_others_are_written(
    capsys: pytest.CaptureFixture[str],
) -> None:
    stream = StringIO()
    handler = QueuedStreamHandler(stream)
    handler.emit(record("%s %s", "one"))
    handler.emit(record("next"))
    handler.flush()
    assert stream.getvalue() == "next\n"
    assert "not enough arguments for format string" in capsys.readouterr().err


def test_a_flush_of_a_blocked_stream_returns_after_the_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.core.observability.queued.FLUSH_TIMEOUT", 0.01)
    stream = BlockedStream()
    handler = QueuedStreamHandler(stream)
    handler.emit(record("first"))
    flush = Thread(target=handler.flush)
    flush.start()
    flush.join(30)
    assert not flush.is_alive()
    assert stream.getvalue() == ""
    stream.released.set()


def test_a_forked_child_writes_its_lines_directly() -> None:
    stream = StringIO()
    handler = QueuedStreamHandler(stream)
    handler._writing.acquire()  # as before a fork
    handler._write_directly()  # as in the child, which has no writing thread
    handler.emit(record("of the child"))
    assert stream.getvalue() == "of the child\n"
    handler.flush()
