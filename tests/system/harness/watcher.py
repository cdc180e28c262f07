"""Cleans up after a test run, even if it is killed: `python -m tests.system.harness.watcher RUN`.

The run holds the other end of this process's stdin. At its end of file, whatever ended the run, the watcher kills the
run's processes and removes its mounts, network namespaces and temporary folders, whose names begin with the run's.
"""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.system.harness.process_table import kill_marked


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
