"""Keyset pagination: every page costs the same, and inserted or deleted rows do not shift the pages."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any, Generic, TypeVar, cast
from urllib.parse import urlencode
from uuid import UUID

from flask import current_app, request
from itsdangerous import BadData, URLSafeSerializer
from marshmallow import fields, validate
from sqlalchemy import Select, SQLColumnExpression

from app.core.database import db, rows_after
from app.core.errors import Invalid
from app.core.http.fields import Integer, Schema, String

Item = TypeVar("Item")
# The types of columns that JSON does not have, by name, and how they are read from a cursor.
PARSERS: dict[str, Callable[[str], Any]] = {
    "datetime": datetime.fromisoformat,
    "date": date.fromisoformat,
    "time": time.fromisoformat,
    "Decimal": Decimal,
    "UUID": UUID,
}


CURSOR = "The `next_cursor` of the previous page. Valid for the same list with the same order and filters."


@dataclass(frozen=True)
class Page(Generic[Item]):
    """Some items, and the cursor of the next page, if there is one."""

    items: Sequence[Item]
    next_cursor: str | None


class PageQuery(Schema):
    """Query parameters of a list."""

    limit = Integer(text=True, min=1, max=100, load_default=20, metadata={"description": "Items on a page."})
    cursor = String(max=3000, load_default=None, metadata={"description": CURSOR})


def page_of(item: type[Schema]) -> type[Schema]:
    """The schema of a page of items."""
    members: dict[str, fields.Field] = {
        "items": fields.List(fields.Nested(item), required=True),
        "next_cursor": fields.String(required=True, allow_none=True),
    }
    return cast(type[Schema], Schema.from_dict(members, name=item.__name__.replace("Schema", "PageSchema")))


def sort_field(*orders: str, default: str) -> fields.String:
    """The `sort` parameter: one of `orders`, or one with a minus sign for descending order."""
    return fields.String(
        load_default=default,
        validate=validate.OneOf([sign + order for order in orders for sign in ("", "-")]),
        metadata={"description": "The order; `-` for descending."},
    )


def paginate(
    statement: Select[Item],
    *,
    orders: Mapping[str, SQLColumnExpression[Any]],
    key: SQLColumnExpression[int],
    sort: str,
    limit: int,
    cursor: str | None,
) -> Page[Item]:
    """Fetch one page of a select of one entity.

    Args:
        statement: The select.
        orders: The column for each name in `sort`. Columns must not be null: databases sort nulls differently.
        key: A unique column that breaks ties.
        sort: A name in `orders`, with a leading minus sign for descending order.
        limit: The largest number of items.
        cursor: The `next_cursor` of the previous page, or None for the first page.

    Raises:
        Invalid: The cursor is not one of this list with this order and these filters.
    """
    order, descending = orders[sort.lstrip("-")], sort.startswith("-")
    place = None if cursor is None else _read(cursor, sort)
    page = rows_after(statement, order, key, place, descending=descending).add_columns(order, key).limit(limit + 1)
    rows = db.session.execute(page).all()
    more = len(rows) > limit
    rows = rows[:limit]
    return Page([row[0] for row in rows], _write(sort, rows[-1][1:]) if more else None)


def _serializer(sort: str) -> URLSafeSerializer:
    """A serializer for the cursors of this list with this order and these filters: the salt contains them."""
    page = ("cursor", "limit", "sort")
    filters = sorted((name, value) for name, value in request.args.items(multi=True) if name not in page)
    salt = f"cursor {request.path} {sort} {urlencode(filters)}"
    return URLSafeSerializer(current_app.config["SECRET_KEY"], salt=salt)


def _write(sort: str, place: Sequence[Any]) -> str:
    values = [value if isinstance(value, int | float | str) else {type(value).__name__: str(value)} for value in place]
    return str(_serializer(sort).dumps(values))


def _read(cursor: str, sort: str) -> tuple[Any, int]:
    try:
        value, key = _serializer(sort).loads(cursor)
    except BadData:
        message = "Not a cursor of this list with this order and these filters."
        raise Invalid("Some fields are not valid.", errors={"cursor": [message]}) from None
    if isinstance(value, dict):
        ((kind, text),) = value.items()
        value = PARSERS[kind](text)
    return value, key
