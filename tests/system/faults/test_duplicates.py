"""Brokers deliver at least once, so a message is no more than a hint."""

from app import create_app
from app.jobs.service import RUN
from tests.conftest import make_settings
from tests.support.clients import sign_up
from tests.support.environment import wait_for
from tests.system.faults.conftest import on_each_pair
from tests.system.faults.processes import Deploy, csv_of

ROWS = 1000
GOOD = ROWS - ROWS // 100
DELIVERIES = 5


@on_each_pair
def test_five_deliveries_of_one_message_do_it_once(deployed: Deploy) -> None:
    """Four arrive together, one when all is done. Fails when a worker does what its message says, without a claim."""
    deployed.variables["WORKER_CONCURRENCY"] = 4
    urls = (str(deployed.variables[name]) for name in ("DATABASE_URL", "BROKER_URL"))
    app = create_app(make_settings(*urls))
    ada, broker = sign_up(app, "ada@example.org"), app.extensions["broker"]
    accepted = ada.import_csv(csv_of(ROWS))  # and this announces it for the first time
    for _ in range(DELIVERIES - 2):
        broker.publish(RUN, accepted.json["id"])

    worker = deployed.worker(app="tests.system.faults.telling_worker")
    wait_for("four are seen to", lambda: worker.log().count("seen to a message") == DELIVERIES - 1)
    first = ada.get(f"/jobs/{accepted.json['id']}").json
    broker.publish(RUN, accepted.json["id"])
    wait_for("the last is seen to", lambda: worker.log().count("seen to a message") == DELIVERIES)
    assert ada.get(f"/jobs/{accepted.json['id']}").json == first
    assert (first["status"], first["attempts"]) == ("succeeded", 1)
    assert (first["result"]["created"], first["result"]["updated"]) == (GOOD, 0)
    assert worker.log().count("books.import started") == 1
    assert len(ada.get("/books/export").text.splitlines()) == 1 + GOOD
