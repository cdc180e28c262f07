"""Fixtures: captured log lines, and the environment of a process."""

import logging
import os
from collections.abc import Callable, Iterator
from io import StringIO
from pathlib import Path

import pytest

from app.core.observability.logging import AddContext, ConsoleFormatter, EcsFormatter
from tests.support.environment import LIBRARIES, service_variables

Lines = Callable[[], list[str]]


def capture(formatter: logging.Formatter) -> Iterator[Lines]:
    """Capture the lines of the root logger."""
    stream = StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(formatter)
    handler.addFilter(AddContext())
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel("INFO")
    yield lambda: stream.getvalue().splitlines()
    root.removeHandler(handler)
    root.setLevel(level)


@pytest.fixture
def json_lines() -> Iterator[Lines]:
    """The captured lines, as JSON."""
    yield from capture(EcsFormatter("v42"))


@pytest.fixture
def console_lines() -> Iterator[Lines]:
    """The captured lines, for people."""
    yield from capture(ConsoleFormatter())


def process_environment(folder: Path, **variables: str) -> dict[str, str]:
    """The environment of a process on embedded services, with nothing inherited."""
    services = service_variables(f"sqlite:///{folder}/app.db", f"sqla+sqlite:///{folder}/broker.db")
    required = {name: str(value) for name, value in services.items()}
    return LIBRARIES | {"PATH": os.environ["PATH"]} | required | variables
