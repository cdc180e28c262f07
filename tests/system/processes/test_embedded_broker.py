"""Web and worker open the embedded broker at the same time. At the first start its file does not exist."""

import sys
from pathlib import Path

from tests.support.environment import service_variables
from tests.system.harness.process import Program

SCRIPT = """
import multiprocessing, os, sys
from app import create_app

fork = multiprocessing.get_context("fork")

def announce(celery, barrier):
    barrier.wait()
    celery.send_task("jobs.run", (1,))

for number in range(5):
    os.environ["BROKER_URL"] = f"sqla+sqlite:///{sys.argv[1]}/broker-{number}.db"
    celery, barrier = create_app().extensions["celery"], fork.Barrier(6)
    processes = [fork.Process(target=announce, args=(celery, barrier)) for _ in range(6)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0] * 6
"""


def test_processes_that_create_the_broker_at_the_same_time_do_not_fail(tmp_path: Path) -> None:
    variables = service_variables(f"sqlite:///{tmp_path}/app.db", f"sqla+sqlite:///{tmp_path}/broker.db")
    with Program([sys.executable, "-c", SCRIPT, str(tmp_path)], tmp_path, variables) as program:
        assert program.wait(300) == 0, program.log()
    assert program.log() == ""
