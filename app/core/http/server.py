"""The worker class of gunicorn: errors are problems, and the listener closes on shutdown."""

import math
import os
import socket
import time
from contextlib import suppress
from datetime import timedelta
from typing import Any

from flask import Response
from gunicorn import util
from gunicorn.http import errors
from gunicorn.http.wsgi import Response as LoggedResponse
from gunicorn.http.wsgi import default_environ
from gunicorn.workers.gthread import STOP_KEEPALIVE_LINGER, ThreadWorker

from app.core.http.error_handlers import INTERNAL_ERROR, problem_response
from app.core.observability.request_ids import REQUEST_ID_HEADER, end_request, start_request

EXIT_DELAY = 0.5  # seconds

# The response to a request that gunicorn cannot parse. The first matching class counts.
CLIENT_ERRORS: dict[type[Exception], tuple[int, str]] = {
    errors.LimitRequestLine: (414, "The request line is too long."),
    errors.LimitRequestHeaders: (431, "The header fields are too large."),
    errors.ExpectationFailed: (417, "The only supported expectation is 100-continue."),
    errors.UnsupportedTransferCoding: (501, "The transfer coding is not supported."),
    errors.InvalidHTTPVersion: (505, "The version of HTTP is not supported."),
    errors.ForbiddenProxyRequest: (403, "The proxy is not allowed."),
    errors.ParseException: (400, "The request is not valid HTTP."),
}
SERVER_ERRORS = (errors.ConfigurationProblem, errors.InvalidResponseHeader, errors.InvalidResponseHeaderName)


class Worker(ThreadWorker):
    """gunicorn's thread worker. It answers errors as problems, and closes the listener on shutdown.

    gunicorn answers errors in HTML. It keeps the port open until it has finished, so that the kernel completes
    connections that are never served (decision 6).
    """

    alive: bool
    exit_at = math.inf  # by the monotonic clock; set by TERM

    def handle_exit(self, sig: int, frame: Any) -> None:
        """Stop a moment after TERM, which platforms send to all processes: the master must close its listener first.

        A signal handler can interrupt any code, so it only sets the time. The event loop stops the worker.
        """
        if self.alive:
            self.exit_at = min(self.exit_at, time.monotonic() + EXIT_DELAY)
            self.method_queue.defer(lambda: None)  # the event loop waits anew, until this time

    def wait_for_and_dispatch_events(self, timeout: float) -> None:
        """Wait for events, but not beyond the time to stop."""
        if self.alive:
            timeout = min(timeout, max(self.exit_at - time.monotonic(), 0))
        super().wait_for_and_dispatch_events(timeout)
        if time.monotonic() >= self.exit_at:
            self.alive = False

    def set_accept_enabled(self, enabled: bool) -> None:
        """Accept new connections or pause. gunicorn also calls this at the start of a shutdown."""
        super().set_accept_enabled(enabled)
        if not self.alive or self.ppid != os.getppid():
            self._close_listeners()

    def _close_listeners(self) -> None:
        """Accept the connections that are established, and refuse later ones."""
        for listener in self.sockets:
            self._accept_established(listener)
            listener.close()
        # Clients that have sent nothing yet must not delay the shutdown.
        deadline = time.monotonic() + STOP_KEEPALIVE_LINGER
        for connection in self.pending_conns:
            connection.timeout = min(connection.timeout, deadline)

    def _accept_established(self, listener: socket.socket) -> None:
        before = -1
        while before != self.nr_conns:  # `accept` counts up, unless no connection is waiting
            before = self.nr_conns
            self.accept(listener)

    def handle_error(self, req: Any, client: socket.socket, addr: Any, exc: Exception) -> None:
        """Answer an error outside of the application as a problem."""
        if req is None and isinstance(exc, errors.InvalidHeader):
            req = exc.req
        address = addr[0] if addr else ""  # a Unix socket has none
        given = dict(req.headers).get(REQUEST_ID_HEADER.upper(), "") if req else ""
        request_id = start_request(given)
        try:
            status, detail = self._log_error(exc, address)
            response = problem_response(status, detail, headers={REQUEST_ID_HEADER: request_id, "Connection": "close"})
            if req:
                self._log_access(req, client, address, response)
            with suppress(OSError):  # the client has gone
                util.write_nonblock(client, _serialise(response))
        finally:
            end_request()

    def _log_error(self, error: Exception, address: str) -> tuple[int, str]:
        """Log an error, and return the status and the detail of its problem."""
        if isinstance(error, SERVER_ERRORS) or not isinstance(error, errors.ParseException):
            self.log.error("error outside of the application", exc_info=error)
            return 500, INTERNAL_ERROR
        self.log.warning("invalid request from %s: %s", address, error)
        return next(answer for kind, answer in CLIENT_ERRORS.items() if isinstance(error, kind))

    def _log_access(self, req: Any, client: socket.socket, address: str, response: Response) -> None:
        logged = LoggedResponse(req, client, self.cfg)
        logged.status, logged.headers = response.status, list(response.headers)
        environ = default_environ(req, client, self.cfg) | {"REMOTE_ADDR": address, "PATH_INFO": req.path}
        self.log.access(logged, req, environ, timedelta())


def _serialise(response: Response) -> bytes:
    head = [f"HTTP/1.1 {response.status}", *(f"{name}: {value}" for name, value in response.headers), "", ""]
    return "\r\n".join(head).encode("latin-1") + response.get_data()
