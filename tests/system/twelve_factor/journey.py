"""The acceptance journey: sign up, log in, import, watch the job, page, export; small, and the same everywhere."""

from tests.system.acceptance import goodbooks
from tests.system.acceptance.goodbooks import Expected, exported, pages
from tests.system.formation import HttpClient, Service

FILE = goodbooks.generated(300)  # three pages of books, some of them to be rejected
EXPECTED = Expected.of(FILE)


def travel(service: Service, email: str = "ada@example.org") -> HttpClient:
    """Go the whole way, and return who went it."""
    ada = service.user(email)
    job = ada.finished(ada.import_csv(FILE))
    assert (job["status"], job["attempts"]) == ("succeeded", 1), job
    assert job["result"]["created"] == len(EXPECTED.books)
    assert [error["line"] for error in job["result"]["errors"]] == EXPECTED.rejected

    shelf = pages(ada)
    assert sorted(shelf) == sorted(EXPECTED.books)
    assert exported(ada) == shelf
    assert "Traceback" not in service.log()
    return ada
