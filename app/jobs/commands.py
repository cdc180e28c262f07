"""`flask jobs`: one-off processes for jobs (factor XII)."""

import click
from flask.cli import AppGroup

from app.core.database import commit
from app.core.errors import Conflict, NotFound
from app.jobs import service

jobs = AppGroup("jobs", help="Manage jobs.")


@jobs.command("retry")
@click.argument("job_id", type=click.IntRange(1, 2**62))
def retry(job_id: int) -> None:
    """Put a failed job back into the queue."""
    try:
        service.retry_any(job_id)
    except NotFound:
        raise click.ClickException(f"There is no job {job_id}.") from None
    except Conflict as conflict:
        raise click.ClickException(conflict.detail) from None
    commit()
    click.echo(f"Job {job_id} is back in the queue.")
