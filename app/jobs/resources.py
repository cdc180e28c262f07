"""`/jobs`: the user's jobs and their results."""

from typing import Any

from app.core.http import Page, Resource, marshal_with, problems, use_kwargs
from app.core.security import principal
from app.jobs import service
from app.jobs.models import Job
from app.jobs.schemas import JobPageSchema, JobQuery, JobSchema


class JobList(Resource):
    """The user's jobs."""

    @use_kwargs(JobQuery, location="query")
    @marshal_with(JobPageSchema, code=200)
    def get(self, **query: Any) -> Page[Job]:
        """List your jobs, the newest first."""
        return service.find(principal().user_id, **query)


class JobItem(Resource):
    """One of the user's jobs."""

    @marshal_with(JobSchema, code=200)
    def get(self, job_id: int) -> Job:
        """Read a job: its status, its progress, and at the end its result or its error."""
        return service.get(principal().user_id, job_id)


class JobCancellation(Resource):
    """The cancellation of a job."""

    @marshal_with(JobSchema, code=202)
    @problems(409)
    def post(self, job_id: int) -> Job:
        """Cancel a job.

        A running job stops before its next batch. The effects of earlier batches stay. A job that has ended answers
        409.
        """
        return service.cancel(principal().user_id, job_id)


class JobRetry(Resource):
    """The retry of a failed job."""

    @marshal_with(JobSchema, code=202)
    @problems(409)
    def post(self, job_id: int) -> Job:
        """Retry a failed job.

        It resumes after its last batch. A job that has not failed answers 409.
        """
        return service.retry(principal().user_id, job_id)
