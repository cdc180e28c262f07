"""`bin/start` in a fresh clone."""

import re
import signal
import stat
from pathlib import Path

import pytest

from tests.system.harness.deploy import copy_tree
from tests.system.harness.process import Service

CSV = b"title,author,isbn\nEmma,Jane Austen,9780141439587\nNobody,Nobody,\n"


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A fresh clone, without .venv, .env and data."""
    return copy_tree(tmp_path / "clone")


@pytest.mark.timeout(1200)
def test_bin_start_sets_up_a_fresh_clone_and_starts_it_again(clone: Path, tmp_path: Path) -> None:
    service = Service(["bin/start"], tmp_path, {}, cwd=clone)
    service.start()
    try:
        service.wait_until_ready()
        assert "bin/setup: installing" in service.log()
        ada = service.sign_up()
        job = ada.wait_for_job(ada.import_csv(CSV))
        assert (job["status"], job["result"]["created"], job["result"]["rejected"]) == ("succeeded", 1, 1)
        assert_ctrl_c_ends_it_cleanly(service)

        assert re.search(r"^SECRET_KEY=[0-9a-f]{64}$", (clone / ".env").read_text(), re.MULTILINE)
        assert stat.S_IMODE((clone / ".env").stat().st_mode) == 0o600
        assert {path.name for path in (clone / "var").glob("*.db")} == {"barah.db", "broker.db"}

        service.start()
        service.wait_until_ready()
        assert "bin/setup: installing" not in service.log()
        assert [book["title"] for book in service.log_in().get("/books").json()["items"]] == ["Emma"]
        assert_ctrl_c_ends_it_cleanly(service)
    finally:
        service.kill()


def assert_ctrl_c_ends_it_cleanly(service: Service) -> None:
    service.send(signal.SIGINT)
    assert service.wait() == 128 + signal.SIGINT
    assert service.processes() == []
    assert "Traceback" not in service.log()
