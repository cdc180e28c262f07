"""Factor XI, logs: every process writes a stream of events to stdout, unbuffered, and nothing else.

The tests read all lines of the Procfile's processes: start, requests, jobs, errors, `kill -9`, outages of broker and
database, stop.

Seen failing, each at the assertion that names it: Celery's own log format (a line is not JSON); without the handler of
`multiprocessing`, and uncaught errors left to Python (stderr is not empty); `labels.job_id` as an integer, and
gunicorn's own fields (not valid); release `unnamed`; no redaction (the token of a malformed request); local time; no
line for a queued job; another id in problems; a message on stdout before the configuration is read; a second handler
that writes a file, uploads spooled by Werkzeug, Celery's counter and gunicorn's heartbeat in /tmp (files are written).
With a handler that does not flush, or writes to stderr, and with a worker that loses the request id, the fixtures fail:
they wait for a message.
"""

import re
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.support.environment import free_port
from tests.support.services import new_broker, new_database, skip_or_fail
from tests.system.harness.servers import PostgresServer, RedisServer
from tests.system.twelve_factor import logs_page
from tests.system.twelve_factor.ecs_schema import Event, violations
from tests.system.twelve_factor.lifecycles import FAILED, IMPORT, run_normally, run_through_outages
from tests.system.twelve_factor.logged_deploy import RELEASE, LoggedDeploy, can_trace

pytestmark = [pytest.mark.services, pytest.mark.timeout(900)]
in_each_case = pytest.mark.parametrize("deploy", ["normal", "outages"], indirect=True)
PASSWORD = "hunter2-and-a-half"

# In memory and deleted at once: gunicorn's heartbeat, Celery's semaphores and the counter of its children. On disk,
# Python writes its bytecode, and works without it.
IN_MEMORY = r"/dev/shm/(wgunicorn-\w+|sem\.[\w-]+|pymp-\w+(/pym-[\w-]+)?)"
WRITTEN = re.compile(rf"/dev/null|{IN_MEMORY}|.*/__pycache__(/[\w.-]+\.pyc(\.\d+)?)?")


@pytest.fixture(scope="module")
def normal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LoggedDeploy]:
    """Processes that have served, failed, been killed and been stopped, on PostgreSQL and RabbitMQ."""
    folder = tmp_path_factory.mktemp("normal")
    with (
        new_database("postgresql", folder) as database,
        new_broker("rabbitmq", folder) as broker,
        LoggedDeploy(database, broker, folder) as deploy,
    ):
        deploy.traced = can_trace()
        run_normally(deploy)
        yield deploy


@pytest.fixture(scope="module")
def outages(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LoggedDeploy]:
    """Processes at level DEBUG that have lost database and broker for some time. Their URLs contain passwords."""
    folder = tmp_path_factory.mktemp("outage")
    redis = RedisServer("127.0.0.1", "--user", "barah", "on", f">{PASSWORD}", "~*", "&*", "+@all")
    with PostgresServer() as database, redis as broker:
        database_url = database.url.replace("postgres@", f"postgres:{PASSWORD}@")
        broker_url = broker.url.replace("//", f"//barah:{PASSWORD}@")
        with LoggedDeploy(database_url, broker_url, folder, LOG_LEVEL="DEBUG") as deploy:
            run_through_outages(deploy, database, broker)
            yield deploy


@pytest.fixture
def deploy(request: pytest.FixtureRequest) -> LoggedDeploy:
    """One of the two, by its name."""
    found: LoggedDeploy = request.getfixturevalue(request.param)
    return found


def caused_by(request: str, events: list[Event]) -> list[Event]:
    """The events with the id of a request."""
    return [event for event in events if event.get("http", {}).get("request", {}).get("id") == request]


@in_each_case
def test_every_line_of_every_process_is_one_valid_event(deploy: LoggedDeploy) -> None:
    events = [(process, event) for process in deploy.processes for event in deploy.events(process)]
    assert {process for process, _ in events} == {"release", "web", "worker"}
    assert [(process, event, found) for process, event in events if (found := violations(event))] == []


@in_each_case
def test_nothing_goes_to_stderr(deploy: LoggedDeploy) -> None:
    errors = {process: program.stderr() for process, program in deploy.processes.items()}
    assert errors == {"release": "", "web": "", "worker": ""}


@in_each_case
def test_every_line_names_the_release(deploy: LoggedDeploy) -> None:
    assert {event["service"]["version"] for event in deploy.events()} == {RELEASE}


@in_each_case
def test_no_line_holds_a_secret(deploy: LoggedDeploy) -> None:
    printed = deploy.output()
    assert [secret for secret in deploy.secrets if secret in printed] == []


def test_times_are_utc_in_any_time_zone(normal: LoggedDeploy) -> None:
    now = datetime.now(UTC)
    times = [datetime.fromisoformat(event["@timestamp"]) for event in normal.events()]
    assert now - timedelta(hours=2) < min(times) <= max(times) <= now


def test_lines_are_not_buffered(normal: LoggedDeploy) -> None:
    """PYTHONUNBUFFERED is not set, and stdout is not a terminal."""
    assert "POST /api/v1/books/imports 202" in normal.logs_after_import["web"]
    assert "books.import succeeded" in normal.logs_after_import["worker"]


def test_a_request_id_is_on_the_lines_of_web_and_worker(normal: LoggedDeploy) -> None:
    path = [
        (event["log"]["logger"], event["message"], event.get("labels", {}).get("job_id"))
        for event in caused_by(IMPORT, normal.events("web", "worker"))
    ]
    assert path == [
        ("app.jobs.service", "books.import queued", normal.job),
        ("gunicorn.access", "POST /api/v1/books/imports 202", None),
        ("app.jobs.runner", "books.import started, attempt 1, at 0", normal.job),
        ("app.jobs.runner", "books.import succeeded, at 1000", normal.job),
    ]


def test_the_documented_command_finds_the_lines_of_a_request(normal: LoggedDeploy) -> None:
    """Platforms write a prefix before each line."""
    if not shutil.which("jq"):
        skip_or_fail("jq is not installed")
    command = logs_page.block("sh", "jq").replace("$ID", IMPORT)
    lines = "".join(
        f"2026-11-20T10:00:00.000000+00:00 app[{name}.1]: {line}\n"
        for name in ("worker", "web")
        for line in ["not an event", *normal.processes[name].log().splitlines()]
    )
    found = subprocess.run(["bash", "-c", command], input=lines, capture_output=True, text=True, check=True)
    assert [line.split("  ")[1:] for line in found.stdout.splitlines()] == [
        [f"job {normal.job}", "app.jobs.service", "books.import queued"],
        ["job -", "gunicorn.access", "POST /api/v1/books/imports 202"],
        [f"job {normal.job}", "app.jobs.runner", "books.import started, attempt 1, at 0"],
        [f"job {normal.job}", "app.jobs.runner", "books.import succeeded, at 1000"],
    ]


def test_the_request_id_of_an_error_finds_its_traceback(normal: LoggedDeploy) -> None:
    assert normal.problem["request_id"] == FAILED
    (error,) = [event["error"] for event in caused_by(FAILED, normal.events("web")) if "error" in event]
    assert error["type"] == "ProgrammingError"
    assert "app/books/service.py" in error["stack_trace"]


def test_no_file_is_written(normal: LoggedDeploy) -> None:
    """Not even for a moment, by any process or its children."""
    if not normal.traced:
        skip_or_fail("strace is not installed or may not trace")
    written = normal.written_paths()
    assert [path for path in sorted(written) if not WRITTEN.fullmatch(path)] == []
    in_memory = [path for path in written if re.fullmatch(IN_MEMORY, path)]
    assert in_memory, "strace has recorded nothing"
    assert [path for path in in_memory if Path(path).exists()] == []


@pytest.mark.parametrize("fault", ["no database", "table exists"])
def test_a_failing_release_logs_the_reason(fault: str, tmp_path: Path) -> None:
    database_url = f"sqlite:///{tmp_path}/app.db"
    if fault == "no database":
        database_url = f"postgresql://ada:{PASSWORD}@127.0.0.1:{free_port()}/books"
    else:
        with sqlite3.connect(tmp_path / "app.db") as connection:
            connection.execute("CREATE TABLE users (id INTEGER)")
    with LoggedDeploy(database_url, f"sqla+sqlite:///{tmp_path}/broker.db", tmp_path) as deploy:
        release = deploy.create_release()
        release.start()
        assert release.wait() == 1
        assert release.stderr() == ""
        events = deploy.events()
        assert [(event, found) for event in events if (found := violations(event))] == []
        assert {"error", "critical"} & {event["log.level"] for event in events}
        assert PASSWORD not in deploy.output()


def test_an_invalid_configuration_is_reported_as_plain_text_on_stderr(tmp_path: Path) -> None:
    """The only output that is no event, because LOG_FORMAT is part of the configuration. The exit code is 1."""
    urls = f"sqlite:///{tmp_path}/app.db", f"sqla+sqlite:///{tmp_path}/broker.db"
    with LoggedDeploy(*urls, tmp_path, SECRET_KEY="") as deploy:
        for program in (deploy.create_release(), deploy.create_web(), deploy.create_worker()):
            program.start()
        for program in deploy.processes.values():
            assert program.wait() == 1
            assert program.log() == ""
            first, reason, _ = program.stderr().splitlines()
            assert (first.split()[:2], reason.split()[0]) == (["The", "configuration"], "SECRET_KEY")
