"""What the tests of the twelve factors share."""

import os

import pytest

from tests.system.twelve_factor.builds import Build, build_in


@pytest.fixture(scope="session")
def build(tmp_path_factory: pytest.TempPathFactory) -> Build:
    """The tree of today and what its lock names, installed once in a run, by however many processes it is made."""
    folder = tmp_path_factory.getbasetemp()
    return build_in((folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder) / "build")
