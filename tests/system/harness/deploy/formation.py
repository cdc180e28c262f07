"""A deploy as honcho runs it."""

import os
import re
import sys
from pathlib import Path

from tests.support.environment import ROOT, service_variables
from tests.system.harness.process import Service

# honcho kills processes five seconds after the first one ends, which is too early on a busy machine.
HONCHO = "import honcho.command, honcho.manager; honcho.manager.KILL_WAIT = 120; honcho.command.main()"


class Formation(Service):
    """Web, worker and release, started by one `honcho start`."""

    def __init__(
        self, database_url: str, broker_url: str, folder: Path, *, cwd: Path = ROOT, **variables: str | int
    ) -> None:
        command = [sys.executable, "-c", HONCHO, "--env", os.devnull, "--no-colour", "start"]
        super().__init__(command, folder, service_variables(database_url, broker_url) | variables, cwd=cwd)

    def pid(self, process_type: str) -> int:
        """The process id of the shell that runs `web`, `worker` or `release`."""
        return int(re.findall(rf"{process_type}\.1 started \(pid=(\d+)\)", self.log())[-1])
