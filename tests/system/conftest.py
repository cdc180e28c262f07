"""Fixtures of all system tests."""

import os
from collections.abc import Callable, Iterator

import pytest

from tests.system.harness.deploy import Build, make_build
from tests.system.harness.run import watched_run

TIMEOUT = 600  # seconds for a test: most need a few, on a machine that does nothing else


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give system tests the time that they need on a busy machine."""
    for item in items:
        if "/tests/system/" in item.path.as_posix() and not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(TIMEOUT))


@pytest.fixture(scope="session", autouse=True)
def run() -> Iterator[None]:
    """End all processes of the run with it, even if it is killed."""
    with watched_run():
        yield


@pytest.fixture(scope="session")
def build(tmp_path_factory: pytest.TempPathFactory) -> Build:
    """The tree and what its lock names, installed once in a run, by one of the test processes."""
    folder = tmp_path_factory.getbasetemp()
    return make_build((folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder) / "build")


@pytest.fixture
def measured(record_property: Callable[[str, object], None]) -> Callable[[float], None]:
    """Note a recovery time in seconds; the end of the run lists them, for `docs/reliability.md`."""

    def note(seconds: float) -> None:
        record_property("recovery", round(seconds, 1))

    return note


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the measurements: recovery and start times."""
    for report in terminalreporter.getreports("passed"):
        for name, value in getattr(report, "user_properties", ()):
            if name == "recovery" and report.when == "call":
                terminalreporter.write_line(f"recovered in {value:5.1f} s: {report.nodeid}")
            if name == "start" and report.when == "call":
                terminalreporter.write_line(str(value))
