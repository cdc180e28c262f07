"""Fixtures of the Docker tests: a clone, its image, and its service under Compose."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.system.harness.deploy import copy_tree
from tests.system.harness.deploy.compose import Stack, docker, require_engine
from tests.system.harness.run import run_name

RELEASE = "0123abc"
LEFT_BEHIND = (".env", "app/.env", "notes.txt", "var/barah.db", "app/__pycache__/old.pyc")


@pytest.fixture(scope="session")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clone with a developer's files, which only its owner can read."""
    require_engine()
    tree = copy_tree(tmp_path_factory.mktemp("clone"))
    for name in LEFT_BEHIND:
        (tree / name).parent.mkdir(exist_ok=True)
        (tree / name).write_text("")
    for path in tree.rglob("*"):
        path.chmod(path.stat().st_mode & 0o700)
    return tree


@pytest.fixture(scope="session")
def image(tree: Path) -> Iterator[str]:
    """The image."""
    name = f"{run_name()}-image"
    docker("build", "--build-arg", f"GIT_REV={RELEASE}", "--tag", name, ".", cwd=tree)
    yield name
    docker("image", "rm", "--force", name)


@pytest.fixture(scope="session")
def stack(tree: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The service under `docker compose up --build`."""
    with Stack(tree, tmp_path_factory.mktemp("stack")) as stack:
        yield stack
