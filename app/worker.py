"""The worker: `celery --app app.worker worker`."""

import logging
from contextlib import suppress
from threading import Thread
from typing import Any

from celery.apps import worker as celery_worker
from celery.signals import worker_ready

from app import create_app
from app.core.celery import prepare_worker
from app.jobs.sweeper import sweep_forever

logger = logging.getLogger(__name__)


def log_what_celery_says(message: str, *_: Any) -> None:
    """Log what Celery would write to stdout as it is, from its signal handlers.

    A handler may have interrupted this thread in the middle of a line; another thread waits until that is written.
    """
    with suppress(RuntimeError):  # a process at its very end starts no more threads
        Thread(target=logger.info, args=(message,)).start()


celery_worker.safe_say = log_what_celery_says
flask_app = create_app()
celery = prepare_worker(flask_app)


@worker_ready.connect
def begin_to_sweep(**_: Any) -> None:
    """Sweep beside the jobs, in the process that starts their children: a long job must not keep it waiting."""
    Thread(target=sweep_forever, args=(flask_app,), name="sweeper", daemon=True).start()
