"""`bin/start`, as whoever has just cloned the project types it."""

import re
import signal
import stat
from pathlib import Path

import pytest

from tests.support.clients import PASSWORD
from tests.support.environment import wait_for
from tests.system.formation import HttpClient, Service
from tests.system.twelve_factor.trees import copy_tree

ACCOUNT = {"email": "ada@example.org", "password": PASSWORD}
CSV = b"title,author,isbn\nEmma,Jane Austen,9780141439587\nNobody,Nobody,\n"


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """What git would clone: no .venv, no .env, no data."""
    return copy_tree(tmp_path / "clone")


def log_in(service: Service) -> HttpClient:
    """Begin a session of Ada's."""
    client = HttpClient(service.url)
    tokens = client.post("/auth/login", json=ACCOUNT).json()
    client.headers["Authorization"] = f"Bearer {tokens['access_token']}"
    return client


@pytest.mark.timeout(300)
def test_a_fresh_clone_becomes_a_running_service_by_one_command_and_again_by_the_same(
    clone: Path, tmp_path: Path
) -> None:
    service = Service(["bin/start"], tmp_path, {}, cwd=clone)
    service.start()
    try:
        wait_for("the service is ready", service.ready, 240)
        assert "bin/setup: installing" in service.log()
        assert HttpClient(service.url).post("/auth/signup", json=ACCOUNT | {"name": "Ada"}).status_code == 201
        ada = log_in(service)
        job = ada.finished(ada.import_csv(CSV), 20)
        assert (job["status"], job["result"]["created"], job["result"]["rejected"]) == ("succeeded", 1, 1)
        assert_it_ends_cleanly_on_ctrl_c(service)

        assert re.search(r"^SECRET_KEY=[0-9a-f]{64}$", (clone / ".env").read_text(), re.MULTILINE)
        assert stat.S_IMODE((clone / ".env").stat().st_mode) == 0o600
        assert {path.name for path in (clone / "var").glob("*.db")} == {"barah.db", "broker.db"}

        service.start()
        wait_for("the service is ready again, and soon", service.ready, 15)
        assert "bin/setup: installing" not in service.log()
        assert [book["title"] for book in log_in(service).get("/books").json()["items"]] == ["Emma"]
        assert_it_ends_cleanly_on_ctrl_c(service)
    finally:
        service.kill()


def assert_it_ends_cleanly_on_ctrl_c(service: Service) -> None:
    service.send(signal.SIGINT)
    assert service.wait(10) == 128 + signal.SIGINT
    assert service.processes() == []
    assert "Traceback" not in service.log()
