"""`flask doctor`: a one-off process that says whether this deploy is well (factor XII)."""

import logging

import click
from flask.cli import with_appcontext

from app.health.diagnosis import AFTER_RELEASE, BEFORE_RELEASE, diagnose

logger = logging.getLogger(__name__)


@click.command
@click.option("--release", is_flag=True, help="Before a release: without migrations and worker, as log events.")
@with_appcontext
def doctor(release: bool) -> None:
    """Check configuration, services and workers; exit with 1 if anything is wrong."""
    well = True
    for finding in diagnose(BEFORE_RELEASE if release else BEFORE_RELEASE + AFTER_RELEASE):
        well = well and finding.well
        verdict = "ok" if finding.well else "FAIL"
        if release:
            level = logging.INFO if finding.well else logging.ERROR
            logger.log(level, "%s: %s: %s", verdict, finding.check, finding.said)
        else:
            click.echo(f"{verdict:4}  {finding.check:13}  {finding.said}")
    if not well:
        raise SystemExit(1)
