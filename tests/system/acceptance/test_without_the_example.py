"""The example feature, `app/books`, can be deleted as the README says."""

import re
from pathlib import Path

import pytest

from tests.support.environment import ROOT
from tests.system.acceptance.readme import block
from tests.system.harness.deploy.trees import copy_tree
from tests.system.harness.process.commands import run_command

TIMEOUT = 1200  # seconds, on a busy machine
NOWHERE = "127.0.0.1:1"  # no process listens on port 1
WITHOUT_SERVERS = {
    "TEST_POSTGRES_URL": f"postgresql://{NOWHERE}/none",
    "TEST_MARIADB_URL": f"mysql://{NOWHERE}/none",
    "TEST_REDIS_URL": f"redis://{NOWHERE}/0",
    "TEST_RABBITMQ_URL": f"amqp://{NOWHERE}//",
    "REQUIRE_SERVICES": "",
}


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of this tree, after the commands of the README that delete the example."""
    tree = copy_tree(tmp_path_factory.mktemp("without") / "tree")
    code, output = run_command({}, "bash", "-euc", block("Delete the example"), cwd=tree)
    assert code == 0, output
    assert not re.search("books", (tree / "app" / "__init__.py").read_text())
    use_environment_of_this_tree(tree)
    return tree


def use_environment_of_this_tree(tree: Path) -> None:
    """Let `bin/setup` find the packages of this tree's virtual environment, instead of installing them again."""
    environment = tree / ".venv"
    environment.mkdir()
    (environment / "bin").symlink_to(ROOT / ".venv" / "bin")
    files = (".python-version", "requirements.txt", "requirements-test.txt")
    (environment / "made-from").write_text(f"{tree}\n" + "".join((tree / name).read_text() for name in files))


def test_lint_passes_without_the_example(tree: Path) -> None:
    code, output = run_command({}, "bin/lint", cwd=tree)
    assert code == 0, output


@pytest.mark.timeout(TIMEOUT + 60)
def test_the_tests_pass_without_the_example(tree: Path) -> None:
    code, output = run_command(WITHOUT_SERVERS, "bin/test", "-q", "-rfE", cwd=tree, timeout=TIMEOUT)
    assert code == 0, output[-20_000:]
    assert re.search(r"\d+ passed", output), output[-20_000:]
