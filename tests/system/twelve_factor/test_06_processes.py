"""Factor VI, processes: they keep no state in memory or on disk. All state is in backing services.

A session uses one process after the other, each of which is then killed. A formation runs on a read-only file system.

Seen failing: with a signing key that each process makes for itself, at the refresh (401); with uploads written to /tmp,
at the import (500); with uploads written to shared memory, at the files that are left there.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.environment import BIN, ROOT
from tests.support.factories import PASSWORD
from tests.support.services import new_broker, new_database
from tests.system.harness.books import JOURNEY, JOURNEY_FILE, run_journey
from tests.system.harness.deploy import Deploy, Formation
from tests.system.harness.process import HttpClient, Service
from tests.system.twelve_factor.read_only import read_only

pytestmark = pytest.mark.services
ACCOUNT = {"email": "ada@example.org", "password": PASSWORD}


@pytest.fixture
def deploy(tmp_path: Path) -> Iterator[Deploy]:
    with (
        new_database("postgresql", tmp_path) as database_url,
        new_broker("rabbitmq", tmp_path) as broker_url,
        Deploy(database_url, broker_url, tmp_path) as deploy,
    ):
        yield deploy


@contextmanager
def killed_afterwards(web: Service, token: str = "") -> Iterator[HttpClient]:
    """Send requests to a web process, and kill it (-9) afterwards."""
    yield HttpClient(web.url, token)
    web.kill()


def test_each_request_of_a_session_uses_another_process_and_the_previous_one_is_dead(deploy: Deploy) -> None:
    first, second, third, fourth = [deploy.web() for _ in range(4)]
    deploy.worker()
    with killed_afterwards(first) as client:
        assert client.post("/auth/signup", json=ACCOUNT | {"name": "Ada"}).status_code == 201
        tokens = client.post("/auth/login", json=ACCOUNT).json()
    with killed_afterwards(second, tokens["refresh_token"]) as client:
        answer = client.post("/auth/refresh")
        assert answer.status_code == 200, answer.text
        tokens = answer.json()
    with killed_afterwards(third, tokens["access_token"]) as client:
        path = client.import_csv(JOURNEY_FILE)
    with killed_afterwards(fourth, tokens["access_token"]) as client:
        job = client.wait_for_job(path)
    assert (job["status"], job["result"]["created"]) == ("succeeded", len(JOURNEY.books))


def test_a_formation_runs_on_a_read_only_file_system(tmp_path: Path) -> None:
    """Web, worker and release have no home. They only need shared memory, where gunicorn and Celery share data with
    their children. The memory is unnamed, so that even there is no file.
    """
    with new_database("postgresql", tmp_path) as database_url, new_broker("rabbitmq", tmp_path) as broker_url:
        formation = Formation(database_url, broker_url, tmp_path, HOME="/nonexistent", TMPDIR="/dev/shm")
        formation.command = read_only(formation.command)
        with formation:
            run_journey(formation)
            root = f"/proc/{formation.process.pid}/root"
            for folder in (ROOT, BIN, tmp_path, "/tmp", "/var/tmp"):
                with pytest.raises(OSError, match="Read-only file system"):
                    Path(f"{root}{folder}/file").touch()
            assert not [path for path in Path(f"{root}/dev/shm").rglob("*") if path.is_file()]
