"""Factor IX, disposability: a process is ready soon after its start.

Web is ready when `/readyz` answers 200, with PostgreSQL and RabbitMQ attached. The test starts web and bare Flask under
the same gunicorn in turn, and compares the best start of each. Only the ratio means anything.

Seen failing with `sum(range(80_000_000))` in `create_app`: web took 4.7 times as long as `attached`.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from http.client import HTTPConnection
from pathlib import Path

import pytest

from tests.support.services import new_broker, new_database
from tests.system.harness.deploy import Deploy
from tests.system.harness.process import Program, Service

BARE = Path(__file__).with_name("bare")
BOUNDS = {"hello": 10.0, "attached": 2.5}  # time until web is ready, divided by that of the Flask applications in BARE
ROUNDS = 5
GUNICORN = "gunicorn --preload --workers 2 --worker-class gthread --threads 4 --bind"


@pytest.fixture
def deploy(tmp_path: Path) -> Iterator[Deploy]:
    with ExitStack() as stack:
        database = stack.enter_context(new_database("postgresql", tmp_path))
        broker = stack.enter_context(new_broker("rabbitmq", tmp_path))
        deploy = Deploy(database, broker, tmp_path, WEB_CONCURRENCY=2, PYTHONDONTWRITEBYTECODE="")
        yield stack.enter_context(deploy)


def bare(name: str, deploy: Deploy) -> Service:
    """Bare Flask under the gunicorn of web."""
    service = Service(["gunicorn"], deploy.folder, deploy.variables, cwd=BARE)
    service.command = [*GUNICORN.split(), f"[::]:{service.port}", f"{name}:app"]
    return service


def answers(service: Service) -> bool:
    """Like `Service.ready`, but cheap enough for a busy loop."""
    connection = HTTPConnection("127.0.0.1", service.port, timeout=5)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


def seconds_to_ready(program: Program, ready: Callable[[], bool]) -> float:
    """Measure how long a program takes to be ready, and kill it."""
    begin = time.perf_counter()
    program.start()
    try:
        while not ready():
            assert program.process.poll() is None, program.log()
            assert time.perf_counter() < begin + 120, program.log()
            time.sleep(0.005)
        return time.perf_counter() - begin
    finally:
        program.kill()


@pytest.mark.alone
@pytest.mark.timeout(900)
def test_web_starts_almost_as_fast_as_bare_flask_with_the_same_services(
    deploy: Deploy, record_property: Callable[[str, object], None]
) -> None:
    web = deploy.create_web()
    services = {"web": web} | {name: bare(name, deploy) for name in BOUNDS}
    worker = deploy.create_worker()

    starts: dict[str, list[float]] = {name: [] for name in [*services, "worker"]}
    for _ in range(ROUNDS):
        for name, service in services.items():
            starts[name].append(seconds_to_ready(service, partial(answers, service)))
    starts["worker"] += [seconds_to_ready(worker, worker.ready) for _ in range(2)]

    best = {name: min(seconds) for name, seconds in starts.items()}
    ratios = {name: best["web"] / best[name] for name in BOUNDS}
    summary = ", ".join(f"{ratio:.2f} × bare Flask ({name})" for name, ratio in ratios.items())
    record_property(
        "start", f"web is ready after {summary}; a worker after {best['worker'] / best['hello']:.2f} × hello"
    )
    assert all(ratios[name] <= bound for name, bound in BOUNDS.items()), (ratios, starts)
