"""A log handler that signal handlers can use: it writes in a thread of its own."""

import logging
import os
from queue import SimpleQueue
from threading import Event, Lock, Thread, current_thread

FLUSH_TIMEOUT = 5.0  # seconds that a blocked stdout may delay the exit


class QueuedStreamHandler(logging.StreamHandler):  # type: ignore[type-arg]  # generic in its stubs only
    """Queues log records for a thread, which writes them.

    A signal handler may interrupt a thread that writes a line. A stream rejects a write inside a write, but
    `SimpleQueue.put` is reentrant. A forked child has no such thread and writes directly. `logging.shutdown`, which
    Python calls at exit, waits until the queue is empty.
    """

    def __init__(self, stream: object = None) -> None:
        super().__init__(stream)
        self._queue: SimpleQueue[logging.LogRecord | Event] = SimpleQueue()
        self._direct = False
        self._writing = Lock()  # no fork while it is held: the child would inherit a locked stream
        self._thread = Thread(target=self._write_all, name="log writer", daemon=True)
        self._thread.start()
        os.register_at_fork(
            before=self._writing.acquire,
            after_in_parent=self._writing.release,
            after_in_child=self._write_directly,
        )

    def emit(self, record: logging.LogRecord) -> None:
        if self._direct:
            super().emit(record)
            return
        try:
            record.msg, record.args = record.getMessage(), None  # now: the arguments may change later
        except Exception:  # noqa: BLE001  # as every handler of the standard library
            self.handleError(record)
            return
        self._queue.put(record)

    def flush(self) -> None:
        """Wait until all records that are queued now are written."""
        if self._direct:
            super().flush()
        elif current_thread() is self._thread:
            self.stream.flush()
        else:
            written = Event()
            self._queue.put(written)
            written.wait(FLUSH_TIMEOUT)

    def _write_all(self) -> None:
        while True:
            item = self._queue.get()
            if isinstance(item, Event):
                item.set()
                continue
            with self._writing:
                super().emit(item)

    def _write_directly(self) -> None:
        self._direct = True
        self._writing.release()
