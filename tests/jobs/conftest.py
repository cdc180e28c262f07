"""A kind of job that each test defines for itself."""

from collections.abc import Callable

import pytest
from flask import Flask

from app.jobs import runner
from app.jobs.runner import Handler
from tests.support.clients import Client
from tests.support.factories import create_job

KIND = "tests.kind"

Handles = Callable[[Handler], Handler]
Enqueue = Callable[..., int]


@pytest.fixture
def handles(monkeypatch: pytest.MonkeyPatch) -> Handles:
    """Register a handler of the test's kind of job, for the duration of the test."""
    monkeypatch.setattr(runner, "_handlers", dict(runner._handlers))
    return runner.handles(KIND)


@pytest.fixture
def enqueue(app: Flask, ada: Client, monkeypatch: pytest.MonkeyPatch) -> Enqueue:
    """Enqueue a job of the test's kind for Ada, and return its id. By default, its handler does nothing."""
    monkeypatch.setitem(runner._handlers, KIND, lambda _work: iter(()))
    owner_id = ada.get("/users/me").json["id"]

    def enqueue(data: bytes = b"") -> int:
        with app.app_context():
            return create_job(owner_id, KIND, data).id

    return enqueue
