"""Factor IX, disposability: processes are reloaded, stopped and replaced under load, and no request fails.

The clients keep their connections alive, and go to whichever process lets them connect, as a router with a fixed list
does. A rolling restart and kill -9 stand in `test_09_supervision.py` (and `tests/system/faults/`), the start in
`test_09_start.py`.

Seen failing with gunicorn's own `gthread` in place of ours, when scaling down: it lets clients connect while it
stops, and cuts them off in the end (`Connection reset by peer`, three requests of four clients); and without the moment
that ours waits, for then the master alone holds the port. With `graceful_timeout = 0`, at HUP.
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
from tests.system.faults.processes import Deploy, deploy
from tests.system.formation import Service, children_of
from tests.system.twelve_factor.traffic import books, traffic


@pytest.fixture
def deployed(tmp_path: Path) -> Iterator[Deploy]:
    with ExitStack() as stack:
        database = stack.enter_context(new_database("postgresql", tmp_path))
        broker = stack.enter_context(new_broker("embedded", tmp_path))
        yield stack.enter_context(deploy(database, broker, tmp_path, WEB_CONCURRENCY=2))


def said(web: Service, words: str) -> int:
    """How often web has logged something."""
    return sum(event["message"].startswith(words) for event in web.events())


def test_hup_renews_the_processes_of_web_and_no_request_fails(deployed: Deploy) -> None:
    web = deployed.web()
    ada = web.user()
    with traffic(ada, [web.url]) as clients:
        web.process.send_signal(signal.SIGHUP)
        wait_for("new ones have come", lambda: said(web, "Booting worker") == 4)
        wait_for("the old ones have left", lambda: said(web, "Worker exiting") == 2)
    assert clients.failed() == []
    assert books(ada) == clients.added()


def test_scaling_down_under_load_fails_no_request(deployed: Deploy) -> None:
    """TERM to all processes, as Heroku sends it, and to the first alone, as Docker does."""
    first, second, third = [deployed.web() for _ in range(3)]
    ada = third.user()
    with traffic(ada, [first.url, second.url, third.url]) as clients:
        for child in children_of(first.process.pid):
            os.kill(child, signal.SIGTERM)
        time.sleep(0.1)  # the order is the kernel's; here the master, which has the port as well, is told last
        first.process.terminate()
        assert first.wait() == 0
        clients.flows()
        second.process.terminate()
        assert second.wait() == 0
    assert clients.failed() == []
    assert books(ada) == clients.added()


def test_a_connection_that_never_said_a_word_does_not_keep_web_from_stopping(deployed: Deploy) -> None:
    """Seen failing without the limit that our worker sets: web then waits until its 25 seconds are over."""
    web = deployed.web()
    with socket.create_connection(("127.0.0.1", web.port)):
        time.sleep(6)  # gunicorn waits five seconds for a first word before it puts a connection aside
        web.send(signal.SIGTERM)
        assert web.wait(15) == 0
