"""Port binding and disposability (factors VII, IX): processes start together or report why not, and stop on signals."""

import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from tests.support.environment import Variables, free_port, service_variables, wait_for
from tests.system.harness.books import generate_goodbooks
from tests.system.harness.deploy import Deploy, Formation
from tests.system.harness.process import Service, run_command

PASSWORD = "hunter2-and-a-half"
PROCESSES = {
    "web": ["bin/web", "--config", "gunicorn.conf.py"],
    "worker": ["celery", "--quiet", "--app", "app.worker", "worker"],
    "admin": ["flask", "prune"],
}


@pytest.fixture
def formation(tmp_path: Path) -> Formation:
    """A formation that is not started."""
    return Formation(f"sqlite:///{tmp_path}/app.db", f"sqla+sqlite:///{tmp_path}/broker.db", tmp_path)


@pytest.fixture
def web(tmp_path: Path) -> Service:
    """A web process that is not started, with two children and a database without tables."""
    urls = f"sqlite:///{tmp_path}/app.db", f"sqla+sqlite:///{tmp_path}/broker.db"
    return Deploy(*urls, tmp_path, WEB_CONCURRENCY=2).create_web()


@pytest.fixture
def taken_port() -> Iterator[int]:
    """A port that is in use on all interfaces."""
    with socket.create_server(("", 0)) as server:
        yield server.getsockname()[1]


def answers(url: str) -> bool:
    """Whether web answers at a URL."""
    try:
        return requests.get(f"{url}/healthz", timeout=30).status_code == 200
    except requests.RequestException:
        return False


@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM], ids=["Ctrl-C", "TERM"])
def test_a_formation_starts_stays_up_and_ends_cleanly(formation: Formation, sign: int) -> None:
    """`release` finishes its work early and must not stop the others."""
    with formation:
        wait_for("the worker is ready", lambda: "celery@" in formation.log())
        wait_for("release holds", lambda: any("tail -f" in process for process in formation.processes()))
        assert "Running upgrade" in formation.log()
        assert len({formation.pid("web"), formation.pid("worker"), formation.pid("release")}) == 3
        assert " stopped " not in formation.log()

        formation.send(sign)
        assert formation.wait() == 128 + sign
        assert formation.processes() == []
        assert " stopped " in formation.log()
        assert "SIGKILL" not in formation.log()
        assert "Traceback" not in formation.log()
        assert not [event for event in formation.events() if event["log.level"] in ("error", "critical")]
        assert not answers(formation.url)


def test_a_stopping_worker_returns_its_job_to_the_queue(formation: Formation) -> None:
    """Fails when TERM ends the worker's children at once: the job breaks off with a traceback."""
    with formation:
        ada = formation.sign_up()
        ada.import_csv(generate_goodbooks())
        wait_for("the job has started", lambda: "books.import started" in formation.log())
        formation.send(signal.SIGTERM)
        formation.wait()
    assert "books.import went back to the queue, at" in formation.log()
    assert "Traceback" not in formation.log()


def test_a_port_in_use_stops_the_formation_with_a_reason(formation: Formation, taken_port: int) -> None:
    formation.variables["PORT"] = str(taken_port)
    formation.start()
    try:
        assert formation.wait() != 0
        assert f"Connection in use: ('::', {taken_port})" in formation.log() or (
            f"Connection in use: ('0.0.0.0', {taken_port})" in formation.log()
        )
        assert "Traceback" not in formation.log()
        assert formation.processes() == []
    finally:
        formation.kill()


@pytest.mark.parametrize("process", PROCESSES)
def test_every_process_refuses_an_invalid_environment_with_one_message(process: str) -> None:
    """The message names all variables at once and shows no value: it may be a secret in the wrong variable."""
    variables: Variables = {
        "DATABASE_URL": f"mongodb://ada:{PASSWORD}@db/books",
        "SECRET_KEY": PASSWORD,
        "PORT": "eighty",
        "FLASK_SKIP_DOTENV": 1,
    }
    code, log = run_command(variables, *PROCESSES[process])
    assert code == 1
    first, *faults, last = log.splitlines()
    assert first == "The configuration is invalid, so nothing was started:"
    assert [fault.split()[0] for fault in faults] == ["DATABASE_URL", "BROKER_URL", "SECRET_KEY", "PORT"]
    assert "BROKER_URL is required" in log
    assert ".env.example" in last
    assert PASSWORD not in log
    assert "eighty" not in log


def test_an_invalid_environment_stops_the_formation(formation: Formation) -> None:
    formation.variables["SECRET_KEY"] = "change-me"
    formation.start()
    try:
        assert formation.wait() == 1
        assert "SECRET_KEY is a placeholder" in formation.log()
        assert "Traceback" not in formation.log()
        assert formation.processes() == []
    finally:
        formation.kill()


@pytest.mark.parametrize("command", [["bin/release"], ["flask", "db", "upgrade"]], ids=" ".join)
@pytest.mark.parametrize("scheme", ["postgresql", "mysql"])
def test_a_missing_database_fails_the_release_with_one_line(scheme: str, command: list[str], tmp_path: Path) -> None:
    variables = service_variables(
        f"{scheme}://ada:{PASSWORD}@127.0.0.1:{free_port()}/books", f"sqla+sqlite:///{tmp_path}/broker.db"
    )
    code, log = run_command(variables | {"HONCHO_PROCESS_NAME": "release.1"}, *command)
    assert code == 1
    (line,) = [
        line for line in log.splitlines() if "FAIL: database: " in line or "Cannot connect to the database" in line
    ]
    assert "127.0.0.1" in line
    assert "refused" in line
    assert "Traceback" not in log
    assert PASSWORD not in log


def test_a_failed_release_stops_the_formation(formation: Formation) -> None:
    """Web and worker must not run on an older schema."""
    formation.variables["DATABASE_URL"] = f"postgresql://ada:{PASSWORD}@127.0.0.1:{free_port()}/books"
    formation.start()
    try:
        assert formation.wait() != 0
        assert "release.1 stopped (rc=1)" in formation.log()
        assert PASSWORD not in formation.log()
        assert formation.processes() == []
    finally:
        formation.kill()


def test_web_answers_on_ipv4_and_ipv6(web: Service) -> None:
    families = [("127.0.0.1", "127.0.0.1")]
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
        families.append(("[::1]", "::1"))
    except OSError:
        pass  # the machine has no IPv6
    web.start()
    try:
        wait_for("web answers", lambda: answers(web.url))
        for host, _ in families:
            assert answers(f"http://{host}:{web.port}")
        expected = {address for _, address in families}
        wait_for("the log names both clients", lambda: expected == clients(web))
    finally:
        web.stop()


def test_web_continues_when_one_of_its_children_is_killed(web: Service) -> None:
    web.start()
    try:
        wait_for("web answers", lambda: answers(web.url))
        wait_for("all children are started", lambda: len(booted(web)) == 2)
        os.kill(booted(web)[0], signal.SIGKILL)
        assert all(answers(web.url) for _ in range(50))
        wait_for("another child is started", lambda: len(booted(web)) == 3)
        assert all(answers(web.url) for _ in range(50))
    finally:
        assert web.stop() == 0
    assert "Traceback" not in web.log()


def clients(web: Service) -> set[str]:
    """The addresses in the access log."""
    return {event["source"]["ip"] for event in web.events() if "source" in event}


def booted(web: Service) -> list[int]:
    """The process ids of gunicorn's children, including those that have ended."""
    messages = [event["message"] for event in web.events()]
    return [int(message.split()[-1]) for message in messages if message.startswith("Booting worker")]
