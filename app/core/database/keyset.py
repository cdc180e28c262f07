"""Keyset queries: the rows after a place in an order, read from an index without sorting or skipping rows."""

from collections.abc import Sequence
from operator import eq, ge, gt, le, lt
from typing import Any, TypeVar, cast

from sqlalchemy import (
    BinaryExpression,
    BindParameter,
    BooleanClauseList,
    ColumnElement,
    Select,
    SQLColumnExpression,
    Table,
    and_,
    inspect,
    or_,
    tuple_,
)
from sqlalchemy.sql import operators

from app.core.database.base import db

Rows = TypeVar("Rows", bound=Select[Any])
Column = SQLColumnExpression[Any]


def rows_after(statement: Rows, order: Column, key: Column, place: Sequence[Any] | None, *, descending: bool) -> Rows:
    """Sort a select of one entity by `order` and then by `key`, and start after a place.

    This is as fast as an index lookup if an index consists of the columns that the select compares with constants,
    followed by `order` and `key`.

    Args:
        statement: The select.
        order: A column that is never null.
        key: A unique column, which may be `order` itself.
        place: The values of `order` and `key` in the last row of the previous page; None for the first page.
        descending: Whether both columns are sorted in descending order.
    """
    columns = [key] if order is key else [order, key]
    if db.engine.dialect.name == "mysql":
        statement = _force_index(statement, columns)
    if place is not None:
        statement = statement.where(_is_after(columns, place[-len(columns) :], descending=descending))
    return statement.order_by(*(column.desc() if descending else column.asc() for column in columns))


def _is_after(columns: Sequence[Column], place: Sequence[Any], *, descending: bool) -> ColumnElement[bool]:
    after, from_ = (lt, le) if descending else (gt, ge)
    if len(columns) == 1:
        return cast(ColumnElement[bool], after(columns[0], place[0]))
    if db.engine.dialect.name != "mysql":
        return cast(ColumnElement[bool], after(tuple_(*columns), tuple(place)))
    # MySQL and MariaDB do not turn a comparison of rows into a range of the index. They do so with this condition.
    order, key = columns
    value, last = place
    return and_(from_(order, value), or_(after(order, value), and_(order == value, after(key, last))))


def _force_index(statement: Rows, columns: Sequence[Column]) -> Rows:
    """Name the index: MySQL and MariaDB may read all rows of a user who owns a large part of the table instead.

    They refuse a query that names an index which does not exist. So an index that the next release drops has
    `info={"forced": False}`.
    """
    entity = statement.column_descriptions[0]["entity"]
    table = inspect(entity).local_table
    order = [getattr(column, "key", None) for column in columns]
    constant = _compared_with_constants(statement)
    for index in table.indexes if isinstance(table, Table) else ():
        names = [column.key for column in index.columns]
        is_kept = index.info.get("forced", True)
        if is_kept and names[-len(order) :] == order and constant.issuperset(names[: -len(order)]):
            return statement.with_hint(entity, f"FORCE INDEX ({index.name})", "mysql")
    return statement


def _compared_with_constants(statement: Select[Any]) -> set[str]:
    """The names of the columns that all rows of a select share, such as the owner."""
    where = statement.whereclause
    conditions: Sequence[Any] = [where]
    if isinstance(where, BooleanClauseList) and where.operator is operators.and_:
        conditions = where.clauses
    equalities = [each for each in conditions if isinstance(each, BinaryExpression) and each.operator is eq]
    return {str(getattr(each.left, "key", None)) for each in equalities if isinstance(each.right, BindParameter)}
