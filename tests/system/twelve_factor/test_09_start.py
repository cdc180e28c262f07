"""Factor IX, disposability: a process is ready soon after it was asked for.

Ready is what `/readyz` says, with PostgreSQL and RabbitMQ attached. Web is started in turn with bare Flask under the
same gunicorn; of each the best start counts, and only the ratio between them means anything.

Seen failing with `sum(range(80_000_000))` in `create_app`: web then took 4.7 times as long as `attached`.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from http.client import HTTPConnection
from pathlib import Path

import pytest

from tests.support.services import new_broker, new_database
from tests.system.faults.processes import Deploy, Worker, deploy
from tests.system.formation import LINES, Program, Service

BARE = Path(__file__).with_name("bare")
BOUNDS = {"hello": 10.0, "attached": 2.5}  # web's time to ready, divided by that of the bare Flask in BARE
ROUNDS = 5
GUNICORN = "gunicorn --preload --workers 2 --worker-class gthread --threads 4 --bind"


@pytest.fixture
def deployed(tmp_path: Path) -> Iterator[Deploy]:
    with ExitStack() as stack:
        database = stack.enter_context(new_database("postgresql", tmp_path))
        broker = stack.enter_context(new_broker("rabbitmq", tmp_path))
        compiled_once = {"PYTHONDONTWRITEBYTECODE": ""}  # whatever the shell at hand says
        yield stack.enter_context(deploy(database, broker, tmp_path, WEB_CONCURRENCY=2, **compiled_once))


def bare(name: str, deployed: Deploy) -> Service:
    """A bare Flask, under gunicorn as web has it."""
    service = Service(["gunicorn"], deployed.folder, deployed.variables, cwd=BARE)
    service.command = [*GUNICORN.split(), f"[::]:{service.port}", f"{name}:app"]
    return service


def answers(service: Service) -> bool:
    """Like `Service.ready`, but so cheap that it can be asked all the time."""
    connection = HTTPConnection("127.0.0.1", service.port, timeout=5)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


def seconds_to_ready(program: Program, ready: Callable[[], bool]) -> float:
    """Start a program, and end it when it is ready."""
    begin = time.perf_counter()
    program.start()
    try:
        while not ready():
            assert program.process.poll() is None, program.log()
            assert time.perf_counter() < begin + 30, program.log()
            time.sleep(0.005)
        return time.perf_counter() - begin
    finally:
        program.kill()


@pytest.mark.alone
@pytest.mark.timeout(300)
def test_web_is_ready_almost_as_soon_as_bare_flask_with_the_same_services(
    deployed: Deploy, record_property: Callable[[str, object], None]
) -> None:
    web = Service(LINES["web"].split(), deployed.folder, deployed.variables)
    services = {"web": web} | {name: bare(name, deployed) for name in BOUNDS}
    worker = Worker(LINES["worker"].split(), deployed.folder, deployed.variables)

    starts: dict[str, list[float]] = {name: [] for name in [*services, "worker"]}
    for _ in range(ROUNDS):
        for name, service in services.items():
            starts[name].append(seconds_to_ready(service, partial(answers, service)))
    starts["worker"] += [seconds_to_ready(worker, worker.ready) for _ in range(2)]

    best = {name: min(seconds) for name, seconds in starts.items()}
    ratios = {name: best["web"] / best[name] for name in BOUNDS}
    told = ", ".join(f"{ratio:.2f} × bare Flask ({name})" for name, ratio in ratios.items())
    record_property("start", f"web is ready after {told}; a worker after {best['worker'] / best['hello']:.2f} × hello")
    assert all(ratios[name] <= bound for name, bound in BOUNDS.items()), (ratios, starts)
