"""One-off processes: a command, run to its end beside whatever else runs."""

import os
import pty
import subprocess
from collections.abc import Mapping
from pathlib import Path

from tests.support.environment import ROOT, Variables, environment


def one_off(variables: Variables, *command: str, typed: str = "", cwd: Path = ROOT) -> tuple[int, str]:
    """Run a command with something on its standard input; returns its exit code, and what it printed."""
    done = subprocess.run(
        command,
        cwd=cwd,
        env=environment(variables),
        input=typed,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=90,
        check=False,
    )
    return done.returncode, done.stdout


def at_terminal(variables: Variables, *command: str, answers: Mapping[str, str]) -> tuple[int, str]:
    """Run a command at a terminal, and answer each prompt once; returns its exit code, and what the terminal showed."""
    terminal, inside = pty.openpty()
    with subprocess.Popen(
        command,
        cwd=ROOT,
        env=environment(variables),
        stdin=inside,
        stdout=inside,
        stderr=inside,
        start_new_session=True,
    ) as process:
        os.close(inside)
        shown, open_prompts = "", dict(answers)
        try:
            while part := _read(terminal):
                shown += part
                for prompt in [prompt for prompt in open_prompts if shown.endswith(prompt)]:
                    os.write(terminal, f"{open_prompts.pop(prompt)}\n".encode())
        finally:
            os.close(terminal)
        return process.wait(30), shown.replace("\r\n", "\n")


def _read(terminal: int) -> str:
    try:
        return os.read(terminal, 1024).decode()
    except OSError:  # the last process has left
        return ""
