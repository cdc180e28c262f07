"""Factor X, dev/prod parity: development and production use the same commands and services, and deploys are quick.

The Procfile's commands run under honcho and on the platforms, the tests that run on SQLite pass on the services of
production, and one push releases a commit.

Seen failing: with `TZ=UTC` before a command, at its words and on Dokku (no such command); with `flask db upgrade &&
flask doctor` as the release command, on both platforms (no such revision; no worker yet); without gunicorn's access log
in the logging configuration, at the lines without JSON; with `GIT_REV` unknown to Settings, at the release id on Dokku
and after the push; with a script that is not executable in git, at the release phase of all three; with SQL that
PostgreSQL does not support, at the features' tests.
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
from tests.system.harness.books import run_journey
from tests.system.harness.deploy import PROCFILE, Formation, copy_tree
from tests.system.harness.deploy.dynos import BUILDPACK
from tests.system.harness.process import Program, Service

COMMIT = "0123456789abcdef0123456789abcdef01234567"
PLATFORMS: dict[str, tuple[Callable[[str], list[str]], dict[str, str]]] = {
    "Heroku": (lambda line: ["bash", "-c", line], {"DYNO": "web.1", "HEROKU_RELEASE_VERSION": COMMIT}),
    "Dokku": (shlex.split, {"DYNO": "web.1", "GIT_REV": COMMIT}),
}
FEATURES = sorted(path.parent.name for path in ROOT.glob("app/*/resources.py"))


@pytest.fixture
def urls(tmp_path: Path) -> Iterator[tuple[str, str]]:
    """A database and a broker of the kinds used in production."""
    with new_database("postgresql", tmp_path) as database_url, new_broker("rabbitmq", tmp_path) as broker_url:
        yield database_url, broker_url


def test_the_commands_need_no_shell() -> None:
    """Dokku only splits them into words."""
    assert list(PROCFILE) == ["web", "worker", "release"]
    for line in PROCFILE.values():
        assert shlex.split(line) == line.split()
        assert not set(line) & set("&|;<>()$`*?~#\\")
        assert line.split()[0] != "exec"
        assert "=" not in line.split()[0]
        assert (ROOT / line.split()[0]).exists() == line.startswith("bin/")


@pytest.mark.services
def test_honcho_runs_the_commands(urls: tuple[str, str], tmp_path: Path) -> None:
    with Formation(*urls, tmp_path) as formation:
        run_journey(formation)
        for name, line in PROCFILE.items():
            assert Path(f"/proc/{formation.pid(name)}/cmdline").read_text() == f"/bin/sh\0-c\0{line}\0"


@pytest.mark.services
@pytest.mark.parametrize("platform", PLATFORMS)
def test_a_platform_runs_the_commands(platform: str, urls: tuple[str, str], tmp_path: Path) -> None:
    """In the folder of the app and the environment of the buildpack, with the release first."""
    command, own = PLATFORMS[platform]
    tree = copy_tree(tmp_path / "app")
    variables = service_variables(*urls) | BUILDPACK | own | {"HOME": str(tree), "PYTHONPATH": str(tree)}

    with Program(command(PROCFILE["release"]), tmp_path, variables, cwd=tree) as release:
        assert release.wait() == 0, release.log()
    with (
        Program(command(PROCFILE["worker"]), tmp_path, variables, cwd=tree) as worker,
        Service(command(PROCFILE["web"]), tmp_path, variables, cwd=tree) as web,
    ):
        run_journey(web)
        assert requests.get(f"{web.url}/healthz", timeout=60).json()["release"] == COMMIT
        assert (web.stop(), worker.stop()) == (0, 0)
        assert len(web.events()) == len(web.log().splitlines())  # gunicorn's own access log has no JSON


@pytest.mark.services
@pytest.mark.timeout(1200)
def test_the_features_tests_pass_on_the_services_of_production(tmp_path: Path) -> None:
    """`bin/test` runs most of them on SQLite only. Those that run on every database are left out here."""
    for service in ("postgresql", "rabbitmq"):
        require(service)
    variables = {"TEST_DATABASE": "postgresql", "TEST_BROKER": "rabbitmq", "REQUIRE_SERVICES": "1"}
    only_once = " and ".join(f"not {database}" for database in DATABASES)
    tests = [f"tests/{folder}" for folder in (*FEATURES, "core")]
    with Program(["pytest", "-q", "-p", "no:cacheprovider", "-k", only_once, *tests], tmp_path, variables) as suite:
        assert suite.wait(1000) == 0, suite.log()


def test_one_push_releases_a_commit(tmp_path: Path) -> None:
    """A bare repository with a hook is the platform. Its address stays the same."""
    checkout, platform = copy_tree(tmp_path / "checkout"), tmp_path / "platform"
    port = free_port()
    urls = f"sqlite:///{tmp_path}/app.db", f"sqla+sqlite:///{tmp_path}/broker.db"
    variables = environment(service_variables(*urls) | {"PORT": port, "GIT_CONFIG_GLOBAL": os.devnull})

    def git(*arguments: str) -> str:
        ada = ["-c", "user.name=Ada", "-c", "user.email=ada@example.org"]
        return subprocess.check_output(["git", *ada, *arguments], cwd=checkout, env=variables, text=True, timeout=300)

    def push_and_wait_for_the_release() -> None:
        git("add", "--all")
        git("commit", "--quiet", "--message", "A change")
        git("push", "--quiet", str(platform), "main")
        commit = git("rev-parse", "HEAD").strip()
        wait_for("the commit is released", lambda: released(port) == commit)

    git("init", "--quiet", "--initial-branch=main")
    git("init", "--quiet", "--bare", str(platform))
    shutil.copy(Path(__file__).with_name("post-receive"), platform / "hooks")
    try:
        push_and_wait_for_the_release()
        (checkout / "app" / "health" / "landing.html").write_text("Books, with a new page")
        push_and_wait_for_the_release()
        assert requests.get(f"http://127.0.0.1:{port}", timeout=60).text == "Books, with a new page"
    finally:
        with suppress(FileNotFoundError, ProcessLookupError):
            os.killpg(int((platform / "web.pid").read_text()), signal.SIGKILL)


def released(port: int) -> str:
    """The release id of the web process at a port."""
    try:
        return str(requests.get(f"http://127.0.0.1:{port}/healthz", timeout=60).json()["release"])
    except requests.RequestException:
        return ""
