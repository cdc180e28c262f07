"""The worker: `celery --app app.worker worker`."""

from app import create_app
from app.core.celery import prepare_worker

flask_app = create_app()
celery = prepare_worker(flask_app)
