"""Dynos: a process each, with a file system of its own, an unprivileged user, and an environment that inherits nothing.

What Heroku's classic buildpack (v351) sets stands in its `bin/compile` and in `vendor/*.sh`.
"""

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.environment import ROOT
from tests.support.services import skip_or_fail
from tests.system.formation import Service
from tests.system.twelve_factor.builds import Build

APP_JSON: dict[str, Any] = json.loads((ROOT / "app.json").read_text())
# What the Python buildpack sets when a process starts.
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
# The system's folders and what was built, at the places given: no checkout, nobody's home, an empty /tmp.
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
    """An app on Heroku: what was built, and the config vars that app.json and its add-ons have given."""

    build: Build
    config: dict[str, str]

    def command(self, line: str, folder: Path, **variables: str) -> list[str]:
        """How to run a line as Heroku does, by `bash -c`, with a file system that is mounted on a folder."""
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
        self.command = app.command(line, place / "root", DYNO=name, PORT=str(self.port))


def require_dynos() -> None:
    """Skip the test at hand where nobody may mount, or where its Python is another than Heroku's would be."""
    wanted = (ROOT / "runtime.txt").read_text().strip()
    if wanted != f"python-{sys.version_info.major}.{sys.version_info.minor}":
        skip_or_fail(f"runs on another Python than the {wanted} of runtime.txt")
    try:
        subprocess.run(["unshare", "--mount", "setpriv", "--reuid", NOBODY, "true"], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        skip_or_fail(f"no right to mount, or to be another user: {error}")
