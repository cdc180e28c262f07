"""The worker: `celery --app app.worker worker`."""

from threading import Thread
from typing import Any

from celery.signals import worker_ready

from app import create_app
from app.core.celery import prepare_worker
from app.jobs.sweeper import sweep_forever

flask_app = create_app()
celery = prepare_worker(flask_app)


@worker_ready.connect
def begin_to_sweep(**_: Any) -> None:
    """Sweep beside the jobs, in the process that starts their children: a long job must not keep it waiting."""
    Thread(target=sweep_forever, args=(flask_app,), name="sweeper", daemon=True).start()
