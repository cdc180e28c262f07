"""Factor IX, disposability: a supervisor stops processes gracefully and restarts crashed ones, and nothing is lost.

The tests run a real supervisord, configured from the Procfile by `honcho export`. The systemd units have the same
commands.

Seen failing: stop, with `stopsignal=QUIT` (no job went back), without `stopasgroup` (the worker was killed after 30
seconds) and with `graceful_timeout = 0` (the request was cut off); the rolling restart, with gunicorn's own `gthread`
(requests were reset); kill -9, with `autorestart=false` (nothing came back) and without the sweep (jobs never ended);
the exports, with honcho's own templates (the secret was in them, and their commands differed) and with a misspelt
`KillMode`.
"""

import http.client
import json
import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.books.factories import book, isbn
from tests.support.environment import ROOT, wait_for
from tests.support.services import skip_or_fail
from tests.system.harness.books import exported_isbns, make_csv
from tests.system.harness.network import traffic
from tests.system.harness.process import HttpClient, children_of
from tests.system.twelve_factor.supervisor import (
    EXPORT,
    EXPORT_UNITS,
    RELEASE,
    RESTART,
    Checkout,
    Supervisor,
    supervised,
)

PROCESSES = ("web-1", "web-2", "worker-1")
ROWS = 30_000


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Supervisor]:
    with supervised(tmp_path_factory.mktemp("supervised")) as supervisor:
        yield supervisor


@pytest.fixture
def supervisor(running: Supervisor) -> Supervisor:
    running.skip_logs()
    return running


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    return Checkout("postgresql://ada:hunter2@db/books", "redis://:hunter3@broker", tmp_path)


def half_a_request(user: HttpClient) -> Callable[[], http.client.HTTPResponse]:
    """Send the first half of a request. The returned function sends the other half."""
    body = json.dumps(book()).encode()
    connection = http.client.HTTPConnection(urlsplit(user.root).netloc, timeout=120)
    connection.putrequest("POST", "/api/v1/books")
    headers = {"Content-Type": "application/json", "Content-Length": len(body), **user.headers}
    for name in ("Content-Type", "Content-Length", "Authorization"):
        connection.putheader(name, headers[name])
    connection.endheaders(body[:20])

    def finish() -> http.client.HTTPResponse:
        connection.send(body[20:])
        return connection.getresponse()

    return finish


@pytest.mark.timeout(900)
def test_supervisorctl_stop_lets_requests_finish_and_jobs_return_to_the_queue(supervisor: Supervisor) -> None:
    ada = supervisor.sign_up("ada@example.org")
    job = ada.import_csv(make_csv(2 * ROWS))
    wait_for("the import is under way", lambda: ada.progress(job))
    finish = half_a_request(ada)
    with ThreadPoolExecutor() as threads:
        stopping = threads.submit(supervisor.run, "supervisorctl stop barah:*")
        wait_for("web gets the signal", lambda: "Handling signal" in supervisor.log_of("web-1"))
        assert finish().status == 201
        stopping.result()
    for process in PROCESSES:
        assert f"stopped: {process} (exit status 0)" in supervisor.log_of("supervisord")
    assert "books.import went back to the queue" in supervisor.log_of("worker-1")

    supervisor.run("supervisorctl start barah:*")
    supervisor.wait_until_ready()
    ended = ada.wait_for_job(job)
    assert (ended["status"], ended["attempts"]) == ("succeeded", 1)
    assert isbn(1) in exported_isbns(ada)


@pytest.mark.timeout(900)
def test_a_rolling_restart_under_load_fails_no_request(supervisor: Supervisor) -> None:
    ada = supervisor.sign_up("bob@example.org")
    before = {process: supervisor.pid(process) for process in PROCESSES}
    with traffic(ada, supervisor.urls) as clients:
        supervisor.run(RESTART)
    assert clients.failed() == []
    assert sorted(exported_isbns(ada)) == sorted(clients.added())
    assert all(supervisor.replaced(process, pid) for process, pid in before.items())


@pytest.mark.timeout(900)
def test_killed_processes_are_restarted_and_nothing_is_lost(supervisor: Supervisor) -> None:
    """kill -9 of a child, of a parent, and of both at once, under load."""
    ada = supervisor.sign_up("eve@example.org")
    jobs = []
    with traffic(ada, supervisor.urls) as clients:
        for kill, web in ((kill_child, "web-1"), (os.kill, "web-2"), (os.killpg, "web-1")):
            victims = {process: supervisor.pid(process) for process in ("worker-1", web)}
            jobs.append(ada.import_csv(make_csv(ROWS)))
            wait_for("the import is under way", lambda: ada.progress(jobs[-1]))
            for pid in victims.values():
                kill(pid, signal.SIGKILL)
            for process, pid in victims.items() if kill != kill_child else ():
                wait_for(f"{process} is restarted", partial(supervisor.replaced, process, pid))
            supervisor.wait_until_ready()
            clients.wait_for_answers()

    ended = [ada.wait_for_job(job) for job in jobs]
    assert [job["status"] for job in ended] == ["succeeded"] * 3
    assert (ended[0]["attempts"], ended[2]["attempts"]) == (2, 2)  # the second job may end in an orphaned child
    assert set(exported_isbns(ada)) >= clients.added() | {isbn(number) for number in range(ROWS) if number % 100 != 99}


def kill_child(pid: int, sign: int) -> None:
    os.kill(children_of(pid)[0], sign)


def test_exported_files_contain_no_secret(checkout: Checkout) -> None:
    checkout.run(EXPORT + EXPORT_UNITS)
    files = [path.read_text() for place in ("conf.d", "units") for path in (checkout.folder / place).iterdir()]
    assert len(files) == 1 + 6
    for name in ("DATABASE_URL", "BROKER_URL", "SECRET_KEY"):
        assert not [file for file in files if name in file or str(checkout.variables[name]) in file]


def test_systemd_accepts_the_units_which_have_the_commands_of_supervisord(checkout: Checkout) -> None:
    if shutil.which("systemd-analyze") is None:
        skip_or_fail("no systemd-analyze")
    checkout.run(EXPORT + EXPORT_UNITS)
    units = sorted((checkout.folder / "units").iterdir())
    verify = ["systemd-analyze", "verify", *map(str, units)]
    done = subprocess.run(verify, capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")

    def values(text: str, key: str) -> list[str]:
        return [line.removeprefix(key) for line in text.splitlines() if line.startswith(key)]

    programs = (checkout.folder / "conf.d" / "barah.conf").read_text()
    services = "".join(unit.read_text() for unit in units)
    assert len(values(services, "ExecStart=")) == len(PROCESSES)
    assert values(services, "ExecStart=") == values(programs, "command=")


def test_the_commands_are_those_of_the_documentation() -> None:
    documented = (ROOT / "docs" / "deploy.md").read_text()
    for commands in (EXPORT, EXPORT_UNITS, RELEASE, RESTART):
        assert commands in documented
