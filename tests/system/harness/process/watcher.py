"""Cleans up after a test run, even if it is killed: `python -m tests.system.harness.process.watcher RUN`.

The run holds the other end of this process's stdin. At its end of file, whatever ended the run, the watcher kills the
run's processes and removes its mounts, network namespaces and temporary folders, whose names begin with the run's.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support import leftovers
from tests.support.environment import ROOT
from tests.system.harness.process.table import VARIABLE, kill_marked


@contextmanager
def watched_run() -> Iterator[None]:
    """Mark all processes that are started meanwhile, and clean up at the end."""
    outer, name = os.environ.get(VARIABLE), leftovers.new_name()
    unmarked = {key: value for key, value in os.environ.items() if key != VARIABLE}
    command = [sys.executable, "-m", "tests.system.harness.process.watcher", name]
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


def clean_up(run: str) -> None:
    """Remove everything that carries the name of a run."""
    kill_marked(run)
    for line in Path("/proc/self/mounts").read_text().splitlines():
        source, target = line.split()[:2]
        if source.startswith(run):
            subprocess.run(["umount", "--lazy", target], check=False)
    for namespace in Path("/run/netns").glob(f"{run}*"):
        subprocess.run(["ip", "netns", "delete", namespace.name], check=False)
    for folder in Path(tempfile.gettempdir()).glob(f"{run}*"):
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    sys.stdin.read()
    clean_up(sys.argv[1])
