"""Factor V, build, release, run: one build serves any number of releases, and a release can be taken back.

A release is a build with a configuration, and has an id. Its release phase goes first: where it fails, nothing has
changed and the release before it goes on; where it succeeds, the code before it can still run on the new schema.

Seen failing: with a fixed release id in `/healthz`, in the log or in what the worker says to the doctor, at the second
release; with a file that `create_app` writes, at the digests; with a schema newer than the code held to be no good, as
web does not become ready, or the older release's phase fails; without a transaction around migrations, and with
`flask db upgrade` before the doctor, at the schema; with its exit code ignored, at the code.
"""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from threading import Event

import pytest
import requests

from tests.support.clients import book
from tests.support.environment import Variables, service_variables, wait_for
from tests.support.services import DATABASES, new_database
from tests.system.formation import HttpClient
from tests.system.twelve_factor.builds import Build
from tests.system.twelve_factor.journey import travel
from tests.system.twelve_factor.releases import Release, next_release, schema
from tests.system.twelve_factor.trees import digests

pytestmark = pytest.mark.timeout(400)


def configured(build: Build, folder: Path, database_url: str, **variables: str) -> Release:
    """A release of a build, small, and with a broker and a secret of its own."""
    small: Variables = {"WEB_CONCURRENCY": 1, "WORKER_CONCURRENCY": 1}
    own = service_variables(database_url, f"sqla+sqlite:///{folder}/mq.db")
    return Release(build.tree, build, {**small, **own, **variables})


@pytest.fixture
def first(build: Build, tmp_path: Path, database: str) -> Iterator[Release]:
    """The first release on a kind of database, whose schema is there."""
    with new_database(database, tmp_path) as url:
        release = configured(build, tmp_path, url, HEROKU_RELEASE_VERSION="v1")
        code, said = release.run("flask", "db", "upgrade")
        assert code == 0, said
        yield release


def shown_release(url: str) -> str:
    """The release that answers."""
    return str(requests.get(f"{url}/healthz", timeout=10).json()["release"])


def test_one_build_serves_two_releases_and_each_says_everywhere_which_it_is(build: Build, tmp_path: Path) -> None:
    before = digests(build.tree)
    for variable, name in (("HEROKU_RELEASE_VERSION", "v7"), ("GIT_REV", "2f3a901c")):
        folder = tmp_path / name
        folder.mkdir()
        release = configured(build, folder, f"sqlite:///{folder}/app.db", **{variable: name})
        code, released = release.run("bin/release")
        assert code == 0, released
        with release.web(folder) as web, release.worker(folder) as worker:
            assert shown_release(web.url) == name
            wait_for("the worker is ready", worker.ready)
            doctor = wait_for("a worker was seen", lambda release=release: diagnosis(release))  # type: ignore[misc]
        assert f"release {name};" in doctor
        assert f"1 live, of release {name}" in doctor
        for printed in (released, web.log(), worker.log()):
            assert {json.loads(line)["service"]["version"] for line in printed.splitlines()} == {name}
    assert digests(build.tree) == before


def diagnosis(release: Release) -> str:
    """What the doctor says, when all is well."""
    code, said = release.run("flask", "doctor")
    return "" if code else said


@pytest.mark.parametrize("database", DATABASES)
def test_a_release_is_taken_back_while_its_schema_stays_and_the_schema_too_by_its_own_code(
    first: Release, tmp_path: Path
) -> None:
    old = schema(first)
    second = next_release(first, tmp_path, "v2")
    assert second.run("bin/release")[0] == 0
    new = schema(second)
    assert (new["revision"], "shelf" in new["books"]) == ("shelves", True)
    with second.web(tmp_path) as web:
        assert shown_release(web.url) == "v2"
        grace = web.user("grace@example.org")
        assert grace.post("/books", json=book()).status_code == 201

    code, said = first.run("bin/release")  # as a platform does on a rollback
    assert (code, schema(first)) == (0, new), said
    with first.web(tmp_path) as web, first.worker(tmp_path) as worker:
        assert shown_release(web.url) == "v1"
        grace.root = web.url
        assert grace.patch("/books/1", json={"title": "Emma, again"}).status_code == 200
        travel(web)

        assert first.run("flask", "db", "downgrade")[0] != 0  # it does not know how
        code, said = second.run("flask", "db", "downgrade")
        assert (code, schema(first)) == (0, old), said
        assert web.ready()
        travel(web, "barbara@example.org")
        assert "Traceback" not in worker.log()


@pytest.mark.parametrize("database", DATABASES)
def test_a_release_phase_that_fails_changes_nothing_and_the_release_before_it_goes_on(
    first: Release, tmp_path: Path, database: str
) -> None:
    """The migration before the one that raises is undone, too. On MySQL, where each is final, it stays."""
    refused = next_release(first, tmp_path, "v2", CORS_ORIGINS="*")
    raising = next_release(first, tmp_path, "v3", raising=True)
    failures = [(refused, "FAIL: origins"), (raising, "the data is not as expected")]
    before = schema(first)
    with first.web(tmp_path) as web:
        ada = web.user()
        for release, reason in failures:
            with under_requests(ada) as answers:
                code, said = release.run("bin/release")
            assert code != 0
            assert reason in said
            assert schema(first) == before or (database, release) == ("mariadb", raising)
            assert set(answers) == {200}
        assert ada.post("/books", json=book()).status_code == 201


@contextmanager
def under_requests(user: HttpClient) -> Iterator[list[int]]:
    """Send one request after the other meanwhile; what was answered is told in the end."""
    answers: list[int] = []
    over = Event()

    def ask() -> None:
        while not over.wait(0.05):
            answers.append(user.get("/books").status_code)

    with ThreadPoolExecutor(1) as threads:
        asking = threads.submit(ask)
        try:
            yield answers
        finally:
            over.set()
            asking.result()
