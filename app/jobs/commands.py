"""`flask jobs`: one-off processes about jobs (factor XII)."""

import click
from flask.cli import AppGroup

from app.core.database import commit, db
from app.core.errors import Conflict
from app.jobs import service
from app.jobs.models import Job

jobs = AppGroup("jobs", help="Look after jobs.")


@jobs.command("retry")
@click.argument("job_id", type=click.IntRange(1, 2**62))
def retry(job_id: int) -> None:
    """Put a failed job back into the queue."""
    job = db.session.get(Job, job_id)
    if job is None:
        raise click.ClickException(f"There is no job {job_id}.")
    try:
        service.retry(job.owner_id, job_id)
    except Conflict as conflict:
        raise click.ClickException(conflict.detail) from None
    commit()
    click.echo(f"Job {job_id} is back in the queue.")
