"""A kind of job that each test makes up for itself."""

from collections.abc import Callable

import pytest
from flask import Flask

from app.core.unit_of_work import commit
from app.jobs import runner, service
from tests.clients import Client

KIND = "tests.kind"


@pytest.fixture
def handles(monkeypatch: pytest.MonkeyPatch) -> Callable[[runner.Handler], runner.Handler]:
    """Declare how to do the test's kind of job, until the test ends."""
    monkeypatch.setattr(runner, "_handlers", dict(runner._handlers))
    return runner.handles(KIND)


@pytest.fixture
def enqueue(app: Flask, ada: Client) -> Callable[..., int]:
    """Promise Ada a job of the test's kind, and return its id."""
    owner_id = ada.get("/users/me").json["id"]

    def enqueue(data: bytes = b"") -> int:
        with app.app_context():
            job = service.enqueue(owner_id, KIND, data)
            commit()
            return job.id

    return enqueue
