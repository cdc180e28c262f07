"""Logs, and the ids that connect log lines with requests and jobs."""

from app.core.observability.redaction import redact
from app.core.observability.request_ids import caused_by, request_id

__all__ = ["caused_by", "redact", "request_id"]
