"""Factor V: the build creates one image, which runs anywhere, unprivileged and on a read-only file system.

Seen failing: without USER, or with /app owned by that user; without the `rm` of pip and ensurepip; without `*` or
`**/.*` in .dockerignore; with /venv left out of compileall. Web ended at once without the chmod (it could not read its
code) and without gunicorn's worker_tmp_dir (there was no temporary directory); without ENV GIT_REV, its release was
"unnamed".
"""

import json
import re
import sys

import pytest
import requests

from tests.support.environment import free_port, service_variables, wait_for
from tests.system.docker.conftest import LEFT_BEHIND, RELEASE
from tests.system.harness.deploy.compose import HARDENED, docker, inspect

pytestmark = [pytest.mark.docker, pytest.mark.timeout(1200)]
BUILD_TOOLS = "pip pip3 gcc cc c++ make git curl wget"
NOT_COMPILED = """
from importlib.util import cache_from_source
from pathlib import Path
print([str(path) for root in ("/app", "/venv", "/usr/local/lib") for path in Path(root).rglob("*.py")
       if not Path(cache_from_source(path)).exists()])
"""


def inside(image: str, script: str) -> str:
    """The output of a shell script in the image."""
    return docker("run", "--rm", *HARDENED, image, "sh", "-c", script)


def test_its_user_is_a_number_and_not_root(image: str) -> None:
    user = inspect(image)["Config"]["User"]
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", user)
    assert inside(image, 'echo "$(id -u):$(id -g)"') == user


def test_its_user_can_change_no_file(image: str) -> None:
    writable = "find / -xdev -writable ! -type l ! -path '/proc/*' ! -path '/dev/*' 2> /dev/null"
    found = docker("run", "--rm", image, "sh", "-c", f"{writable} || true").splitlines()
    assert set(found) <= {"/tmp", "/var/tmp", "/run/lock"}


def test_it_contains_no_build_tools(image: str) -> None:
    assert inside(image, f"for tool in {BUILD_TOOLS}; do command -v $tool; done; true") == ""
    left = "find / -xdev -name pip -o -xdev -name ensurepip 2> /dev/null; ls /var/lib/apt/lists"
    assert inside(image, f"{left}; true") == ""


def test_it_contains_the_service_and_no_files_of_a_developer(image: str) -> None:
    top = set(inside(image, "ls -A").split())
    assert {name for name in top if not re.fullmatch(r"app.*\.json|__pycache__", name)} == {
        "Procfile", "app", "bin", "gunicorn.conf.py", "migrations", "requirements.txt",
    }  # fmt: skip
    assert inside(image, "ls -A bin") == "release\nweb"
    assert inside(image, f"ls -d {' '.join(LEFT_BEHIND)} 2> /dev/null || true") == ""


def test_all_python_files_are_compiled(image: str) -> None:
    assert docker("run", "--rm", *HARDENED, image, "python", "-c", NOT_COMPILED) == "[]"


@pytest.mark.parametrize("user", ["10001:10001", "54321:0"])
def test_web_runs_hardened_as_any_user_and_stops_gracefully(image: str, user: str) -> None:
    """OpenShift uses a user that is not in the image. `/healthz` needs no service, and there is none."""
    port = free_port()
    given = service_variables("postgresql://u:p@127.0.0.1:1/x", "amqp://127.0.0.1:1//").items()
    variables = [f"--env={name}={value}" for name, value in given]
    container = docker(
        "run", "--detach", *HARDENED, "--user", user, *variables, f"--publish=127.0.0.1:{port}:5000", image
    )

    def answer() -> str | None:
        assert inspect(container)["State"]["Running"], docker("logs", container)
        try:
            return requests.get(f"http://127.0.0.1:{port}/healthz", timeout=30).text
        except requests.ConnectionError:
            return None

    try:
        assert json.loads(wait_for("web answers", answer) or "") == {"status": "ok", "release": RELEASE}
        docker("stop", "--time", "30", container)
        assert inspect(container)["State"]["ExitCode"] == 0, docker("logs", container)
    finally:
        docker("rm", "--force", container)


def test_it_is_not_much_larger_than_its_base(image: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Images share Python's base. The other layers are dependencies and bytecode."""
    history = docker("history", "--no-trunc", "--human=false", "--format", "{{.Size}} {{.CreatedBy}}", image)
    sizes = {what: int(size) for size, _, what in (layer.partition(" ") for layer in history.splitlines())}
    dependencies = next(size for what, size in sizes.items() if what.startswith("COPY /venv"))
    sources = next(size for what, size in sizes.items() if what.startswith("COPY /app"))
    with capsys.disabled():
        megabytes = [round(size / 1e6) for size in (inspect(image)["Size"], dependencies, sources)]
        sys.stdout.write("\nimage: {} MB, of which dependencies {} MB, the application {} MB\n".format(*megabytes))
    assert sources < 2_000_000
    assert dependencies < 200_000_000
