"""What real processes write to stdout and stderr."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.core.observability.conftest import process_environment
from tests.support.environment import ROOT

SCRIPT = """
import logging, warnings
from app import create_app
create_app()
logging.getLogger("app.test").warning("a line")
warnings.warn("take care", stacklevel=1)
logging.getLogger("sqlalchemy").error("of a library")
"""


@pytest.mark.parametrize("format", ["json", "console"])
def test_logs_and_warnings_go_to_stdout_and_nothing_to_stderr(tmp_path: Path, format: str) -> None:
    command = [sys.executable, "-c", SCRIPT]
    env = process_environment(tmp_path, LOG_FORMAT=format)
    process = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=True)
    assert process.stderr == ""
    assert [word in process.stdout for word in ("a line", "take care", "of a library")] == [True] * 3


def test_the_log_level_filters_lines(tmp_path: Path) -> None:
    command = [sys.executable, "-c", SCRIPT]
    env = process_environment(tmp_path, LOG_LEVEL="error")
    process = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=True)
    (line,) = process.stdout.splitlines()
    assert json.loads(line)["message"] == "of a library"


def test_an_error_that_ends_a_process_is_logged(tmp_path: Path) -> None:
    program = "from app import create_app; create_app(); raise LookupError('password=hunter2')"
    command = [sys.executable, "-c", program]
    process = subprocess.run(
        command, cwd=ROOT, env=process_environment(tmp_path), capture_output=True, text=True, check=False
    )
    event = json.loads(process.stdout)
    assert (process.returncode, process.stderr) == (1, "")
    assert (event["log.level"], event["error"]["type"]) == ("critical", "LookupError")
    assert "hunter2" not in process.stdout
