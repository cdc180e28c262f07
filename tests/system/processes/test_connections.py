"""Under load, a formation holds no more database connections than `flask doctor` calculates."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import requests
from sqlalchemy import create_engine, text

from app.core.database.connections import connections_needed
from app.core.urls import database_url
from tests.conftest import make_settings
from tests.support.services import new_broker, new_database, require
from tests.system.harness.books import make_csv
from tests.system.harness.deploy import Formation


def test_a_formation_holds_no_more_connections_than_the_doctor_calculates(tmp_path: Path) -> None:
    server = create_engine(database_url(require("postgresql")))
    held = text("SELECT count(*) FROM pg_stat_activity WHERE datname = :name")
    most = 0
    with (
        new_database("postgresql", tmp_path) as url,
        new_broker("redis", tmp_path) as broker,
        Formation(url, broker, tmp_path, WEB_CONCURRENCY=2, WEB_THREADS=2, WORKER_CONCURRENCY=2) as service,
        server.connect() as connection,
        ThreadPoolExecutor(16) as clients,
    ):
        needed = connections_needed(make_settings(url, broker, web_concurrency=2, web_threads=2, worker_concurrency=2))
        user = service.sign_up()
        jobs = [user.import_csv(make_csv(2_000)) for _ in range(4)]

        def visit(_: int) -> None:
            client = user.at(service.url)
            for _ in range(10):
                assert client.get("/books").status_code == 200
                assert requests.get(f"{service.url}/readyz", timeout=120).status_code in (200, 503)

        visits = [clients.submit(visit, number) for number in range(16)]
        while not all(visit.done() for visit in visits):
            most = max(most, connection.scalar(held, {"name": url.rpartition("/")[2]}) or 0)
            connection.rollback()
        for done in visits:
            done.result()
        assert all(user.wait_for_job(job)["status"] == "succeeded" for job in jobs)
    server.dispose()
    assert needed // 3 < most <= needed
