"""Heroku's dynos: each has one process, its own file system, an unprivileged user and no inherited environment.

The variables are those of Heroku's classic buildpack (v351), see its `bin/compile` and `vendor/*.sh`.
"""

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.environment import ROOT
from tests.support.services import skip_or_fail
from tests.system.harness.deploy.builds import Build
from tests.system.harness.process import Service
from tests.system.harness.process_table import VARIABLE

APP_JSON: dict[str, Any] = json.loads((ROOT / "app.json").read_text())
# The variables that the Python buildpack sets when a process starts.
BUILDPACK = {
    "FORWARDED_ALLOW_IPS": "*",
    "GUNICORN_CMD_ARGS": "--access-logfile -",
    "HOME": "/app",
    "LANG": "en_US.UTF-8",
    "PYTHONPATH": "/app",
    "PYTHONUNBUFFERED": "true",
    "WEB_CONCURRENCY": "2",  # on dynos of 512 MB
}
NOBODY = "65534"
# Mounts the system's folders, the build, and an empty /tmp. There is no checkout and no home.
SCRIPT = r"""
root=$1 user=$2 places=$3
shift 3
mount --make-rprivate /
mount -t tmpfs -o mode=755 tmpfs "$root"
mkdir -m 1777 "$root/tmp"
for folder in /bin /dev /etc /lib* /proc /sbin /usr; do
  if [[ -L $folder ]]; then cp -P "$folder" "$root"; else places+=$'\n'"$folder $folder"; fi
done
while read -r source target; do
  mkdir -p "$root$target"
  mount --rbind "$source" "$root$target"
done <<< "$places"
exec chroot "$root" setpriv --reuid="$user" --regid="$user" --clear-groups --inh-caps=-all --no-new-privs \
  env --ignore-environment --chdir=/app "$@"
"""


@dataclass(frozen=True)
class App:
    """An app on Heroku: a build, and the config vars of app.json and its add-ons."""

    build: Build
    config: dict[str, str]

    def command(self, line: str, folder: Path, **variables: str) -> list[str]:
        """Build the command that runs a line as Heroku does: by `bash -c`, with a file system mounted on a folder."""
        path = f"{self.build.bin}:/usr/local/bin:/usr/bin:/bin"
        given = BUILDPACK | self.config | {"PATH": path} | variables
        places = {"/app": self.build.tree, str(self.build.environment): self.build.environment}
        if sys.base_prefix != "/usr":
            places[sys.base_prefix] = Path(sys.base_prefix)
        return [
            *("unshare", "--mount", "bash", "-euc", SCRIPT, "dyno", str(folder), NOBODY),
            "\n".join(f"{source} {target}" for target, source in places.items()),
            *(f"{name}={value}" for name, value in given.items()),
            *("bash", "-c", line),
        ]


class Dyno(Service):
    """A process of an app."""

    def __init__(self, app: App, line: str, name: str, folder: Path) -> None:
        place = folder / name
        (place / "root").mkdir(parents=True)
        super().__init__(["dyno"], place, {})
        self.command = app.command(line, place / "root", DYNO=name, PORT=str(self.port), **{VARIABLE: self.mark})


def require_dynos() -> None:
    """Skip the test if we may not mount, or if this is not the Python version of runtime.txt."""
    wanted = (ROOT / "runtime.txt").read_text().strip()
    if wanted != f"python-{sys.version_info.major}.{sys.version_info.minor}":
        skip_or_fail(f"runs on another Python than the {wanted} of runtime.txt")
    try:
        subprocess.run(["unshare", "--mount", "setpriv", "--reuid", NOBODY, "true"], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        skip_or_fail(f"cannot mount, or run as another user: {error}")
