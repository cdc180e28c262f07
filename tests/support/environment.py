"""The environment of processes: this tree, free ports and variables."""

import os
import secrets
import socket
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

from app.core.settings import Settings

Answer = TypeVar("Answer")
Variables = Mapping[str, str | int]
ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent
OWN_VARIABLES = {name.upper() for name in Settings.model_fields} | {"PYTHONPATH", "VIRTUAL_ENV"}
OWN_PREFIXES = ("CELERY_", "FLASK_", "GUNICORN_", "HEROKU_", "HONCHO_")
LIBRARIES = {name: os.environ[name] for name in ("LD_LIBRARY_PATH",) if name in os.environ}  # may hold Python's library


def free_port() -> int:
    """Find a free port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(condition: str, probe: Callable[[], Answer], seconds: float = 120) -> Answer:
    """Call the probe until its result is true, and return the result."""
    deadline = time.monotonic() + seconds
    while True:
        if answer := probe():
            return answer
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds} s: {condition}")
        time.sleep(0.1)


def environment(variables: Variables) -> dict[str, str]:
    """Build a process's environment: these variables, and those of the shell that do not configure the service."""
    inherited = {
        name: value
        for name, value in os.environ.items()
        if name not in OWN_VARIABLES and not name.startswith(OWN_PREFIXES)
    }
    path = f"{BIN}{os.pathsep}{os.environ['PATH']}"
    return inherited | {"PATH": path, "PYTHONUNBUFFERED": "1"} | {name: str(value) for name, value in variables.items()}


def service_variables(database_url: str, broker_url: str) -> dict[str, str | int]:
    """Set the variables that have no default."""
    return {
        "DATABASE_URL": database_url,
        "BROKER_URL": broker_url,
        "SECRET_KEY": secrets.token_hex(32),
        "FLASK_SKIP_DOTENV": "1",  # a developer's .env must not change a test
    }
