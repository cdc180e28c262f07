"""What `flask db migrate` writes into a new revision."""

from typing import Any, Literal

import click

from app.core.database.types import BigInt, Bytes, UTCDateTime


def write_type(kind: str, item: Any, _context: Any) -> str | Literal[False]:
    """Name the application's own column types as `app.core.database` does."""
    own = {BigInt: "BigInt", Bytes: "Bytes"}
    name = "UTCDateTime()" if isinstance(item, UTCDateTime) else own.get(item)
    return f"database.{name}" if kind == "type" and name else False


def process_revision(context: Any, _revision: Any, directives: list[Any]) -> None:
    """Write no file when models and migrations agree."""
    if not getattr(context.config.cmd_opts, "autogenerate", False):
        return
    (script,) = directives
    if script.upgrade_ops.is_empty():
        directives.clear()
        click.echo("Models and migrations agree: nothing to write.")
        return
