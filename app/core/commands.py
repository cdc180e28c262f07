"""`flask prune` and its registry: each feature adds what it deletes."""

from collections.abc import Callable

import click
from flask import Flask
from flask.cli import with_appcontext

from app.core.database import commit

_prunes: dict[str, Callable[[], int]] = {}


def prunes(rows: str) -> Callable[[Callable[[], int]], Callable[[], int]]:
    """Add the decorated function to `flask prune`. It deletes expired rows and returns how many.

    Args:
        rows: What the rows are, for the command's output.
    """

    def register(delete: Callable[[], int]) -> Callable[[], int]:
        _prunes[rows] = delete
        return delete

    return register


@click.command
@with_appcontext
def prune() -> None:
    """Delete expired rows. Safe at any time."""
    for rows, delete in _prunes.items():
        count = delete()
        commit()
        click.echo(f"{count} {rows}")


def register_commands(app: Flask) -> None:
    """Add `flask prune`."""
    app.cli.add_command(prune)
