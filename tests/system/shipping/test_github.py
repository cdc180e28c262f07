"""The files that GitHub reads are valid, have no known vulnerabilities, and agree with the tree."""

import subprocess
from pathlib import Path

import pytest

from tests.support.environment import BIN, ROOT
from tests.system.harness.deploy import tracked_files

FILES = {
    ".github/workflows/ci.yml": "vendor.github-workflows",
    ".github/dependabot.yml": "vendor.dependabot",
    ".github/ISSUE_TEMPLATE/bug.yml": "vendor.github-issue-forms",
}


def run(command: str, *arguments: str | Path) -> str:
    """Run a tool that must succeed, and return what it printed."""
    done = subprocess.run([BIN / command, *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize(("file", "schema"), FILES.items())
def test_a_file_is_valid_by_the_schema_of_github(file: str, schema: str) -> None:
    run("check-jsonschema", "--builtin-schema", schema, file)


def test_the_workflows_have_no_known_vulnerabilities() -> None:
    """Actions are pinned to commits, credentials are not persisted, and permissions are minimal."""
    run("zizmor", "--offline", "--no-progress", "--quiet", ".github")


def test_the_workflow_runs_on_every_supported_python() -> None:
    workflow = (ROOT / ".github/workflows/ci.yml").read_text()
    assert 'python: ["3.11", "3.12", "3.13", "3.14"]' in workflow
    assert "python-version 3.11" in (ROOT / "bin/lock").read_text()  # the oldest Python of the locks
    assert "sys.version_info >= (3, 11)" in (ROOT / "bin/setup").read_text()


def test_no_file_names_the_repository() -> None:
    """A repository created from the template has another owner and another name."""
    texts = {name: (ROOT / name).read_text("utf-8", "replace") for name in tracked_files()}
    own = {
        name
        for name, text in texts.items()
        if "github.com/" in text and name.startswith((".github/", "app.json", "README"))
    }
    assert own == set()
