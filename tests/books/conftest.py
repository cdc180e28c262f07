"""The fixture that imports a file."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.books.factories import import_csv
from tests.support.clients import Client

Import = Callable[[str | bytes], dict[str, Any]]


@pytest.fixture
def import_file(ada: Client, run_jobs: Callable[[], None]) -> Import:
    """Import a file as Ada, and return the job's result."""

    def import_file(file: str | bytes) -> dict[str, Any]:
        accepted = import_csv(ada, file)
        assert accepted.status_code == 202, accepted.text
        run_jobs()
        job = ada.get("~" + accepted.headers["Location"]).json
        assert (job["status"], job["error"]) == ("succeeded", None)
        result: dict[str, Any] = job["result"]
        return result

    return import_file


def counts(result: dict[str, Any]) -> tuple[int, int, int, int]:
    """The numbers of created, updated, unchanged and rejected rows."""
    return result["created"], result["updated"], result["unchanged"], result["rejected"]
