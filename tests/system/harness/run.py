"""A test run: its name, and the watcher that cleans up after it."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from tests.support import leftovers
from tests.support.environment import ROOT
from tests.system.harness.process_table import VARIABLE


@contextmanager
def watched_run() -> Iterator[None]:
    """Mark all processes that are started meanwhile, and clean up at the end."""
    outer, name = os.environ.get(VARIABLE), leftovers.new_name()
    unmarked = {key: value for key, value in os.environ.items() if key != VARIABLE}
    command = [sys.executable, "-m", "tests.system.harness.watcher", name]
    with subprocess.Popen(command, cwd=ROOT, env=unmarked, stdin=subprocess.PIPE, start_new_session=True):
        os.environ[VARIABLE] = name
        try:
            yield
        finally:
            if outer is None:
                del os.environ[VARIABLE]
            else:
                os.environ[VARIABLE] = outer


def run_name() -> str:
    """The name of the current run, as a prefix of temporary names."""
    return os.environ[VARIABLE]
