"""HTTP: resources, request parsing, fields, pages, problems, idempotency and OpenAPI."""

from app.core.http.pagination import Page, PageQuery, page_of, paginate, sort_field
from app.core.http.preconditions import IF_MATCH, IF_NONE_MATCH, if_match
from app.core.http.resource import (
    Api,
    Headers,
    Resource,
    doc,
    guarded_by,
    idempotent,
    marshal_with,
    problems,
    use_kwargs,
)

__all__ = [
    "IF_MATCH",
    "IF_NONE_MATCH",
    "Api",
    "Headers",
    "Page",
    "PageQuery",
    "Resource",
    "doc",
    "guarded_by",
    "idempotent",
    "if_match",
    "marshal_with",
    "page_of",
    "paginate",
    "problems",
    "sort_field",
    "use_kwargs",
]
