"""The log of a worker: one event per line on stdout, also for what signal handlers log."""

import json
import subprocess
import sys
from pathlib import Path

from tests.support.environment import ROOT, environment, service_variables

LINES, FORK_EVERY = 5000, 500
PROGRAM = f"""
import logging, os, signal
from celery.apps import worker as celery_worker
from app.worker import celery

def handle(*_):
    global signals
    signals += 1
    celery_worker.safe_say("signal")

celery.log.setup()  # as the `celery` command does
logger, signals = logging.getLogger("app.test"), 0
signal.signal(signal.SIGALRM, handle)
signal.setitimer(signal.ITIMER_REAL, 0.001, 0.0002)
for number in range({LINES}):
    logger.info("line %s", number)
    if number % {FORK_EVERY} == 0:
        child = os.fork()
        if child == 0:
            logger.info("child")
            os._exit(0)
        os.waitpid(child, 0)
signal.setitimer(signal.ITIMER_REAL, 0)
try:
    raise ValueError("a failure")
except ValueError:
    logger.exception("%s signals", signals)
"""


def test_signal_handlers_that_log_lose_no_line_and_write_nothing_to_stderr(tmp_path: Path) -> None:
    variables = service_variables(f"sqlite:///{tmp_path}/app.db", f"sqla+sqlite:///{tmp_path}/broker.db")
    process = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        check=False,
        cwd=ROOT,
        env=environment(variables) | {"PYTHONUNBUFFERED": ""},  # the buffered stream is the one that is not reentrant
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (process.returncode, process.stderr) == (0, "")
    events = [json.loads(line) for line in process.stdout.splitlines()]
    messages = [event["message"] for event in events]
    assert [text for text in messages if text.startswith("line ")] == [f"line {number}" for number in range(LINES)]
    assert messages.count("child") == LINES / FORK_EVERY
    assert messages.count("signal") > 0
    assert messages[-1] == f"{messages.count('signal')} signals"
    assert events[-1]["error"]["message"] == "a failure"
