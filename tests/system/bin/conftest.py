"""What the tests of bin/ share."""

from pathlib import Path

import pytest

from tests.system.bin.trees import make_tree


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A fresh clone."""
    return make_tree(tmp_path / "tree")
