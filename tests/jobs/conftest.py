"""A kind of job that each test makes up for itself."""

from collections.abc import Callable

import pytest
from flask import Flask

from app.core.database import commit
from app.jobs import runner, service
from app.jobs.runner import Handler
from tests.support.clients import Client

KIND = "tests.kind"

Handles = Callable[[Handler], Handler]
Enqueue = Callable[..., int]


@pytest.fixture
def handles(monkeypatch: pytest.MonkeyPatch) -> Handles:
    """Declare how to do the test's kind of job, until the test ends."""
    monkeypatch.setattr(runner, "_handlers", dict(runner._handlers))
    return runner.handles(KIND)


@pytest.fixture
def enqueue(app: Flask, ada: Client, monkeypatch: pytest.MonkeyPatch) -> Enqueue:
    """Promise Ada a job of the test's kind, and return its id; unless `handles` says how, nothing is to be done."""
    monkeypatch.setitem(runner._handlers, KIND, lambda _work: iter(()))
    owner_id = ada.get("/users/me").json["id"]

    def enqueue(data: bytes = b"") -> int:
        with app.app_context():
            job = service.enqueue(owner_id, KIND, data)
            commit()
            return job.id

    return enqueue


@pytest.fixture
def announced(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The jobs that the broker is told of, one after the other."""
    told: list[int] = []
    monkeypatch.setattr(service, "publish", lambda task, job_id: told.append(job_id))
    return told
