"""What real processes write to stdout and stderr."""

import json
import os
import signal
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


LOG_IN_SIGNAL_HANDLER = """
import logging, signal
from app.worker import celery, log_celery_message
celery.log.setup()  # as the `celery` command does
signal.signal(signal.SIGUSR1, lambda *_: log_celery_message("a signal came"))
for number in range(3000):
    logging.getLogger("app.test").info("%s", "x" * 1000)
signal.signal(signal.SIGUSR1, signal.SIG_IGN)
"""


def test_celery_messages_in_signal_handlers_do_not_break_lines(tmp_path: Path) -> None:
    """The process blocks in the middle of a line until the reader continues, and then handles a signal."""
    command, errors = [sys.executable, "-c", LOG_IN_SIGNAL_HANDLER], tmp_path / "errors"
    env = process_environment(tmp_path)
    with (
        errors.open("wb") as stderr,
        subprocess.Popen(command, cwd=ROOT, env=env, stdout=subprocess.PIPE, stderr=stderr) as process,
    ):
        assert process.stdout is not None
        output = b""
        while part := os.read(process.stdout.fileno(), 16 * 1024):
            output += part
            process.send_signal(signal.SIGUSR1)
    assert errors.read_text() == ""
    assert process.returncode == 0
    messages = [json.loads(line)["message"] for line in output.splitlines()]
    assert len(messages) > 3010
    assert set(messages) == {"x" * 1000, "a signal came"}


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
