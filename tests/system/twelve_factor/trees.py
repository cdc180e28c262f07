"""The tree, as whoever deploys it has it: what git would ship, and nothing that a developer has left behind."""

import hashlib
import shutil
import subprocess
from pathlib import Path

from tests.support.environment import ROOT
from tests.support.services import skip_or_fail


def shipped() -> list[str]:
    """What git knows, or would take."""
    listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    try:
        return list(filter(None, subprocess.check_output(listed, cwd=ROOT, text=True).split("\0")))
    except (OSError, subprocess.CalledProcessError) as error:
        skip_or_fail(f"no git, or no repository: {error}")
        raise


def copy_tree(target: Path) -> Path:
    """Copy what is shipped."""
    for name in shipped():
        if (ROOT / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, target / name)
    return target


def digests(tree: Path) -> dict[str, str]:
    """What each file of a tree holds, but for what Python caches."""
    files = (path for path in tree.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return {str(path.relative_to(tree)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
