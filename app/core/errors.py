"""Typed errors that services raise. They know no HTTP: `app.core.http.error_handlers` renders them."""

from collections.abc import Mapping

Errors = Mapping[str, list[str]]


class AppError(Exception):
    """A foreseen failure. Clients see its `detail`, so it must contain no internal data.

    Attributes:
        detail: What is wrong, in a sentence for the client.
        errors: Messages by field name, where fields are at fault.
        retry_after: Seconds after which the same request may succeed; None if there is no point in a retry.
    """

    retry_after: int | None = None

    def __init__(self, detail: str, *, errors: Errors | None = None, retry_after: int | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        self.errors = errors
        self.retry_after = retry_after or self.retry_after


class Malformed(AppError):
    """The request cannot be parsed."""


class Unauthenticated(AppError):
    """The request has no valid credentials (RFC 6750, section 3)."""


class Forbidden(AppError):
    """The user is authenticated but lacks the permission."""


class NotFound(AppError):
    """The object does not exist, or belongs to another user. The two cases look the same to clients."""


class Conflict(AppError):
    """The current state of the object does not allow the operation."""


class PreconditionFailed(AppError):
    """The object has changed since the client read it."""


class UnsupportedMediaType(AppError):
    """The operation does not accept this type of body."""


class Invalid(AppError):
    """The request is well-formed but breaks a rule. `errors` names the fields."""


class Unavailable(AppError):
    """A backing service does not respond. The same request may succeed later."""

    retry_after = 5
