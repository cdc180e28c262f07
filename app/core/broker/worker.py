"""Turns a process into a Celery worker: its logs, its signals and its children."""

import os
import signal
import tempfile
from pathlib import Path
from typing import Any

from celery import Celery
from celery.signals import setup_logging, worker_process_init
from flask import Flask

from app.core.broker.celery import new_publisher
from app.core.broker.pool import use_killable_pool
from app.core.observability.logging import configure_logging
from app.core.settings import Settings


def prepare_worker(app: Flask) -> Celery:
    """Prepare this process, and the children that it will fork, for running jobs."""
    settings: Settings = app.extensions["settings"]
    celery: Celery = app.extensions["celery"]
    # The `celery` command reads BROKER_URL itself, unvalidated, with relative paths from the working directory.
    os.environ["CELERY_BROKER_URL"] = settings.broker_url.get_secret_value()
    if Path("/dev/shm").is_dir():  # noqa: S108
        tempfile.tempdir = "/dev/shm"  # noqa: S108  # the pool's shared files stay in memory

    use_killable_pool()
    _log_to_stdout(settings)
    _replace_publisher_in_children(app, celery, settings)
    _ignore_sigterm_in_children()
    return celery


def _log_to_stdout(settings: Settings) -> None:
    """Replace Celery's logging configuration. Celery's signal handlers log, so the parent needs a queue."""

    @setup_logging.connect(weak=False)
    def configure(**_: Any) -> None:
        configure_logging(settings, "app.core.observability.queued.QueuedStreamHandler")


def _replace_publisher_in_children(app: Flask, celery: Celery, settings: Settings) -> None:
    @worker_process_init.connect(weak=False)
    def replace(**_: Any) -> None:
        app.extensions["publisher"] = new_publisher(celery, settings)


def _ignore_sigterm_in_children() -> None:
    """Let the parent stop its children: platforms send TERM to every process, and a killed child loses its job."""

    @worker_process_init.connect(weak=False)
    def ignore(**_: Any) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
