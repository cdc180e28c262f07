"""Jobs: work that a worker does after the request."""

from app.core.http import Api
from app.jobs import tasks, workers
from app.jobs.commands import jobs
from app.jobs.resources import JobCancellation, JobItem, JobList, JobRetry

__all__ = ["register", "tasks", "workers"]


def register(api: Api) -> None:
    """Add the resources and commands. The import of `tasks` has registered the Celery task."""
    api.add(JobList, "/jobs")
    api.add(JobItem, "/jobs/<id:job_id>")
    api.add(JobCancellation, "/jobs/<id:job_id>/cancel")
    api.add(JobRetry, "/jobs/<id:job_id>/retry")
    api.app.cli.add_command(jobs)
