"""Celery, from the settings: how this process reaches the broker, and how its worker behaves."""

import logging
import signal
from typing import Any

from celery import Celery, Task
from celery.signals import setup_logging, worker_process_init
from flask import Flask, current_app
from kombu.transport import TRANSPORT_ALIASES

from app.core.extensions import db
from app.core.logging import configure_logging
from app.core.settings import Settings

logger = logging.getLogger(__name__)

TRANSPORT_ALIASES["sqla"] = "app.core.embedded_broker:Transport"

# Seconds that a broker which does not answer may delay a request.
PATIENCE = 1.0

# What bounds a publish on each kind of broker. kombu's own defaults wait for a minute or for ever.
PUBLISHING: dict[str, dict[str, Any]] = {
    "amqp": {
        "confirm_publish": True,  # without it RabbitMQ says yes to a message that it then loses
        "confirm_timeout": PATIENCE,
        "read_timeout": PATIENCE,
        "write_timeout": PATIENCE,
    },
    "redis": {"socket_timeout": PATIENCE, "socket_connect_timeout": PATIENCE},
    "sqla+sqlite": {"connect_args": {"timeout": PATIENCE}},
}


def init_celery(app: Flask, settings: Settings) -> Celery:
    """Make the Celery app of a Flask app. Its tasks run inside the Flask app's context."""

    class AppTask(Task):
        def __call__(self, *args: Any, **kwargs: Any) -> Any:
            with app.app_context():
                return self.run(*args, **kwargs)

    broker = settings.broker_url.get_secret_value()
    celery = Celery(app.name, task_cls=AppTask, set_as_current=False)
    celery.conf.update(
        broker_url=broker,
        broker_connection_timeout=PATIENCE,
        broker_connection_retry_on_startup=True,
        broker_transport_options=next(options for scheme, options in PUBLISHING.items() if broker.startswith(scheme)),
        task_ignore_result=True,  # a job's result is in its row
        task_publish_retry_policy={"max_retries": 1, "interval_start": 0, "interval_max": 0},
        task_acks_late=True,  # where the broker can, a dead worker's message comes back
        task_reject_on_worker_lost=True,
        worker_concurrency=settings.worker_concurrency,
        worker_prefetch_multiplier=1,  # a short job must not wait behind a long one
        worker_redirect_stdouts=False,
        worker_send_task_events=False,
    )
    celery.set_default()
    app.extensions["celery"] = celery
    return celery


def prepare_worker(app: Flask) -> Celery:
    """Turn a process into a worker: a consumer's connection waits as long as it takes, and logs as the web does."""
    celery: Celery = app.extensions["celery"]
    celery.conf.broker_transport_options = {}

    @setup_logging.connect(weak=False)
    def log_to_stdout(**_: Any) -> None:
        configure_logging(app.extensions["settings"])

    @worker_process_init.connect(weak=False)
    def drop_inherited_connections(**_: Any) -> None:
        with app.app_context():
            db.engine.dispose(close=False)  # a socket shared with the parent would mix their answers

    @worker_process_init.connect(weak=False)
    def leave_stopping_to_the_parent(**_: Any) -> None:
        # Platforms send TERM to each process. A child that died of it would take along its job, and perhaps a lock that
        # its parent waits for. The parent ends it after its job, and the kernel does if the parent is killed.
        signal.signal(signal.SIGTERM, signal.SIG_IGN)

    return celery


def publish(task: str, *arguments: Any) -> None:
    """Send a task's message, within about a second. A failure is logged and nothing else: the message is a hint."""
    celery: Celery = current_app.extensions["celery"]
    try:
        celery.send_task(task, arguments)
    except Exception as error:  # noqa: BLE001  # whatever a transport raises, what it announces is committed
        logger.warning("the broker took no message for %s%s: %r", task, arguments, error)
