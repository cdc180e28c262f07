"""The GitHub workflow and `.ci/run` are one definition of CI."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

ROOT = Path(__file__).parents[1]
WORKFLOW: dict[str, Any] = YAML(typ="safe").load(ROOT / ".github/workflows/ci.yml")
GIT = 'git config --global --add safe.directory "$GITHUB_WORKSPACE"'
SCRIPTS = (".ci/system-packages", ".ci/docker/setup", "bin/setup", "bin/lint", "bin/lock", "bin/test")


def steps(*names: str) -> set[str]:
    """The steps that `.ci/run` would run."""
    done = subprocess.run([ROOT / ".ci/run", "--list", *names], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def commands() -> list[str]:
    """The commands of the workflow, one for each value of a job's matrix that they name."""
    found = []
    for job in WORKFLOW["jobs"].values():
        matrix = job.get("strategy", {}).get("matrix", {})
        values = matrix.get("step", []) + [entry["step"] for entry in matrix.get("include", [])]
        for command in (step["run"] for step in job["steps"] if "run" in step):
            by_value = [command.replace("${{ matrix.step }}", value) for value in values]
            found += by_value if "${{" in command else [command]
    return found


def test_the_workflow_runs_every_step_of_ci() -> None:
    called = [command.split()[1:] for command in commands() if command.startswith(".ci/run ")]
    assert set().union(*(steps(*names) for names in called)) == steps()


def test_the_workflow_runs_nothing_but_steps_of_ci() -> None:
    other = [command for command in commands() if not re.fullmatch(r"\.ci/run [a-z ]+", command)]
    assert set(other) <= {GIT}


def test_a_step_brings_the_steps_that_it_needs() -> None:
    assert steps("docker") == {"packages", "setup", "engine", "docker"}


def test_ci_refuses_an_unknown_step() -> None:
    done = subprocess.run([ROOT / ".ci/run", "nonsense"], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "no step nonsense" in done.stderr


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A tree with the real `.ci/run`, in which every script that it calls succeeds."""
    for name in SCRIPTS:
        write_script(tmp_path / name, "exit 0")
    shutil.copy(ROOT / ".ci/run", tmp_path / ".ci/run")
    return tmp_path


def write_script(path: Path, body: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)


def run_ci(tree: Path, *names: str) -> tuple[int, dict[str, str]]:
    """Run steps. Returns the exit code, and the result of each step without its time."""
    done = subprocess.run([tree / ".ci/run", *names], capture_output=True, text=True, check=False)
    report = done.stdout.partition("== CI\n")[2]
    return done.returncode, dict(re.findall(r"^(\w+) +(passed|FAILED|skipped: .*)", report, re.MULTILINE))


def test_ci_passes_if_every_step_passes(tree: Path) -> None:
    assert run_ci(tree, "lint", "tests", "docker") == (0, dict.fromkeys(steps("lint", "tests", "docker"), "passed"))


def test_a_failure_skips_only_the_steps_that_need_it(tree: Path) -> None:
    write_script(tree / ".ci/docker/setup", "exit 1")
    assert run_ci(tree, "docker", "tests", "system") == (
        1,
        {
            "packages": "passed",
            "setup": "passed",
            "engine": "FAILED",
            "docker": "skipped: engine did not pass",
            "tests": "passed",
            "system": "passed",
        },
    )


def test_only_one_script_installs_debian_packages() -> None:
    """apt locks: two scripts that run side by side would make each other fail."""
    scripts = [path for folder in (".ci", ".github") for path in (ROOT / folder).rglob("*") if path.is_file()]
    callers = {path.name for path in scripts if "apt-get" in path.read_text() and path.name != "Dockerfile"}
    assert callers == {"system-packages"}
