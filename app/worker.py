"""The worker: `celery --app app.worker worker`."""

import logging
from threading import Thread
from typing import Any

from celery.apps import worker as celery_worker
from celery.signals import worker_process_init, worker_ready

from app import create_app
from app.core.broker.worker import prepare_worker
from app.core.database import db
from app.jobs.sweeper import sweep_forever

logger = logging.getLogger(__name__)


def log_celery_message(message: str, *_: Any) -> None:
    """Log a message that Celery's signal handlers would print to stdout unformatted."""
    logger.info(message)


celery_worker.safe_say = log_celery_message
flask_app = create_app()
celery = prepare_worker(flask_app)


@worker_process_init.connect
def drop_inherited_connections(**_: Any) -> None:
    """Leave the parent's database connections to the parent: two processes on one socket mix up their results."""
    with flask_app.app_context():
        db.engine.dispose(close=False)


@worker_ready.connect
def start_sweeper(**_: Any) -> None:
    """Sweep in the parent process, so that long jobs in its children do not delay the sweep."""
    Thread(target=sweep_forever, args=(flask_app,), name="sweeper", daemon=True).start()
