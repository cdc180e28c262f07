"""Factor XI, logs: a stream of events, which every process writes to stdout, unbuffered, and nowhere else.

The lines of whole lives are read, of the Procfile's processes as they are: start, requests, jobs, errors, `kill -9`, a
lost broker and database, stop.

Seen failing, each at the assertion that names it: Celery's own words left to Celery (a line is no JSON); the handler of
`multiprocessing` taken away, and uncaught errors left to Python (stderr is not empty); `labels.job_id` an integer, and
gunicorn's own fields left in (not valid); release `unnamed`; masking off (the token of a broken request); local
time; no line for a queued job; another id in problems; a message on stdout before the configuration is read; a second
handler that writes a file, uploads spooled by Werkzeug, Celery's counter and gunicorn's heartbeat in /tmp (files are
written). A handler that does not flush, or writes to stderr, and a worker that forgets the request end the lives before
their end: what they wait for is not said.
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
from tests.system.faults.databases import Postgres
from tests.system.faults.servers import RedisServer, own
from tests.system.twelve_factor import page
from tests.system.twelve_factor.ecs import Event, faults
from tests.system.twelve_factor.life import RELEASE, Life, can_watch, life
from tests.system.twelve_factor.lives import MISTAKE, UPLOAD, live, outlive

pytestmark = [pytest.mark.services, pytest.mark.timeout(300)]
in_each_life = pytest.mark.parametrize("alive", ["lived", "outlived"], indirect=True)
PASSWORD = "hunter2-and-a-half"

# All in memory, and gone at once: gunicorn's heartbeat, Celery's semaphores and the counter of its children. Beside
# them, Python keeps what it has compiled; where it may not, it goes without.
IN_MEMORY = r"/dev/shm/(wgunicorn-\w+|sem\.[\w-]+|pymp-\w+(/pym-[\w-]+)?)"
WRITTEN = re.compile(rf"/dev/null|{IN_MEMORY}|.*/__pycache__(/[\w.-]+\.pyc(\.\d+)?)?")


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Life]:
    """Processes that have served, failed, been killed and been stopped, on services that are no files."""
    folder = tmp_path_factory.mktemp("life")
    with (
        new_database("postgresql", folder) as database,
        new_broker("rabbitmq", folder) as broker,
        life(folder, database, broker) as alive,
    ):
        alive.watched = can_watch()
        live(alive)
        yield alive


@pytest.fixture(scope="module")
def outlived(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Life]:
    """Processes that have lost their services for a while, whose URLs hold passwords, and say all that they can."""
    folder = tmp_path_factory.mktemp("outage")
    redis = RedisServer()
    redis.command += ["--user", "barah", "on", f">{PASSWORD}", "~*", "&*", "+@all"]
    with Postgres() as database, own(redis) as broker:
        database_url = database.url.replace("postgres@", f"postgres:{PASSWORD}@")
        with life(folder, database_url, broker.url.replace("//", f"//barah:{PASSWORD}@"), LOG_LEVEL="DEBUG") as alive:
            outlive(alive, database, broker)
            yield alive


@pytest.fixture
def alive(request: pytest.FixtureRequest) -> Life:
    """One of the lives, by its name."""
    found: Life = request.getfixturevalue(request.param)
    return found


def caused_by(request: str, events: list[Event]) -> list[Event]:
    """The events that name a request."""
    return [event for event in events if event.get("http", {}).get("request", {}).get("id") == request]


@in_each_life
def test_every_line_of_every_process_is_one_valid_event(alive: Life) -> None:
    events = [(process, event) for process in alive.programs for event in alive.events(process)]
    assert {process for process, _ in events} == {"release", "web", "worker"}
    assert [(process, event, found) for process, event in events if (found := faults(event))] == []


@in_each_life
def test_nothing_goes_to_stderr(alive: Life) -> None:
    errors = {process: program.errors.read_text() for process, program in alive.programs.items()}
    assert errors == {"release": "", "web": "", "worker": ""}


@in_each_life
def test_every_line_names_the_release(alive: Life) -> None:
    assert {event["service"]["version"] for event in alive.events()} == {RELEASE}


@in_each_life
def test_no_line_holds_a_secret(alive: Life) -> None:
    printed = alive.printed()
    assert [secret for secret in alive.secrets if secret in printed] == []


def test_times_are_utc_wherever_the_process_thinks_it_is(lived: Life) -> None:
    now = datetime.now(UTC)
    times = [datetime.fromisoformat(event["@timestamp"]) for event in lived.events()]
    assert now - timedelta(minutes=10) < min(times) <= max(times) <= now


def test_a_line_is_there_while_its_process_runs(lived: Life) -> None:
    """Nobody sets PYTHONUNBUFFERED, and stdout is no terminal."""
    assert "POST /api/v1/books/imports 202" in lived.early["web"]
    assert "books.import succeeded" in lived.early["worker"]


def test_one_request_is_followed_through_web_queue_and_worker_by_its_id(lived: Life) -> None:
    path = [
        (event["log"]["logger"], event["message"], event.get("labels", {}).get("job_id"))
        for event in caused_by(UPLOAD, lived.events("web", "worker"))
    ]
    assert path == [
        ("app.jobs.service", "books.import queued", lived.job),
        ("gunicorn.access", "POST /api/v1/books/imports 202", None),
        ("app.jobs.runner", "books.import started, attempt 1, at 0", lived.job),
        ("app.jobs.runner", "books.import succeeded, at 1000", lived.job),
    ]


def test_the_command_of_the_page_follows_a_request(lived: Life) -> None:
    """Whatever a platform writes before each line."""
    if not shutil.which("jq"):
        skip_or_fail("jq is not installed")
    command = page.block("sh", "jq").replace("$ID", UPLOAD)
    lines = "".join(
        f"2026-11-20T10:00:00.000000+00:00 app[{name}.1]: {line}\n"
        for name in ("worker", "web")
        for line in ["no event", *lived.programs[name].log().splitlines()]
    )
    found = subprocess.run(["bash", "-c", command], input=lines, capture_output=True, text=True, check=True)
    assert [line.split("  ")[1:] for line in found.stdout.splitlines()] == [
        [f"job {lived.job}", "app.jobs.service", "books.import queued"],
        ["job -", "gunicorn.access", "POST /api/v1/books/imports 202"],
        [f"job {lived.job}", "app.jobs.runner", "books.import started, attempt 1, at 0"],
        [f"job {lived.job}", "app.jobs.runner", "books.import succeeded, at 1000"],
    ]


def test_the_id_in_an_error_answer_finds_its_traceback(lived: Life) -> None:
    assert lived.problem["request_id"] == MISTAKE
    (error,) = [event["error"] for event in caused_by(MISTAKE, lived.events("web")) if "error" in event]
    assert error["type"] == "ProgrammingError"
    assert "app/books/service.py" in error["stack_trace"]


def test_no_file_is_written(lived: Life) -> None:
    """Not even for a moment, by none of the processes, nor by what they start."""
    if not lived.watched:
        skip_or_fail("strace is not installed, or may not trace")
    written = lived.written()
    assert [path for path in sorted(written) if not WRITTEN.fullmatch(path)] == []
    in_memory = [path for path in written if re.fullmatch(IN_MEMORY, path)]
    assert in_memory, "the watcher sees nothing"
    assert [path for path in in_memory if Path(path).exists()] == []


@pytest.mark.parametrize("fault", ["database away", "table in the way"])
def test_a_release_that_fails_says_why_in_events(fault: str, tmp_path: Path) -> None:
    database_url = f"sqlite:///{tmp_path}/app.db"
    if fault == "database away":
        database_url = f"postgresql://ada:{PASSWORD}@127.0.0.1:{free_port()}/books"
    else:
        with sqlite3.connect(tmp_path / "app.db") as connection:
            connection.execute("CREATE TABLE users (id INTEGER)")
    with life(tmp_path, database_url, f"sqla+sqlite:///{tmp_path}/broker.db") as alive:
        release = alive.release()
        release.start()
        assert release.wait() == 1
        assert release.errors.read_text() == ""
        events = alive.events()
        assert [(event, found) for event in events if (found := faults(event))] == []
        assert {"error", "critical"} & {event["log.level"] for event in events}
        assert PASSWORD not in alive.printed()


def test_without_a_configuration_there_is_no_format_and_the_reason_is_plain_text_on_stderr(tmp_path: Path) -> None:
    """Who reads LOG_FORMAT where SECRET_KEY is missing? The one exception; the exit code is 1."""
    with life(tmp_path, f"sqlite:///{tmp_path}/app.db", f"sqla+sqlite:///{tmp_path}/broker.db", SECRET_KEY="") as alive:
        for program in (alive.release(), alive.web(), alive.worker()):
            program.start()
        for program in alive.programs.values():
            assert program.wait() == 1
            assert program.log() == ""
            first, reason, _ = program.errors.read_text().splitlines()
            assert (first.split()[:2], reason.split()[0]) == (["The", "configuration"], "SECRET_KEY")
