"""A kind of job that each test defines for itself."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask

from app.jobs.handlers import ATTEMPTS, Backoff, Handler, Kind, exponential, kinds
from tests.support.clients import Client
from tests.support.factories import create_job

KIND = "tests.kind"

Handles = Callable[..., Handler]
Enqueue = Callable[..., int]


def no_pause(_failed: int) -> timedelta:
    """A backoff that lets a job be tried again at once."""
    return timedelta()


@pytest.fixture
def handles(monkeypatch: pytest.MonkeyPatch) -> Handles:
    """Register a handler of the test's kind of job, for the duration of the test. By default, errors cause no pause."""

    def register(handler: Handler, *, attempts: int = ATTEMPTS, backoff: Backoff = no_pause) -> Handler:
        monkeypatch.setitem(kinds, KIND, Kind(handler, attempts, backoff))
        return handler

    return register


@pytest.fixture
def enqueue(app: Flask, ada: Client, monkeypatch: pytest.MonkeyPatch) -> Enqueue:
    """Enqueue a job of the test's kind for Ada, and return its id. By default, its handler does nothing."""
    monkeypatch.setitem(kinds, KIND, Kind(lambda _work: iter(()), ATTEMPTS, exponential))
    owner_id = ada.get("/users/me").json["id"]

    def enqueue(data: bytes = b"", **options: Any) -> int:
        with app.app_context():
            return create_job(**{"owner_id": owner_id, "kind": KIND, "data": data} | options).id

    return enqueue
