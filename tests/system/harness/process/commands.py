"""Commands that run to their end."""

import os
import pty
import subprocess
from collections.abc import Mapping
from pathlib import Path

from tests.support.environment import ROOT, Variables, environment

TIMEOUT = 300  # seconds


def run_command(
    variables: Variables, *command: str, stdin: str = "", cwd: Path = ROOT, timeout: float = TIMEOUT
) -> tuple[int, str]:
    """Run a command, and return its exit code and what it printed."""
    done = subprocess.run(
        command,
        cwd=cwd,
        env=environment(variables),
        input=stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=timeout,
        check=False,
    )
    return done.returncode, done.stdout


def run_at_terminal(variables: Variables, *command: str, answers: Mapping[str, str]) -> tuple[int, str]:
    """Run a command at a terminal and answer each prompt once. Returns its exit code and what the terminal showed."""
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
        return process.wait(TIMEOUT), shown.replace("\r\n", "\n")


def _read(terminal: int) -> str:
    try:
        return os.read(terminal, 1024).decode()
    except OSError:  # the last process has closed the terminal
        return ""
