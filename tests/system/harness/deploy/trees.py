"""Copies of this tree, without what a developer has left in it."""

import hashlib
import shutil
import subprocess
from pathlib import Path

from tests.support.environment import ROOT
from tests.support.services import skip_or_fail


def tracked_files() -> list[str]:
    """The files that git tracks or would add."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    try:
        names = subprocess.check_output(command, cwd=ROOT, text=True).split("\0")
    except (OSError, subprocess.CalledProcessError) as error:
        skip_or_fail(f"no git, or no repository: {error}")
        raise
    return [name for name in names if name and (ROOT / name).is_file()]


def copy_tree(target: Path) -> Path:
    """Copy the files that git tracks or would add."""
    for name in tracked_files():
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, target / name)
    return target


def digests(tree: Path) -> dict[str, str]:
    """The SHA-256 digest of each file of a tree, without Python's caches."""
    files = (path for path in tree.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return {str(path.relative_to(tree)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
