"""Fixtures of the fault tests: a deploy on a pair of services."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.support.services import new_broker, new_database
from tests.system.harness.deploy import Deploy

PAIRS = [("sqlite", "embedded"), ("postgresql", "rabbitmq"), ("mariadb", "redis")]
on_each_pair = pytest.mark.parametrize(("database_kind", "broker_kind"), PAIRS)


@pytest.fixture
def deploy(database_kind: str, broker_kind: str, tmp_path: Path) -> Iterator[Deploy]:
    """A deploy on a kind of database and a kind of broker."""
    with ExitStack() as stack:
        database = stack.enter_context(new_database(database_kind, tmp_path))
        broker = stack.enter_context(new_broker(broker_kind, tmp_path))
        yield stack.enter_context(Deploy(database, broker, tmp_path))
