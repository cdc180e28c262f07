"""What `flask db migrate` writes into a new revision."""

from typing import Any, Literal

import click
from alembic.operations import ops

from app.core.database.types import BigInt, Bytes, UTCDateTime


def write_type(kind: str, item: Any, _context: Any) -> str | Literal[False]:
    """Name the application's own column types as `app.core.database` does."""
    own = {BigInt: "BigInt", Bytes: "Bytes"}
    name = "UTCDateTime()" if isinstance(item, UTCDateTime) else own.get(item)
    return f"database.{name}" if kind == "type" and name else False


def process_revision(context: Any, _revision: Any, directives: list[Any]) -> None:
    """Write no file when models and migrations agree. Otherwise, sort the operations so that they run on MariaDB."""
    if not getattr(context.config.cmd_opts, "autogenerate", False):
        return
    (script,) = directives
    if script.upgrade_ops.is_empty():
        directives.clear()
        click.echo("Models and migrations agree: nothing to write.")
        return
    for operations in (script.upgrade_ops, script.downgrade_ops):
        _sort(operations)


def _sort(container: ops.OpContainer) -> None:
    """MariaDB and MySQL need an index for each foreign key, and refuse to drop it before the foreign key."""
    dropped = {each.table_name for each in container.ops if isinstance(each, ops.DropTableOp)}
    kept: list[Any] = []
    for operation in container.ops:
        if isinstance(operation, ops.ModifyTableOps):
            if operation.table_name in dropped:  # the table's indexes go with it
                operation.ops = [each for each in operation.ops if not isinstance(each, ops.DropIndexOp)]
            created = {each.index_name for each in operation.ops if isinstance(each, ops.CreateIndexOp)}
            operation.ops = sorted(operation.ops, key=lambda each, created=created: _position(each, created))  # type: ignore[misc]
            if not operation.ops:
                continue
        kept.append(operation)
    container.ops = kept


def _position(operation: Any, created: set[str | None]) -> int:
    """Where an operation on a table belongs. `created` are the names of the new indexes."""
    if isinstance(operation, ops.DropConstraintOp) and operation.constraint_type == "foreignkey":
        return 0
    if isinstance(operation, ops.DropIndexOp) and operation.index_name in created:  # an index that is changed
        return 2
    order = (ops.CreateIndexOp, ops.CreateUniqueConstraintOp, ops.DropIndexOp, ops.DropConstraintOp)
    if isinstance(operation, order):
        return 3 if isinstance(operation, order[:2]) else 4
    if isinstance(operation, ops.CreateForeignKeyOp):
        return 5
    return 6 if isinstance(operation, ops.DropColumnOp) else 1
