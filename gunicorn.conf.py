"""The configuration of gunicorn, which `bin/web` runs (factor VII: the service binds its own port)."""

import logging
import socket
from pathlib import Path
from typing import Any

from app.core.database import db
from app.core.http.server import Worker
from app.core.observability.logging import logging_config
from app.core.settings import load_settings


def _addresses(port: int) -> list[str]:
    """All interfaces. An IPv6 socket accepts IPv4 as well, unless the system separates the two or has no IPv6."""
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::", 0))
            separate = probe.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY)
    except OSError:
        return [f"0.0.0.0:{port}"]
    return [f"[::]:{port}", f"0.0.0.0:{port}"] if separate else [f"[::]:{port}"]


settings = load_settings()

wsgi_app = "app:create_app()"
bind = _addresses(settings.port)
workers = settings.web_concurrency
worker_class = Worker
threads = settings.web_threads
preload_app = True  # one import for all workers; an error in it stops the start
keepalive = 95  # seconds; a router that keeps idle connections for 90 must not send into a closed one
graceful_timeout = 25  # seconds to finish running requests; platforms kill after 30
limit_request_line = 8190  # gunicorn's maximum: a cursor may contain a title of 500 characters
control_socket_disable = True  # it needs a writable home
worker_tmp_dir = "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108  # heartbeats in memory, not on disk

logconfig_dict = logging_config(settings)
access_log_format = "%({x-request-id}o)s"  # app.core.observability.logging writes the line


def when_ready(_server: Any) -> None:
    """Log a URL to click, for people; gunicorn's own line names the address that the socket is bound to."""
    if settings.log_format == "console":
        logging.getLogger("gunicorn.error").info("Open http://localhost:%s", settings.port)


def post_fork(server: Any, _worker: Any) -> None:
    """Drop the parent's database connections: two processes on one socket would read each other's results."""
    app = server.app.wsgi()
    with app.app_context():
        db.engine.dispose(close=False)
