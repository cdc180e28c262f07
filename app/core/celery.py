"""Celery, from the settings: how this process reaches the broker, and how its worker behaves."""

import logging
import os
import signal
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
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
TRANSPORT_ALIASES["redis"] = TRANSPORT_ALIASES["rediss"] = "app.core.redis_broker:Transport"

# Seconds that a broker which does not answer may delay a request; after that, it is not asked for a while.
PATIENCE = 1.0
PAUSE = 5.0

# A consumer waits as long as it takes, and finds out when the other side has vanished.
CONSUMING: dict[str, dict[str, Any]] = {
    "amqp": {},
    "redis": {
        "health_check_interval": 10,
        "socket_keepalive": True,
        "socket_connect_timeout": PATIENCE,
        "socket_timeout": 10,  # bounds an acknowledgement, which the worker waits for; not the wait for messages
    },
    "sqla+sqlite": {},
}
# A publisher does not wait. kombu's defaults would, for a minute or for ever.
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


class Broker:
    """The broker as publishers see it. It is asked by a thread, so that no state of it holds up a request for long."""

    def __init__(self, celery: Celery, options: dict[str, Any]) -> None:
        self._celery, self._options = celery, options
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="publisher")
        self._producer: Any = None  # the thread's own, and with it a connection
        self._asked_again_at = 0.0

    def publish(self, task: str, *arguments: Any) -> None:
        """Send a task's message, or give up after a second, and for some seconds at once.

        The message is a hint, and what it tells of is committed: a failure is logged, and that is all.
        """
        if time.monotonic() < self._asked_again_at:
            return
        try:
            self._thread.submit(self._send, task, arguments).result(PATIENCE)
        except Exception as error:  # noqa: BLE001  # every transport raises its own
            self._asked_again_at = time.monotonic() + PAUSE
            logger.warning("the broker took no message for %s%s: %r", task, arguments, error)

    def check(self) -> None:
        """Raise an error unless the broker takes a message: one that reaches no queue."""
        queue = self._celery.amqp.queues[self._celery.conf.task_default_queue]
        with self._connect() as connection:
            queue.bind(connection.default_channel).declare()
            # RabbitMQ in need of memory or disk goes on to talk with everyone, except with those who publish.
            self._celery.amqp.Producer(connection).publish("", exchange="amq.direct", routing_key="nobody")

    def _connect(self) -> Any:
        connection = self._celery.connection_for_write(transport_options=self._options)
        return connection.ensure_connection(max_retries=0)  # left to itself, kombu would try again and again

    def _send(self, task: str, arguments: tuple[Any, ...]) -> None:
        kept = self._producer is not None
        try:
            if not kept:
                self._producer = self._celery.amqp.Producer(self._connect())
            self._celery.send_task(task, arguments, producer=self._producer, retry=False)
        except Exception:
            self._producer = None
            if not kept:
                raise
            self._send(task, arguments)  # the connection was an old one; a new one may do


def init_celery(app: Flask, settings: Settings) -> Celery:
    """Make the Celery app of a Flask app. Its tasks run inside the Flask app's context."""

    class AppTask(Task):
        def __call__(self, *args: Any, **kwargs: Any) -> Any:
            with app.app_context():
                return self.run(*args, **kwargs)

    celery = Celery(app.name, task_cls=AppTask, set_as_current=False)
    celery.conf.update(
        broker_url=settings.broker_url.get_secret_value(),
        broker_transport_options=_options(CONSUMING, settings),
        broker_connection_timeout=PATIENCE,
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,  # a worker outlives any outage of its broker
        broker_heartbeat=10,  # a broker behind a cut cable is noticed in seconds, not minutes
        task_ignore_result=True,  # a job's result is in its row
        task_acks_late=True,  # with the next: a worker holds no messages but those of the jobs that it is doing
        worker_prefetch_multiplier=1,
        worker_concurrency=settings.worker_concurrency,
        worker_cancel_long_running_tasks_on_connection_loss=False,  # a job needs its row, not its message
        worker_redirect_stdouts=False,
        worker_send_task_events=False,
        # Its queue is exclusive: RabbitMQ keeps it for a connection that was cut, and the worker dies when it is back.
        worker_enable_remote_control=False,
    )
    celery.set_default()
    app.extensions["celery"] = celery
    app.extensions["broker"] = Broker(celery, _options(PUBLISHING, settings))
    return celery


def prepare_worker(app: Flask) -> Celery:
    """Turn a process into a worker."""
    settings: Settings = app.extensions["settings"]
    celery: Celery = app.extensions["celery"]
    # The `celery` command has read BROKER_URL by itself, unchecked and with a path that counts from somewhere else.
    os.environ["CELERY_BROKER_URL"] = settings.broker_url.get_secret_value()
    if Path("/dev/shm").is_dir():  # noqa: S108
        tempfile.tempdir = "/dev/shm"  # noqa: S108  # what the pool shares with its children: in memory, not on a disk

    @setup_logging.connect(weak=False)
    def log_to_stdout(**_: Any) -> None:
        configure_logging(settings)

    @worker_process_init.connect(weak=False)
    def drop_inherited_connections(**_: Any) -> None:
        """A socket shared with the parent process would mix up their answers."""
        app.extensions["broker"] = Broker(celery, _options(PUBLISHING, settings))
        with app.app_context():
            db.engine.dispose(close=False)

    @worker_process_init.connect(weak=False)
    def leave_stopping_to_the_parent(**_: Any) -> None:
        """A child that died of TERM, which platforms send to each process, would take its job along."""
        signal.signal(signal.SIGTERM, signal.SIG_IGN)

    return celery


def publish(task: str, *arguments: Any) -> None:
    """Send a task's message, within about a second, if the broker takes it."""
    current_app.extensions["broker"].publish(task, *arguments)


def _options(kinds: dict[str, dict[str, Any]], settings: Settings) -> dict[str, Any]:
    url = settings.broker_url.get_secret_value()
    return next(options for scheme, options in kinds.items() if url.startswith(scheme))
