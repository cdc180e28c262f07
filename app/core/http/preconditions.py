"""Conditional requests: `If-Match` and `If-None-Match` (RFC 9110, section 13)."""

from collections.abc import Callable

from flask import Response, request

from app.core.errors import Malformed, PreconditionFailed

IF_MATCH = {
    "in": "header",
    "name": "If-Match",
    "schema": {"type": "string"},
    "description": "The `ETag` that you have read. If the object has another one now, the response is 412. "
    "`*` matches every object that exists.",
}
IF_NONE_MATCH = IF_MATCH | {
    "name": "If-None-Match",
    "description": "The `ETag` that you have. If the object still has it, the response is 304.",
}


def if_match() -> Callable[[str], bool]:
    """Return a test of entity tags by the request's `If-Match`. Without one, each tag passes.

    Raises:
        Malformed: The header contains no entity tag. Without this error, the client could overwrite a change.
    """
    tags = request.if_match
    if not tags and "If-Match" in request.headers:
        raise Malformed("If-Match contains no entity tag.")
    return lambda etag: not tags or tags.contains_raw(etag)


def apply_preconditions(response: Response) -> Response:
    """Apply the preconditions of a GET or HEAD request to its response.

    Raises:
        PreconditionFailed: The entity tag of the response does not match `If-Match`.
        Malformed: `If-Match` contains no entity tag.
    """
    etag = response.headers.get("ETag")
    if etag is None or request.method not in ("GET", "HEAD"):
        return response
    if not if_match()(etag):
        raise PreconditionFailed("The object has changed since you read it.")
    environ = dict(request.environ)
    environ.pop("HTTP_IF_MATCH", None)  # checked above; Werkzeug answers 412 to `If-Match: *`
    response.make_conditional(environ)
    return response
