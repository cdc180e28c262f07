"""gunicorn, which `web` in the Procfile runs (factor VII: the service binds its own port)."""

import logging
import socket
from pathlib import Path
from typing import Any

from app.core.database import db
from app.core.http.server import Worker
from app.core.observability.logging import logging_config
from app.core.settings import load_settings


def _addresses(port: int) -> list[str]:
    """All interfaces: an IPv6 socket takes IPv4, too, unless the machine keeps the two apart or has no IPv6 at all."""
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::", 0))
            apart = probe.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY)
    except OSError:
        return [f"0.0.0.0:{port}"]
    return [f"[::]:{port}", f"0.0.0.0:{port}"] if apart else [f"[::]:{port}"]


settings = load_settings()

wsgi_app = "app:create_app()"
bind = _addresses(settings.port)
workers = settings.web_concurrency
worker_class = Worker
threads = settings.web_threads
preload_app = True  # one import for all workers, and a fault in it stops the start at once
keepalive = 95  # seconds; longer than the router keeps idle connections (90), or it sends into closed ones
graceful_timeout = 25  # seconds to finish what has begun; platforms kill after 30
limit_request_line = 8190  # the most there is: a cursor may hold a title of 500 characters
control_socket_disable = True  # it would want a writable home
worker_tmp_dir = "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108  # heartbeats in memory, not on a disk

logconfig_dict = logging_config(settings)
access_log_format = "%({x-request-id}o)s"  # app.core.logging writes the line, from gunicorn's atoms


def when_ready(_server: Any) -> None:
    """Log a URL to click, for people; gunicorn's own line names the address that the socket is bound to."""
    if settings.log_format == "console":
        logging.getLogger("gunicorn.error").info("Open http://localhost:%s", settings.port)


def post_fork(server: Any, _worker: Any) -> None:
    """Leave the parent's database connections to the parent: two processes on one socket mix up their answers."""
    app = server.app.wsgi()
    with app.app_context():
        db.engine.dispose(close=False)
