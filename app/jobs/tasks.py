"""What the broker's messages call."""

from celery import shared_task

from app.jobs import runner, service


@shared_task(name=service.RUN)
def run_job(job_id: int) -> None:
    """Job `job_id` is waiting."""
    runner.run(job_id)
