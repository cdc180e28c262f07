"""Port binding and disposability (factors VII, IX): processes start together, or say why not, and stop when told."""

import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from tests.support.environment import Variables, free_port, service_variables, wait_for
from tests.system.acceptance import goodbooks
from tests.system.formation import Formation, Program, Web

PASSWORD = "hunter2-and-a-half"
PROCESSES = {
    "web": ["gunicorn", "--config", "gunicorn.conf.py"],
    "worker": ["celery", "--quiet", "--app", "app.worker", "worker"],
    "admin": ["flask", "prune"],
}


@pytest.fixture
def formation(tmp_path: Path) -> Formation:
    """A formation, not yet started."""
    return Formation(f"sqlite:///{tmp_path}/app.db", f"sqla+sqlite:///{tmp_path}/broker.db", tmp_path)


@pytest.fixture
def web(tmp_path: Path) -> Web:
    """A web process, not yet started, whose database has no tables."""
    return Web(f"sqlite:///{tmp_path}/app.db", f"sqla+sqlite:///{tmp_path}/broker.db", tmp_path)


@pytest.fixture
def taken_port() -> Iterator[int]:
    """A port on which somebody listens, on all interfaces."""
    with socket.create_server(("", 0)) as server:
        yield server.getsockname()[1]


def alive(url: str) -> bool:
    """Whether somebody serves there."""
    try:
        return requests.get(f"{url}/healthz", timeout=2).status_code == 200
    except requests.RequestException:
        return False


def run(command: list[str], folder: Path, variables: Variables) -> tuple[int, str]:
    """Run a program to its end: its exit code, and what it printed."""
    program = Program(command, folder, variables)
    program.start()
    try:
        return program.wait(20), program.log()
    finally:
        program.kill()


@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM], ids=["Ctrl-C", "TERM"])
def test_the_formation_starts_as_one_stays_up_and_ends_cleanly(formation: Formation, sign: int) -> None:
    """`release` has long finished its work when the others are stopped, and must not take them with it."""
    with formation:
        wait_for("the worker is ready", lambda: "celery@" in formation.log())
        wait_for("release holds", lambda: any("tail -f" in process for process in formation.processes()))
        assert "Running upgrade" in formation.log()
        assert len({formation.pid("web"), formation.pid("worker"), formation.pid("release")}) == 3
        assert " stopped " not in formation.log()

        formation.send(sign)
        assert formation.wait(10) == 128 + sign
        assert formation.processes() == []
        assert " stopped " in formation.log()
        assert "SIGKILL" not in formation.log()
        assert "Traceback" not in formation.log()
        assert not [event for event in formation.events() if event["log.level"] in ("error", "critical")]
        assert not alive(formation.url)


def test_a_job_in_progress_goes_back_to_the_queue_before_the_worker_ends(formation: Formation) -> None:
    """A worker that takes TERM to all its processes literally would break off the job, and say so with a traceback."""
    with formation:
        ada = formation.user()
        ada.import_csv(goodbooks.generated())
        wait_for("the job has begun", lambda: "books.import started" in formation.log())
        formation.send(signal.SIGTERM)
        formation.wait(10)
    assert "books.import went back to the queue, at" in formation.log()
    assert "Traceback" not in formation.log()


def test_a_used_port_ends_the_formation_with_its_reason(formation: Formation, taken_port: int) -> None:
    formation.variables["PORT"] = str(taken_port)
    formation.start()
    try:
        assert formation.wait(20) != 0
        assert f"Connection in use: ('::', {taken_port})" in formation.log() or (
            f"Connection in use: ('0.0.0.0', {taken_port})" in formation.log()
        )
        assert "Traceback" not in formation.log()
        assert formation.processes() == []
    finally:
        formation.kill()


@pytest.mark.parametrize("process", PROCESSES)
def test_every_process_refuses_a_bad_environment_with_one_message(process: str, tmp_path: Path) -> None:
    """All faults at once, each by its name, and none with the value: it may be a secret, at the wrong place."""
    code, log = run(
        PROCESSES[process],
        tmp_path,
        {
            "DATABASE_URL": f"mongodb://ada:{PASSWORD}@db/books",
            "SECRET_KEY": PASSWORD,
            "PORT": "eighty",
            "FLASK_SKIP_DOTENV": 1,
        },
    )
    assert code == 1
    first, *faults, last = log.splitlines()
    assert first == "The configuration is not usable, so nothing was started:"
    assert [fault.split()[0] for fault in faults] == ["DATABASE_URL", "BROKER_URL", "SECRET_KEY", "PORT"]
    assert "BROKER_URL is required" in log
    assert ".env.example" in last
    assert PASSWORD not in log
    assert "eighty" not in log


def test_a_bad_environment_stops_the_whole_formation(formation: Formation) -> None:
    formation.variables["SECRET_KEY"] = "change-me"
    formation.start()
    try:
        assert formation.wait(10) == 1
        assert "SECRET_KEY is a placeholder" in formation.log()
        assert "Traceback" not in formation.log()
        assert formation.processes() == []
    finally:
        formation.kill()


@pytest.mark.parametrize("command", [["bin/release"], ["flask", "db", "upgrade"]], ids=" ".join)
@pytest.mark.parametrize("scheme", ["postgresql", "mysql"])
def test_a_missing_database_fails_the_release_and_is_told_in_one_line(
    scheme: str, command: list[str], tmp_path: Path
) -> None:
    variables = service_variables(
        f"{scheme}://ada:{PASSWORD}@127.0.0.1:{free_port()}/books", f"sqla+sqlite:///{tmp_path}/broker.db"
    )
    code, log = run(command, tmp_path, variables | {"HONCHO_PROCESS_NAME": "release.1"})
    assert code == 1
    (line,) = [line for line in log.splitlines() if "FAIL: database: " in line or "does not answer: " in line]
    assert "127.0.0.1" in line
    assert "refused" in line
    assert "Traceback" not in log
    assert PASSWORD not in log


def test_a_failed_release_stops_the_formation(formation: Formation) -> None:
    """Code must not meet a schema that it does not know."""
    formation.variables["DATABASE_URL"] = f"postgresql://ada:{PASSWORD}@127.0.0.1:{free_port()}/books"
    formation.start()
    try:
        assert formation.wait(15) != 0
        assert "release.1 stopped (rc=1)" in formation.log()
        assert PASSWORD not in formation.log()
        assert formation.processes() == []
    finally:
        formation.kill()


def test_web_answers_on_both_families_of_addresses(web: Web) -> None:
    families = [("127.0.0.1", "127.0.0.1")]
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
        families.append(("[::1]", "::1"))
    except OSError:
        pass  # a machine without IPv6
    web.start()
    try:
        wait_for("web answers", lambda: alive(web.url))
        for host, _ in families:
            assert alive(f"http://{host}:{web.port}")
        expected = {address for _, address in families}
        wait_for("the log names both clients", lambda: expected == clients(web))
    finally:
        web.stop()


def test_web_serves_on_when_one_of_its_workers_is_killed(web: Web) -> None:
    web.start()
    try:
        wait_for("web answers", lambda: alive(web.url))
        wait_for("all workers are there", lambda: len(workers(web)) == 2)
        os.kill(workers(web)[0], signal.SIGKILL)
        assert all(alive(web.url) for _ in range(50))
        wait_for("another worker takes its place", lambda: len(workers(web)) == 3)
        assert all(alive(web.url) for _ in range(50))
    finally:
        assert web.stop() == 0
    assert "Traceback" not in web.log()


def clients(web: Web) -> set[str]:
    """The addresses in the access log."""
    return {event["source"]["ip"] for event in web.events() if "source" in event}


def workers(web: Web) -> list[int]:
    """The process ids of gunicorn's workers, those that have ended included."""
    messages = [event["message"] for event in web.events()]
    return [int(message.split()[-1]) for message in messages if message.startswith("Booting worker")]
