"""A message that the publisher could not send in time is dropped: the sweep announces its job again."""

from pathlib import Path
from threading import Event

import pytest

from app import create_app
from app.core.broker.publisher import Publisher
from tests.conftest import make_settings
from tests.support.clients import at_once


def test_messages_that_wait_for_a_hanging_one_are_dropped_after_the_timeout(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    released, sent = Event(), []

    def hang(*message: object) -> None:
        assert released.wait(30)
        sent.append(message)

    settings = make_settings(f"sqlite:///{tmp_path}/app.db", f"sqla+sqlite:///{tmp_path}/broker.db")
    publisher: Publisher = create_app(settings).extensions["publisher"]
    monkeypatch.setattr(publisher, "_send", hang)
    at_once(lambda: publisher.publish("jobs.run", 1), 5)
    released.set()
    publisher._thread.shutdown()
    assert sent == [("jobs.run", (1,))]
