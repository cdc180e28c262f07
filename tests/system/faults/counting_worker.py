"""A worker that logs each message it has processed: `celery --app tests.system.faults.counting_worker worker`."""

import logging
from typing import Any

from celery.signals import task_postrun

from app.worker import celery

__all__ = ["celery"]


@task_postrun.connect  # type: ignore[untyped-decorator]  # Celery ships no types
def log_message(**_: Any) -> None:
    logging.getLogger(__name__).info("processed a message")
