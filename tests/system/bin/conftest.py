"""Fixtures of the tests of `bin/`."""

from pathlib import Path

import pytest

from tests.system.bin.tiny_tree import make_tree


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A fresh clone."""
    return make_tree(tmp_path / "tree")
