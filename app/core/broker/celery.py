"""The Celery app: how this process reaches the broker, and how a worker behaves."""

from typing import Any

from celery import Celery, Task
from flask import Flask

from app.core.broker.publisher import Publisher
from app.core.broker.transports import CONNECT_TIMEOUT, CONSUMING, PUBLISHING, transport_options
from app.core.settings import Settings


def init_celery(app: Flask, settings: Settings) -> Celery:
    """Create the Celery app of a Flask app. Tasks run in the Flask app's context."""

    class AppTask(Task):
        def __call__(self, *args: Any, **kwargs: Any) -> Any:
            with app.app_context():
                return self.run(*args, **kwargs)

    celery = Celery(app.name, task_cls=AppTask, set_as_current=False)
    celery.conf.update(
        broker_url=settings.broker_url.get_secret_value(),
        broker_transport_options=transport_options(CONSUMING, settings),
        broker_connection_timeout=CONNECT_TIMEOUT,
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,  # reconnect for as long as an outage of the broker lasts
        broker_heartbeat=10,  # detect a cut cable in seconds instead of minutes
        task_ignore_result=True,  # a job's result is in its row
        task_acks_late=True,  # with a prefetch of 1, a worker holds the messages of running jobs only
        worker_prefetch_multiplier=1,
        worker_concurrency=settings.worker_concurrency,
        worker_cancel_long_running_tasks_on_connection_loss=False,  # a job needs its row, not its message
        worker_redirect_stdouts=False,
        worker_send_task_events=False,
        # Remote control uses an exclusive queue. RabbitMQ keeps it for a connection that was cut, and the worker then
        # fails to declare it and exits.
        worker_enable_remote_control=False,
    )
    celery.set_default()
    app.extensions["celery"] = celery
    app.extensions["publisher"] = new_publisher(celery, settings)
    return celery


def new_publisher(celery: Celery, settings: Settings) -> Publisher:
    """Create a publisher. A forked process needs its own: the parent's connection and thread are not usable there."""
    return Publisher(celery, transport_options(PUBLISHING, settings))
