"""Jobs: work that outlives the request that asks for it."""

from app.core.api import Api
from app.jobs import tasks
from app.jobs.resources import JobCancellation, JobItem, JobList

__all__ = ["register", "tasks"]


def register(api: Api) -> None:
    """Add the resources; importing `tasks` made the worker's task known to Celery."""
    api.add(JobList, "/jobs")
    api.add(JobItem, "/jobs/<id:job_id>")
    api.add(JobCancellation, "/jobs/<id:job_id>/cancel")
