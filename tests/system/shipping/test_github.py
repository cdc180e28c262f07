"""What GitHub reads: valid by its schemas, without known holes, and of one mind with the tree."""

import subprocess
from pathlib import Path

import pytest

from tests.support.environment import BIN, ROOT
from tests.system.twelve_factor.trees import shipped

FILES = {
    ".github/workflows/ci.yml": "vendor.github-workflows",
    ".github/dependabot.yml": "vendor.dependabot",
    ".github/ISSUE_TEMPLATE/bug.yml": "vendor.github-issue-forms",
}


def run(command: str, *arguments: str | Path) -> str:
    """Run a tool; returns what it printed, or fails with it."""
    done = subprocess.run([BIN / command, *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize(("file", "schema"), FILES.items())
def test_a_file_is_what_github_takes(file: str, schema: str) -> None:
    run("check-jsonschema", "--builtin-schema", schema, file)


def test_the_workflows_have_no_known_holes() -> None:
    """Actions pinned to commits, no credentials left behind, no more rights than needed."""
    run("zizmor", "--offline", "--no-progress", "--quiet", ".github")


def test_the_suite_runs_on_every_python_that_is_supported() -> None:
    workflow = (ROOT / ".github/workflows/ci.yml").read_text()
    assert 'python: ["3.11", "3.12", "3.13", "3.14"]' in workflow
    assert "python-version 3.11" in (ROOT / "bin/lock").read_text()  # the locks' oldest
    assert "sys.version_info >= (3, 11)" in (ROOT / "bin/setup").read_text()


def test_nothing_has_to_be_renamed_before_the_template_is_used() -> None:
    """Whoever presses "Use this template" gets another owner and another name: no file may hold the first ones."""
    texts = {name: (ROOT / name).read_text("utf-8", "replace") for name in shipped() if (ROOT / name).is_file()}
    own = {
        name
        for name, text in texts.items()
        if "github.com/" in text and name.startswith((".github/", "app.json", "README"))
    }
    assert own == set()
