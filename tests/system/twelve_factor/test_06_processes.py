"""Factor VI, processes: they keep nothing, neither in memory nor on disk; what must last is in a backing service.

A session goes on from process to process while each that was used is killed, and the whole formation runs where
nothing can be written.

Seen failing: with a signing key that each process makes for itself, at the refresh (401); with uploads written to
/tmp, at the import (500); with uploads written to shared memory, at the files that are left there.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.clients import PASSWORD
from tests.support.environment import BIN, ROOT, wait_for
from tests.support.services import new_broker, new_database
from tests.system.faults.processes import Deploy, deploy
from tests.system.formation import Formation, HttpClient, Service
from tests.system.twelve_factor.journey import EXPECTED, FILE, travel
from tests.system.twelve_factor.read_only import read_only

pytestmark = pytest.mark.services
ACCOUNT = {"email": "ada@example.org", "password": PASSWORD}


@pytest.fixture
def deployed(tmp_path: Path) -> Iterator[Deploy]:
    with (
        new_database("postgresql", tmp_path) as database_url,
        new_broker("rabbitmq", tmp_path) as broker_url,
        deploy(database_url, broker_url, tmp_path) as deployed,
    ):
        yield deployed


@contextmanager
def killed_afterwards(web: Service, token: str = "") -> Iterator[HttpClient]:
    """Speak with a web process, with a token or none, and kill it (-9)."""
    wait_for("web is ready", web.ready)
    client = HttpClient(web.url)
    if token:
        client.headers["Authorization"] = f"Bearer {token}"
    yield client
    web.kill()


def test_each_step_of_a_session_is_taken_by_another_process_and_the_one_before_is_dead(deployed: Deploy) -> None:
    first, second, third, fourth = [deployed.web(ready=False) for _ in range(4)]
    deployed.worker(ready=False)
    with killed_afterwards(first) as client:
        assert client.post("/auth/signup", json=ACCOUNT | {"name": "Ada"}).status_code == 201
        tokens = client.post("/auth/login", json=ACCOUNT).json()
    with killed_afterwards(second, tokens["refresh_token"]) as client:
        answer = client.post("/auth/refresh")
        assert answer.status_code == 200, answer.text
        tokens = answer.json()
    with killed_afterwards(third, tokens["access_token"]) as client:
        path = client.import_csv(FILE)
    with killed_afterwards(fourth, tokens["access_token"]) as client:
        job = client.finished(path)
    assert (job["status"], job["result"]["created"]) == ("succeeded", len(EXPECTED.books))


def test_the_whole_formation_runs_where_no_file_can_be_written(tmp_path: Path) -> None:
    """Web, worker and release see a read-only file system, and have no home. All they need is shared memory, where
    gunicorn and Celery keep what they share with their children; it has no name, so that not even there is a file.
    """
    with new_database("postgresql", tmp_path) as database_url, new_broker("rabbitmq", tmp_path) as broker_url:
        formation = Formation(database_url, broker_url, tmp_path, HOME="/nonexistent", TMPDIR="/dev/shm")
        formation.command = read_only(formation.command)
        with formation:
            travel(formation)
            seen = f"/proc/{formation.process.pid}/root"
            for folder in (ROOT, BIN, tmp_path, "/tmp", "/var/tmp"):
                with pytest.raises(OSError, match="Read-only file system"):
                    Path(f"{seen}{folder}/file").touch()
            assert not [path for path in Path(f"{seen}/dev/shm").rglob("*") if path.is_file()]
