"""`bin/lock`: locks pin every package, and a stale lock is found."""

import re
import sys
from pathlib import Path

import pytest
from uv import find_uv_bin

from tests.support.environment import ROOT
from tests.system.bin.tiny_tree import add_command, add_release, run

LOCKS = ("requirements.txt", "requirements-test.txt")


@pytest.fixture
def locked(tree: Path) -> Path:
    """A tree with fresh locks, and an environment that can only lock."""
    commands = tree / ".venv/bin"
    commands.mkdir(parents=True)
    (commands / "uv").symlink_to(find_uv_bin())
    add_command(commands, "python", f'exec "{sys.executable}" "$@"')
    result = run(tree, "bin/lock")
    assert result.returncode == 0, result.stderr
    return tree


def locks(tree: Path) -> list[str]:
    return [(tree / name).read_text() for name in LOCKS]


def test_every_locked_package_has_a_hash_and_no_lock_names_a_registry() -> None:
    for lock in locks(ROOT):
        pins = re.split(r"\n(?=[a-z0-9])", lock)[1:]
        assert pins
        assert all("==" in pin and "--hash=sha256:" in pin for pin in pins)
        assert "://" not in lock


def test_fresh_locks_pass_the_check_without_output(locked: Path) -> None:
    result = run(locked, "bin/lock --check")
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")


def test_an_edited_requirement_makes_the_lock_stale(locked: Path) -> None:
    (locked / "requirements-test.in").write_text("-c requirements.txt\ntester\ntiny\n")
    before = locks(locked)
    result = run(locked, "bin/lock --check")
    assert (result.returncode, result.stderr) == (
        1,
        "requirements-test.txt is stale: run bin/lock\n",
    )
    assert locks(locked) == before


def test_a_newer_release_is_locked_only_by_an_upgrade(locked: Path) -> None:
    """Otherwise each release of a dependency would make the lock stale."""
    add_release(locked, "tiny", "1.1")
    assert run(locked, "bin/lock --check").returncode == 0
    assert run(locked, "bin/lock").returncode == 0
    assert "tiny==1.0 " in locks(locked)[0]
    assert run(locked, "bin/lock --upgrade").returncode == 0
    assert "tiny==1.1 " in locks(locked)[0]
