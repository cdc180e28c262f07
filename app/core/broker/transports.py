"""Timeouts for each kind of broker, and the transports that replace kombu's."""

from typing import Any

from kombu.transport import TRANSPORT_ALIASES

from app.core.settings import Settings

TRANSPORT_ALIASES["sqla"] = "app.core.broker.embedded:Transport"
TRANSPORT_ALIASES["redis"] = TRANSPORT_ALIASES["rediss"] = "app.core.broker.redis:Transport"

CONNECT_TIMEOUT = 1.0  # seconds
PUBLISH_TIMEOUT = 1.0  # seconds that an unresponsive broker may delay a request

# A consumer waits for messages as long as it takes, but detects a lost connection.
CONSUMING: dict[str, dict[str, Any]] = {
    "amqp": {},
    "redis": {
        "health_check_interval": 10,
        "socket_keepalive": True,
        "socket_connect_timeout": CONNECT_TIMEOUT,
        "socket_timeout": 10,  # limits acknowledgements, which block the worker; not the wait for messages
    },
    "sqla+sqlite": {},
}
# A publisher must not wait. kombu's defaults allow a minute, or no limit at all.
PUBLISHING: dict[str, dict[str, Any]] = {
    "amqp": {
        "confirm_publish": True,  # without confirms, RabbitMQ can accept a message and lose it
        "confirm_timeout": PUBLISH_TIMEOUT,
        "read_timeout": PUBLISH_TIMEOUT,
        "write_timeout": PUBLISH_TIMEOUT,
    },
    "redis": {"socket_timeout": PUBLISH_TIMEOUT, "socket_connect_timeout": CONNECT_TIMEOUT},
    "sqla+sqlite": {"connect_args": {"timeout": PUBLISH_TIMEOUT}},
}


def transport_options(kinds: dict[str, dict[str, Any]], settings: Settings) -> dict[str, Any]:
    """Pick from `CONSUMING` or `PUBLISHING` the options for the broker in `BROKER_URL`."""
    url = settings.broker_url.get_secret_value()
    return next(options for scheme, options in kinds.items() if url.startswith(scheme))
