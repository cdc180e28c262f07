"""What `bin/start` prints."""

import re
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.environment import ROOT, service_variables
from tests.system.harness.process import Service, run_command


@pytest.fixture
def variables(tmp_path: Path) -> dict[str, str | int]:
    """The variables of a deploy on SQLite, in the format for people."""
    urls = f"sqlite:///{tmp_path}/app.db", f"sqla+sqlite:///{tmp_path}/broker.db"
    return service_variables(*urls) | {"LOG_FORMAT": "console"}


@pytest.fixture
def taken_port() -> Iterator[int]:
    """A port on which another program listens."""
    with socket.create_server(("", 0)) as listener:
        yield int(listener.getsockname()[1])


def test_a_taken_port_is_named_with_a_free_one(variables: dict[str, str | int], taken_port: int) -> None:
    code, output = run_command(variables | {"PORT": taken_port}, "bin/start", cwd=ROOT)
    assert code == 1
    found = re.search(rf"^bin/start: port {taken_port} is taken: PORT=(\d+) bin/start$", output, re.MULTILINE)
    assert found, output
    assert int(found[1]) > taken_port
    assert "Traceback" not in output
    assert "started (pid=" not in output


def test_the_url_can_be_clicked_and_each_line_has_one_time(variables: dict[str, str | int], tmp_path: Path) -> None:
    with Service(["bin/start"], tmp_path, variables, cwd=ROOT) as service:
        lines = service.log().splitlines()
    assert any(line.endswith(f" Open http://localhost:{service.port}") for line in lines)
    times = {len(re.findall(r"\b\d\d:\d\d:\d\d\b", line)) for line in lines if " | INFO " in line}
    assert times == {1}
