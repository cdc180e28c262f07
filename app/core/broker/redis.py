"""Redis as a broker: kombu's transport, with consumers that survive a lost acknowledgement."""

# mypy: allow-untyped-calls

from typing import Any

from kombu.transport import redis


class QoS(redis.QoS):
    """The messages that a consumer has received and not yet acknowledged."""

    def ack(self, delivery_tag: Any) -> None:
        """Acknowledge a message; if that fails, still free its place.

        kombu would count it as unacknowledged for ever, and with a prefetch of one per child the worker would stop
        consuming. Redis redelivers the message after an hour, when the job's row shows that it is done.
        """
        try:
            super().ack(delivery_tag)
        except Exception:
            self._quick_ack(delivery_tag)
            raise


class Channel(redis.Channel):
    """A channel with this `QoS`."""

    QoS = QoS


class Transport(redis.Transport):
    """A transport with this `Channel`."""

    Channel = Channel
