"""The worker, for tests that count messages: it tells when it has seen to one."""

import logging
from typing import Any

from celery.signals import task_postrun

from app.worker import celery

__all__ = ["celery"]


@task_postrun.connect  # type: ignore[untyped-decorator]  # Celery ships no types
def tell(**_: Any) -> None:
    logging.getLogger(__name__).info("seen to a message")
