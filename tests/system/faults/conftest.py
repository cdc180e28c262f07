"""What fault tests share: pairs of services, a deploy on each, and a note of how long recovery took."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.support.services import new_broker, new_database
from tests.system.faults.processes import Deploy, deploy

PAIRS = [("sqlite", "embedded"), ("postgresql", "rabbitmq"), ("mariadb", "redis")]
on_each_pair = pytest.mark.parametrize(("database_kind", "broker_kind"), PAIRS)


@pytest.fixture
def deployed(database_kind: str, broker_kind: str, tmp_path: Path) -> Iterator[Deploy]:
    """A deploy on a kind of database and a kind of broker."""
    with ExitStack() as stack:
        database = stack.enter_context(new_database(database_kind, tmp_path))
        broker = stack.enter_context(new_broker(broker_kind, tmp_path))
        yield stack.enter_context(deploy(database, broker, tmp_path))


@pytest.fixture
def measured(request: pytest.FixtureRequest) -> Callable[[float], None]:
    """Note a recovery time in seconds; the end of the run lists them, for `docs/reliability.md`."""

    def note(seconds: float) -> None:
        request.node.user_properties.append(("recovery", round(seconds, 1)))

    return note
