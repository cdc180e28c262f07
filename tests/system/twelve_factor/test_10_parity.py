"""Factor X, dev/prod parity: the gaps are small, in tools, in services and in time.

The same lines run under honcho and on the platforms, the tests that run on SQLite pass on the production services, and
one command leads from a commit to its release.

Seen failing: with `TZ=UTC` before a line, at the look at its words and on Dokku (no such command); with `flask db
upgrade && flask doctor` as the release line, on both platforms (no such revision; no worker yet); without gunicorn's
access log in the logging configuration, at the lines without JSON; with `GIT_REV` unknown to Settings, at the release
that Dokku and the push give; with a script that git does not know to be executable, at the release phase of all three;
with SQL that PostgreSQL does not have, in a look-up of users, at the features' tests.
"""

import os
import shlex
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import requests

from tests.support.environment import ROOT, environment, free_port, service_variables, wait_for
from tests.support.services import DATABASES, new_broker, new_database, require
from tests.system.formation import LINES, Formation, Program, Service
from tests.system.shipping.dynos import BUILDPACK
from tests.system.twelve_factor.journey import travel
from tests.system.twelve_factor.trees import copy_tree

Line = Callable[[str], list[str]]
COMMIT = "0123456789abcdef0123456789abcdef01234567"
PLATFORMS: dict[str, tuple[Line, dict[str, str]]] = {
    "Heroku": (lambda line: ["bash", "-c", line], {"DYNO": "web.1", "HEROKU_RELEASE_VERSION": COMMIT}),
    "Dokku": (shlex.split, {"DYNO": "web.1", "GIT_REV": COMMIT}),
}
FEATURES = sorted(path.parent.name for path in ROOT.glob("app/*/resources.py"))


@pytest.fixture
def urls(tmp_path: Path) -> Iterator[tuple[str, str]]:
    """A database and a broker as in production."""
    with new_database("postgresql", tmp_path) as database_url, new_broker("rabbitmq", tmp_path) as broker_url:
        yield database_url, broker_url


def test_the_lines_need_no_shell() -> None:
    """Dokku splits them into words, and that is all."""
    assert list(LINES) == ["web", "worker", "release"]
    for line in LINES.values():
        assert shlex.split(line) == line.split()
        assert not set(line) & set("&|;<>()$`*?~#\\")
        assert line.split()[0] != "exec"
        assert "=" not in line.split()[0]
        assert (ROOT / line.split()[0]).exists() == line.startswith("bin/")


@pytest.mark.services
def test_honcho_runs_the_lines(urls: tuple[str, str], tmp_path: Path) -> None:
    with Formation(*urls, tmp_path) as formation:
        travel(formation)
        for name, line in LINES.items():
            assert Path(f"/proc/{formation.pid(name)}/cmdline").read_text() == f"/bin/sh\0-c\0{line}\0"


@pytest.mark.services
@pytest.mark.parametrize("platform", PLATFORMS)
def test_a_platform_runs_the_lines(platform: str, urls: tuple[str, str], tmp_path: Path) -> None:
    """Each in its app's folder, in the buildpack's environment, and release before the others."""
    command, own = PLATFORMS[platform]
    tree = copy_tree(tmp_path / "app")
    variables = service_variables(*urls) | BUILDPACK | own | {"HOME": str(tree), "PYTHONPATH": str(tree)}

    def place(name: str) -> Path:
        (tmp_path / name).mkdir()
        return tmp_path / name

    with Program(command(LINES["release"]), place("release"), variables, cwd=tree) as release:
        assert release.wait() == 0, release.log()
    with (
        Program(command(LINES["worker"]), place("worker"), variables, cwd=tree) as worker,
        Service(command(LINES["web"]), place("web"), variables, cwd=tree) as web,
    ):
        travel(web)
        assert requests.get(f"{web.url}/healthz", timeout=5).json()["release"] == COMMIT
        assert (web.stop(), worker.stop()) == (0, 0)
        assert len(web.events()) == len(web.log().splitlines())  # gunicorn's own access log has no JSON


@pytest.mark.services
@pytest.mark.timeout(300)
def test_what_the_features_tests_say_of_sqlite_is_true_of_the_services_of_production(tmp_path: Path) -> None:
    """Most of them run on SQLite alone, to be quick; here as in production. The others are run so on any day."""
    for service in ("postgresql", "rabbitmq"):
        require(service)
    variables = {"TEST_DATABASE": "postgresql", "TEST_BROKER": "rabbitmq", "REQUIRE_SERVICES": "1"}
    others = " and ".join(f"not {database}" for database in DATABASES)
    tests = [f"tests/{folder}" for folder in (*FEATURES, "core", "bad_input")]
    with Program(["pytest", "-q", "-p", "no:cacheprovider", "-k", others, *tests], tmp_path, variables) as suite:
        assert suite.wait(280) == 0, suite.log()


def test_one_push_makes_a_release_of_a_commit(tmp_path: Path) -> None:
    """A bare repository with a hook stands for the platform; the address it serves at stays the same."""
    checkout, platform = copy_tree(tmp_path / "checkout"), tmp_path / "platform"
    port = free_port()
    urls = f"sqlite:///{tmp_path}/app.db", f"sqla+sqlite:///{tmp_path}/broker.db"
    variables = environment(service_variables(*urls) | {"PORT": port, "GIT_CONFIG_GLOBAL": os.devnull})

    def git(*arguments: str) -> str:
        ada = ["-c", "user.name=Ada", "-c", "user.email=ada@example.org"]
        return subprocess.check_output(["git", *ada, *arguments], cwd=checkout, env=variables, text=True, timeout=60)

    def push_and_see_it_released() -> None:
        git("add", "--all")
        git("commit", "--quiet", "--message", "A change")
        git("push", "--quiet", str(platform), "main")
        commit = git("rev-parse", "HEAD").strip()
        wait_for("the commit is what serves", lambda: released(port) == commit)

    git("init", "--quiet", "--initial-branch=main")
    git("init", "--quiet", "--bare", str(platform))
    shutil.copy(Path(__file__).with_name("post-receive"), platform / "hooks")
    try:
        push_and_see_it_released()
        (checkout / "app" / "health" / "landing.html").write_text("Books, now with a new page")
        push_and_see_it_released()
        assert requests.get(f"http://127.0.0.1:{port}", timeout=5).text == "Books, now with a new page"
    finally:
        with suppress(FileNotFoundError, ProcessLookupError):
            os.killpg(int((platform / "web.pid").read_text()), signal.SIGKILL)


def released(port: int) -> str:
    """The release that serves at a port."""
    try:
        return str(requests.get(f"http://127.0.0.1:{port}/healthz", timeout=5).json()["release"])
    except requests.RequestException:
        return ""
