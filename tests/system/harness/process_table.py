"""The process table: which processes carry a mark in their environment, and their descendants."""

import os
import signal
import time
from contextlib import suppress
from pathlib import Path

VARIABLE = "BARAH_TEST_RUN"  # in the environment of every process that a test run starts


def marked(mark: str, *roots: int) -> set[int]:
    """Find the living processes that were started with a mark, these roots, and all processes below them.

    Some servers overwrite their environment with a title, so the mark alone does not find them.
    """
    entry = f"{VARIABLE}={mark}".encode()
    parents, found = _parents(), set()
    for pid in parents:
        with suppress(OSError):  # it has ended meanwhile, or belongs to another user
            variables = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
            if any(each == entry or each.startswith(entry + b"/") for each in variables):
                found.add(pid)
    found |= parents.keys() & set(roots)
    found.discard(os.getpid())
    while children := {pid for pid, parent in parents.items() if parent in found} - found:
        found |= children
    return found


def children_of(pid: int) -> list[int]:
    """Find the living child processes of a process."""
    return sorted(child for child, parent in _parents().items() if parent == pid)


def _parents() -> dict[int, int]:
    """The parent of each process that is no zombie."""
    parents = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            with suppress(OSError):  # it has ended meanwhile
                state, parent = (folder / "stat").read_text().rpartition(")")[2].split()[:2]
                if state not in "ZX":
                    parents[int(folder.name)] = int(parent)
    return parents


def command_line(pid: int) -> str:
    """The command line of a process, for messages."""
    with suppress(OSError):
        return f"{pid} {Path(f'/proc/{pid}/cmdline').read_text().replace(chr(0), ' ')}".strip()
    return ""


def send_signal(number: int, mark: str, *roots: int) -> set[int]:
    """Send a signal to the processes that `marked` finds, and return them."""
    found = marked(mark, *roots)
    for pid in found:
        with suppress(ProcessLookupError):
            os.kill(pid, number)
    return found


def kill_marked(mark: str, *roots: int) -> None:
    """Kill the processes that `marked` finds until none is left."""
    deadline = time.monotonic() + 60
    while (left := send_signal(signal.SIGKILL, mark, *roots)) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not left, f"cannot kill {[command_line(pid) for pid in left]}"
