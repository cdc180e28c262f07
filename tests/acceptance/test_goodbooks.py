"""The main job, by real processes on each pair of services: sign up, import 10,000 books, page, export."""

from pathlib import Path

import pytest

from tests.formation import ROOT, Formation
from tests.services import new_broker, new_database

GOODBOOKS = ROOT.parent / "shared" / "data" / "goodbooks.csv"


@pytest.mark.parametrize(
    ("database", "broker"), [("sqlite", "embedded"), ("postgresql", "rabbitmq"), ("mariadb", "redis")]
)
def test_goodbooks(database: str, broker: str, tmp_path: Path) -> None:
    content = GOODBOOKS.read_bytes()
    with (
        new_database(database, tmp_path) as database_url,
        new_broker(broker, tmp_path) as broker_url,
        Formation(database_url, broker_url, tmp_path) as formation,
    ):
        ada = formation.user()
        job = ada.finished(ada.import_csv(content))
        assert (job["result"]["created"], job["result"]["rejected"]) == (9277, 723)
        job = ada.finished(ada.import_csv(content))
        assert (job["result"]["unchanged"], job["result"]["rejected"]) == (9277, 723)
