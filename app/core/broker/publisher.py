"""Publishing messages without ever blocking a request for long."""

import logging
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from celery import Celery
from flask import current_app

from app.core.broker.transports import PUBLISH_TIMEOUT

RETRY_PAUSE = 5.0  # seconds without further attempts after a failure

logger = logging.getLogger(__name__)


class Publisher:
    """Sends messages from a thread of its own, so that an unresponsive broker delays a request by a second at most."""

    def __init__(self, celery: Celery, options: dict[str, Any]) -> None:
        self._celery, self._options = celery, options
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="publisher")
        self._producer: Any = None  # used by the thread only; holds a connection
        self._retry_at = 0.0

    def publish(self, task: str, *arguments: Any) -> None:
        """Send a task's message. Failures are logged, not raised: the message is a hint about a committed row."""
        if time.monotonic() < self._retry_at:
            return
        message = None
        try:
            message = self._thread.submit(self._send, task, arguments)
            message.result(PUBLISH_TIMEOUT)
        except Exception as error:  # noqa: BLE001  # each transport raises its own errors
            if message is not None:
                message.cancel()  # if it still waits for the thread, it would be sent much later
            self._retry_at = time.monotonic() + RETRY_PAUSE
            logger.warning("the message %s%s was not published: %r", task, arguments, error)

    def check(self) -> None:
        """Raise an error unless the broker accepts a message. The message is not routed to any queue."""
        queue = self._celery.amqp.queues[self._celery.conf.task_default_queue]
        with self._connect() as connection:
            queue.bind(connection.default_channel).declare()
            # RabbitMQ that is short of memory or disk accepts connections, but blocks publishers.
            self._celery.amqp.Producer(connection).publish("", exchange="amq.direct", routing_key="unused")

    def _connect(self) -> Any:
        connection = self._celery.connection_for_write(transport_options=self._options)
        return connection.ensure_connection(max_retries=0)  # kombu's default retries many times

    def _send(self, task: str, arguments: tuple[Any, ...]) -> None:
        """Send on the open connection. If it fails, or there is none, send on a new one."""
        while True:
            is_new = self._producer is None
            if is_new:
                self._producer = self._celery.amqp.Producer(self._connect())
            try:
                self._celery.send_task(task, arguments, producer=self._producer, retry=False)
            except Exception:
                self._producer = None
                if is_new:
                    raise
            else:
                return


def publish(task: str, *arguments: Any) -> None:
    """Send a task's message, within about a second, if the broker accepts it."""
    current_app.extensions["publisher"].publish(task, *arguments)
