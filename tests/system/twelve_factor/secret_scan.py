"""Scans the tracked files and every line of the git history for secrets."""

import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from detect_secrets.core.scan import scan_file
from detect_secrets.settings import default_settings

from tests.support.services import skip_or_fail


@dataclass(frozen=True)
class Secret:
    """Text that looks like a secret."""

    path: str
    kind: str
    value: str


def git(tree: Path, *arguments: str) -> str:
    """Run git. Skip the test if there is no git or no repository."""
    try:
        done = subprocess.run(["git", *arguments], cwd=tree, capture_output=True, check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        skip_or_fail(f"no git, or no repository: {error}")
    return done.stdout.decode(errors="replace")


def tracked(tree: Path) -> dict[str, str]:
    """The content of each file that git tracks or would add."""
    names = git(tree, "ls-files", "-z", "--cached", "--others", "--exclude-standard").split("\0")
    return {name: (tree / name).read_text(errors="replace") for name in names if (tree / name).is_file()}


def ever_added(tree: Path) -> dict[str, str]:
    """All lines that commits have added to each file, and the commit messages."""
    lines: dict[str, dict[str, None]] = {"(messages)": dict.fromkeys(git(tree, "log", "--format=%B").splitlines())}
    log = git(tree, "log", "--patch", "--diff-merges=separate", "--unified=0", "--no-renames", "--text", "--format=")
    path = ""
    for line in log.splitlines():
        if line.startswith("+++ b/"):
            path = line.removeprefix("+++ b/")
        elif line.startswith("+") and not line.startswith("+++ "):
            lines.setdefault(path, {})[line[1:]] = None
    return {path: "\n".join(added) for path, added in lines.items()}


def secrets_in(texts: dict[str, str], folder: Path) -> Iterator[Secret]:
    """Scan texts with all detectors of detect-secrets. Comments that allow a secret are ignored."""
    with default_settings() as settings:
        settings.disable_filters("detect_secrets.filters.allowlist.is_line_allowlisted")
        for path, text in texts.items():
            file = folder / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
            for secret in scan_file(str(file)):
                yield Secret(path, secret.type, secret.secret_value or "")
