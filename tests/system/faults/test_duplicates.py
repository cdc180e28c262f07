"""Brokers deliver a message at least once. A message only hints at a job's row."""

from app import create_app
from app.jobs.service import RUN
from tests.books.factories import import_csv
from tests.conftest import make_settings
from tests.support.environment import wait_for
from tests.support.factories import sign_up
from tests.system.faults.conftest import on_each_pair
from tests.system.harness.books import make_csv
from tests.system.harness.deploy import Deploy

ROWS = 1000
GOOD = ROWS - ROWS // 100
DELIVERIES = 5


@on_each_pair
def test_a_job_with_five_messages_runs_once(deploy: Deploy) -> None:
    """Four arrive together, one when the job is done. Fails when a worker runs the job of a message without a claim."""
    deploy.variables["WORKER_CONCURRENCY"] = 4
    app = create_app(make_settings(deploy.database_url, deploy.broker_url))
    ada, publisher = sign_up(app, "ada@example.org"), app.extensions["publisher"]
    accepted = import_csv(ada, make_csv(ROWS))  # publishes the first message
    for _ in range(DELIVERIES - 2):
        publisher.publish(RUN, accepted.json["id"])

    worker = deploy.worker(app="tests.system.faults.counting_worker")

    def processed() -> int:
        return worker.log().count("processed a message")

    wait_for("four messages are processed", lambda: processed() == DELIVERIES - 1)
    first = ada.get(f"/jobs/{accepted.json['id']}").json
    publisher.publish(RUN, accepted.json["id"])
    wait_for("the last message is processed", lambda: processed() == DELIVERIES)
    assert ada.get(f"/jobs/{accepted.json['id']}").json == first
    assert (first["status"], first["attempts"]) == ("succeeded", 1)
    assert (first["result"]["created"], first["result"]["updated"]) == (GOOD, 0)
    assert worker.log().count("books.import started") == 1
    assert len(ada.get("/books/export").text.splitlines()) == 1 + GOOD
