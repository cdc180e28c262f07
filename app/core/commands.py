"""One-off admin processes that concern more than one feature (factor XII)."""

from collections.abc import Callable

import click
from flask import Flask
from flask.cli import with_appcontext

from app.core.unit_of_work import commit

_prunes: dict[str, Callable[[], int]] = {}


def prunes(what: str) -> Callable[[Callable[[], int]], Callable[[], int]]:
    """Let a function, which deletes what has expired and counts it, take part in `flask prune`."""

    def register(delete: Callable[[], int]) -> Callable[[], int]:
        _prunes[what] = delete
        return delete

    return register


@click.command
@with_appcontext
def prune() -> None:
    """Delete what has expired. Safe at any time."""
    for what, delete in _prunes.items():
        count = delete()
        commit()
        click.echo(f"{count} {what}")


def register_commands(app: Flask) -> None:
    """Add `flask prune`."""
    app.cli.add_command(prune)
