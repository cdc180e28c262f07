"""A build: a copy of the tree, and an environment with the packages of the lock."""

import fcntl
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.system.harness.deploy.trees import copy_tree


@dataclass(frozen=True)
class Build:
    """A tree and its environment, without configuration."""

    tree: Path
    environment: Path

    @property
    def bin(self) -> Path:
        """The folder of the environment's commands."""
        return self.environment / "bin"

    @property
    def variables(self) -> dict[str, str]:
        """The variables of a process that uses this environment and no other."""
        return {"PATH": f"{self.bin}{os.pathsep}{os.defpath}"}

    def pip(self, *arguments: str) -> str:
        """Run the environment's pip, and return what it prints."""
        command = [str(self.bin / "python"), "-m", "pip", "--disable-pip-version-check", *arguments]
        inherited = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTHONHOME")}
        done = subprocess.run(command, env=inherited, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def installed(self) -> dict[str, str]:
        """The version of each installed package."""
        packages = json.loads(self.pip("list", "--format=json"))
        return {package["name"].lower().replace("_", "-"): package["version"] for package in packages}


def make_build(folder: Path) -> Build:
    """Make the build in a folder unless it exists. One of several processes makes it, and the others wait."""
    build = Build(folder / "tree", folder / "environment")
    made = folder / "made"
    folder.mkdir(exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not made.exists():
            copy_tree(build.tree)
            subprocess.run([sys.executable, "-m", "venv", str(build.environment)], check=True)
            build.pip("install", "--quiet", "--require-hashes", f"--requirement={build.tree / 'requirements.txt'}")
            made.touch()
    return build
