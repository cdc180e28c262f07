"""Redis as a broker: kombu's transport, whose consumers outlive an acknowledgement that gets lost."""

# mypy: allow-untyped-calls

from typing import Any

from kombu.transport import redis


class QoS(redis.QoS):
    """What a consumer has taken, and not yet done."""

    def ack(self, delivery_tag: Any) -> None:
        """Count a message as done, even if Redis does not hear of it.

        kombu would keep its place for ever; with one place for each child, the worker would take no message any more.
        Redis gives it out again after an hour, and the job's row says that it is done.
        """
        try:
            super().ack(delivery_tag)
        except Exception:
            self._quick_ack(delivery_tag)
            raise


class Channel(redis.Channel):
    """A channel with these consumers."""

    QoS = QoS


class Transport(redis.Transport):
    """A transport with these channels."""

    Channel = Channel
