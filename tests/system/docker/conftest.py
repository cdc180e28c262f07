"""What the tests of the image and of Compose share: the tree, as a clone has it, and what was made of it."""

import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.system.docker.stack import Stack, docker, require_engine
from tests.system.twelve_factor.trees import copy_tree

RELEASE = "0123abc"
LEFT_BEHIND = (".env", "app/.env", "notes.txt", "var/barah.db", "app/__pycache__/old.pyc")


@pytest.fixture(scope="session")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tree, with what a developer leaves in it, and made by somebody who lets nobody else read."""
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
    """The image, built as the Dockerfile says."""
    name = f"barah-test-{secrets.token_hex(4)}"
    docker("build", "--build-arg", f"GIT_REV={RELEASE}", "--tag", name, ".", cwd=tree)
    yield name
    docker("image", "rm", "--force", name)


@pytest.fixture(scope="session")
def stack(tree: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The service, by `docker compose up --build`."""
    with Stack(tree, tmp_path_factory.mktemp("stack")) as stack:
        yield stack
