"""The message broker: Celery, its transports, and a publisher that never blocks a request for long."""

from app.core.broker.publisher import publish

__all__ = ["publish"]
