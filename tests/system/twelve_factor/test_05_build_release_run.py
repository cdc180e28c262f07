"""Factor V, build, release, run: one build serves any number of releases, and a release can be rolled back.

A release is a build with a configuration, and has an id. Its release phase runs first. If the phase fails, nothing has
changed and the previous release continues; if it succeeds, the previous code can still run on the new schema.

Seen failing: with a fixed release id in `/healthz`, in the log or in the worker's heartbeat, at the second release;
with a file that `create_app` writes, at the digests; with a readiness that refuses a newer schema, as web does not
become ready or the older release phase fails; without a transaction around migrations, and with `flask db upgrade`
before the doctor, at the schema; with its exit code ignored, at the code.
"""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from threading import Event

import pytest
import requests

from tests.books.factories import book
from tests.support.environment import wait_for
from tests.support.services import DATABASES, new_database
from tests.system.harness.books import run_journey
from tests.system.harness.deploy import Build, Deploy, digests
from tests.system.harness.process import HttpClient
from tests.system.twelve_factor.releases import next_release, schema

pytestmark = pytest.mark.timeout(900)


def create_release(build: Build, folder: Path, database_url: str, **variables: str) -> Deploy:
    """Create a release of a build, with its own broker and secret."""
    broker_url = f"sqla+sqlite:///{folder}/mq.db"
    return Deploy(database_url, broker_url, folder, tree=build.tree, **build.variables | variables)


@pytest.fixture
def first(build: Build, tmp_path: Path, database: str) -> Iterator[Deploy]:
    """The first release on a kind of database, which is migrated."""
    with (
        new_database(database, tmp_path) as url,
        create_release(build, tmp_path, url, HEROKU_RELEASE_VERSION="v1") as release,
    ):
        yield release


def shown_release(url: str) -> str:
    """The release id that a web process reports."""
    return str(requests.get(f"{url}/healthz", timeout=10).json()["release"])


def test_one_build_serves_two_releases_and_each_reports_its_id_everywhere(build: Build, tmp_path: Path) -> None:
    before = digests(build.tree)
    for variable, name in (("HEROKU_RELEASE_VERSION", "v7"), ("GIT_REV", "2f3a901c")):
        folder = tmp_path / name
        folder.mkdir()
        release = create_release(build, folder, f"sqlite:///{folder}/app.db", **{variable: name})
        code, released = release.execute("bin/release")
        assert code == 0, released
        with release.create_web() as web, release.create_worker() as worker:
            assert shown_release(web.url) == name
            worker.wait_until_ready()
            doctor = wait_for("the doctor sees the worker", lambda release=release: diagnosis(release))  # type: ignore[misc]
        assert f"release {name};" in doctor
        assert f"1 live, of release {name}" in doctor
        for printed in (released, web.log(), worker.log()):
            assert {json.loads(line)["service"]["version"] for line in printed.splitlines()} == {name}
    assert digests(build.tree) == before


def diagnosis(release: Deploy) -> str:
    """The doctor's report, or nothing if it reports a failure."""
    code, report = release.execute("flask", "doctor")
    return "" if code else report


@pytest.mark.parametrize("database", DATABASES)
def test_a_release_is_rolled_back_first_without_its_schema_and_then_with_it(first: Deploy, tmp_path: Path) -> None:
    old = schema(first)
    second = next_release(first, tmp_path, "v2")
    assert second.execute("bin/release")[0] == 0
    new = schema(second)
    assert (new["revision"], "shelf" in new["books"]) == ("shelves", True)
    with second.create_web() as web:
        assert shown_release(web.url) == "v2"
        grace = web.sign_up("grace@example.org")
        assert grace.post("/books", json=book()).status_code == 201

    code, output = first.execute("bin/release")  # a platform does it on a rollback
    assert (code, schema(first)) == (0, new), output
    with first.create_web() as web, first.create_worker() as worker:
        assert shown_release(web.url) == "v1"
        grace.root = web.url
        assert grace.patch("/books/1", json={"title": "Emma, again"}).status_code == 200
        run_journey(web)

        assert first.execute("flask", "db", "downgrade")[0] != 0  # it does not have the migration
        code, output = second.execute("flask", "db", "downgrade")
        assert (code, schema(first)) == (0, old), output
        assert web.ready()
        run_journey(web, "barbara@example.org")
        assert "Traceback" not in worker.log()


@pytest.mark.parametrize("database", DATABASES)
def test_a_release_phase_that_fails_changes_nothing_and_the_previous_release_continues(
    first: Deploy, tmp_path: Path, database: str
) -> None:
    """The migration before the one that raises is undone, too, but not on MySQL, which commits each DDL statement."""
    refused = next_release(first, tmp_path, "v2", CORS_ORIGINS="*")
    raising = next_release(first, tmp_path, "v3", raising=True)
    failures = [(refused, "FAIL: origins"), (raising, "the data is not as expected")]
    before = schema(first)
    with first.create_web() as web:
        ada = web.sign_up()
        for release, reason in failures:
            with requests_running(ada) as answers:
                code, output = release.execute("bin/release")
            assert code != 0
            assert reason in output
            assert schema(first) == before or (database, release) == ("mariadb", raising)
            assert set(answers) == {200}
        assert ada.post("/books", json=book()).status_code == 201


@contextmanager
def requests_running(user: HttpClient) -> Iterator[list[int]]:
    """Send one request after the other during the block. Yields the statuses."""
    answers: list[int] = []
    over = Event()

    def send() -> None:
        while not over.wait(0.05):
            answers.append(user.get("/books").status_code)

    with ThreadPoolExecutor(1) as threads:
        sending = threads.submit(send)
        try:
            yield answers
        finally:
            over.set()
            sending.result()
