"""Jobs are announced after the commit, and never at the expense of the response."""

from typing import Any

import pytest
from flask import Flask
from sqlalchemy.exc import OperationalError

from app.core.database import db
from app.core.errors import Conflict
from app.jobs import service as jobs
from app.jobs.models import Job
from tests.conftest import PublisherAt, every_database
from tests.support.clients import Client
from tests.support.environment import free_port
from tests.support.factories import import_notes
from tests.support.notes import service as notes


@every_database
def test_a_job_is_announced_after_its_commit(app: Flask, ada: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []

    def record(task: str, job_id: int) -> None:
        seen.append((task, ada.get(f"/jobs/{job_id}").status_code))

    monkeypatch.setattr(jobs, "publish", record)
    assert import_notes(ada).status_code == 202
    assert seen == [("jobs.run", 200)]


@every_database
@pytest.mark.parametrize("fault", ["before the commit", "at the commit"])
def test_an_uncommitted_job_is_not_announced(
    ada: Client, announced: list[int], monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    request_import = notes.request_import

    def fail(*_: Any) -> None:
        raise OperationalError("COMMIT", {}, Exception("the server has gone away"), connection_invalidated=True)

    def request_and_fail(*arguments: Any) -> Job:
        job = request_import(*arguments)
        if fault == "before the commit":
            raise Conflict("Too late.")
        monkeypatch.setattr(db.session.registry(), "commit", fail)
        return job

    monkeypatch.setattr(notes, "request_import", request_and_fail)
    assert import_notes(ada).status_code == (409 if fault == "before the commit" else 503)
    monkeypatch.setattr(notes, "request_import", request_import)
    accepted = import_notes(ada)
    assert announced == [item["id"] for item in ada.get("/jobs").json["items"]] == [accepted.json["id"]]


@every_database
def test_a_failing_broker_does_not_affect_the_response(
    app: Flask, ada: Client, publisher_at: PublisherAt, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(app.extensions, "publisher", publisher_at(f"redis://127.0.0.1:{free_port()}/0"))
    responses = [import_notes(ada) for _ in range(2)]
    assert [response.status_code for response in responses] == [202, 202]
    listed = [item["id"] for item in ada.get("/jobs?sort=id").json["items"]]
    assert listed == [response.json["id"] for response in responses]
