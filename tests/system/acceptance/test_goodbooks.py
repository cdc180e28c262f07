"""The acceptance test on each pair of services: sign up, import 10,000 books, page, export."""

from pathlib import Path
from typing import Any

import pytest

from tests.support.environment import wait_for
from tests.support.services import new_broker, new_database
from tests.system.harness.books import (
    Book,
    Expected,
    export_books,
    generate_goodbooks,
    goodbooks,
    list_books,
)
from tests.system.harness.deploy import Formation
from tests.system.harness.process import HttpClient

REQUEST_ID = "acceptance-0123456789abcdef"


@pytest.mark.services
@pytest.mark.parametrize(
    ("database", "broker"),
    [
        ("sqlite", "embedded"),
        ("postgresql", "rabbitmq"),
        ("mariadb", "redis"),
    ],
)
def test_ten_thousand_books_are_imported_listed_and_exported(database: str, broker: str, tmp_path: Path) -> None:
    file = goodbooks()
    expected = Expected.of(file)
    assert len(expected.books) == 9277
    with (
        new_database(database, tmp_path) as database_url,
        new_broker(broker, tmp_path) as broker_url,
        Formation(database_url, broker_url, tmp_path) as formation,
    ):
        ada = formation.sign_up()

        job = follow(ada, ada.import_csv(file, **{"X-Request-ID": REQUEST_ID}))
        assert counts(job) == {"created": 9277, "updated": 0, "unchanged": 0, "rejected": 723}
        assert_errors_are_the_first_hundred(job["result"]["errors"], expected)
        assert_web_and_worker_log_the_request_id(formation, job)

        again = follow(ada, ada.import_csv(file))
        assert counts(again) == {"created": 0, "updated": 0, "unchanged": 9277, "rejected": 723}

        listed = list_books(ada)
        assert sorted(listed, key=by_isbn) == sorted(expected.books, key=by_isbn)
        assert export_books(ada) == listed
        log = formation.log()
        assert "Traceback" not in log
        assert str(formation.variables["SECRET_KEY"]) not in log
        assert ada.token not in log


def test_a_generated_file_has_the_faults_of_the_real_one() -> None:
    expected = Expected.of(generate_goodbooks())
    assert len({book[2] for book in expected.books}) == len(expected.books) == 9277
    assert (len(expected.without_isbn), len(expected.wrong_checksum)) == (700, 23)


def by_isbn(book: Book) -> str:
    return book[2]


def counts(job: dict[str, Any]) -> dict[str, int]:
    """The counts of a result."""
    return {name: count for name, count in job["result"].items() if name != "errors"}


def follow(user: HttpClient, path: str) -> dict[str, Any]:
    """Follow a job to its end. Its progress never decreases, and is visible while it runs."""
    seen: list[dict[str, Any]] = []

    def ended() -> bool:
        seen.append(user.get(path).json())
        return seen[-1]["status"] not in ("queued", "running")

    wait_for(f"{path} has ended", ended)
    done = [job["progress"]["done"] for job in seen]
    assert done == sorted(done)
    assert any(0 < count < 10_000 for count in done)
    assert {job["progress"]["total"] for job in seen} <= {None, 10_000}
    assert seen[-1]["progress"] == {"done": 10_000, "total": 10_000}
    assert (seen[-1]["status"], seen[-1]["attempts"], seen[-1]["error"]) == ("succeeded", 1, None)
    return seen[-1]


def assert_errors_are_the_first_hundred(errors: list[dict[str, Any]], expected: Expected) -> None:
    assert len(errors) == 100
    assert [error["line"] for error in errors] == expected.rejected[:100]
    assert {error["field"] for error in errors} == {"isbn"}
    about_checksum = [error["line"] for error in errors if "checksum" in error["message"]]
    assert about_checksum == [line for line in expected.rejected[:100] if line in expected.wrong_checksum]


def assert_web_and_worker_log_the_request_id(formation: Formation, job: dict[str, Any]) -> None:
    def lines() -> list[tuple[str, str, Any]]:
        caused = [
            event for event in formation.events() if event.get("http", {}).get("request", {}).get("id") == REQUEST_ID
        ]
        return [(event["process_type"], event["message"], event.get("labels", {}).get("job_id")) for event in caused]

    wait_for("the worker has logged the end", lambda: any("succeeded" in message for _, message, _ in lines()))
    assert ("web", "POST /api/v1/books/imports 202", None) in lines()
    assert ("worker", "books.import started, attempt 1, at 0", str(job["id"])) in lines()
    assert ("worker", "books.import succeeded, at 10000", str(job["id"])) in lines()
