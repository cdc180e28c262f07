"""A read-only file system for one command."""

import subprocess
from collections.abc import Sequence

from tests.support.services import skip_or_fail

# As `docker run --read-only`: all mounts are read-only, and shared memory is empty and private.
SCRIPT = r"""
mount --make-rprivate /
mount -t tmpfs tmpfs /dev/shm
findmnt --raw --noheadings --output TARGET | grep --extended-regexp --invert-match '^/(proc|sys|dev)(/|$)' |
  while read -r target; do mount -o remount,bind,ro "$target"; done
exec "$@"
"""


def read_only(command: Sequence[str]) -> list[str]:
    """Wrap a command so that it can write to its own empty /dev/shm only."""
    try:
        subprocess.run(["unshare", "--mount", "true"], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        skip_or_fail(f"cannot create a mount namespace: {error}")
    return ["unshare", "--mount", "bash", "-euo", "pipefail", "-c", SCRIPT, "read-only", *command]
