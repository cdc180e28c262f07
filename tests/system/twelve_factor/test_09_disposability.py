"""Factor IX, disposability: processes are reloaded, stopped and replaced under load, and no request fails.

The clients keep their connections alive and go to any process that accepts connections, as a router with a fixed list
does. Rolling restarts and kill -9 are in `test_09_supervision.py` and `tests/system/faults/`, the start is in
`test_09_start.py`.

Seen failing with gunicorn's own `gthread` instead of ours, when scaling down: it accepts connections while it stops,
and resets them at the end (`Connection reset by peer`, three requests of four clients); without the pause in ours,
because then only the master holds the port; and with `graceful_timeout = 0`, at HUP.
"""

import os
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.support.environment import wait_for
from tests.support.services import new_broker, new_database
from tests.system.harness.books import exported_isbns
from tests.system.harness.deploy import Deploy
from tests.system.harness.network import traffic
from tests.system.harness.process import children_of


@pytest.fixture
def deploy(tmp_path: Path) -> Iterator[Deploy]:
    with ExitStack() as stack:
        database = stack.enter_context(new_database("postgresql", tmp_path))
        broker = stack.enter_context(new_broker("embedded", tmp_path))
        yield stack.enter_context(Deploy(database, broker, tmp_path, WEB_CONCURRENCY=2))


def test_hup_replaces_the_processes_of_web_and_no_request_fails(deploy: Deploy) -> None:
    web = deploy.web()
    ada = web.sign_up()
    with traffic(ada, [web.url]) as clients:
        web.process.send_signal(signal.SIGHUP)
        wait_for("new children are started", lambda: web.count_events("Booting worker") == 4)
        wait_for("the old children have ended", lambda: web.count_events("Worker exiting") == 2)
    assert clients.failed() == []
    assert sorted(exported_isbns(ada)) == sorted(clients.added())


def test_scaling_down_under_load_fails_no_request(deploy: Deploy) -> None:
    """TERM to all processes, as Heroku sends it, and to the first process only, as Docker does."""
    first, second, third = [deploy.web() for _ in range(3)]
    ada = third.sign_up()
    with traffic(ada, [first.url, second.url, third.url]) as clients:
        for child in children_of(first.process.pid):
            os.kill(child, signal.SIGTERM)
        time.sleep(0.1)  # the kernel chooses the order; here the master, which also has the port, is last
        first.process.terminate()
        assert first.wait() == 0
        clients.wait_for_answers()
        second.process.terminate()
        assert second.wait() == 0
    assert clients.failed() == []
    assert sorted(exported_isbns(ada)) == sorted(clients.added())


def test_a_silent_connection_does_not_delay_the_stop_of_web(deploy: Deploy) -> None:
    """Seen failing without the limit of our worker: web stops when its graceful timeout is over."""
    deploy.variables["GUNICORN_CMD_ARGS"] = "--graceful-timeout=500"
    web = deploy.web()
    with socket.create_connection(("127.0.0.1", web.port)):
        time.sleep(6)  # gunicorn holds a thread for five seconds before it puts a silent connection aside
        web.send(signal.SIGTERM)
        assert web.wait(120) == 0
