"""`flask doctor`: a one-off process that checks this deploy (factor XII)."""

import logging

import click
from flask.cli import with_appcontext

from app.health.diagnosis import diagnose

logger = logging.getLogger(__name__)


@click.command
@click.option("--release", is_flag=True, help="Before a release: without migrations and worker, as log events.")
@with_appcontext
def doctor(release: bool) -> None:
    """Check configuration, services and workers. Exits with 1 if a check fails."""
    ok = True
    for finding in diagnose(before_release=release):
        ok = ok and finding.ok
        verdict = "ok" if finding.ok else "FAIL"
        if release:
            level = logging.INFO if finding.ok else logging.ERROR
            logger.log(level, "%s: %s: %s", verdict, finding.check, finding.message)
        else:
            click.echo(f"{verdict:4}  {finding.check:13}  {finding.message}")
    if not ok:
        raise SystemExit(1)
