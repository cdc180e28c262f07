"""`BROKER_URL` and the URLs of other services."""

import pytest

from app.core.urls import ROOT, broker_url


@pytest.mark.parametrize(
    "url",
    [
        "amqp://guest:guest@localhost:5672//",
        "amqps://user:pw@mq.example.org/vhost",
        "redis://localhost:6379/0",
        "rediss://:p%23w@cache.example.org:6380",
        "redis://[::1]:6379/0",
    ],
)
def test_a_broker_url_is_passed_unchanged(url: str) -> None:
    assert broker_url(url) == url


def test_the_embedded_brokers_path_becomes_absolute() -> None:
    assert broker_url("sqla+sqlite:///var/broker.db") == f"sqla+sqlite:///{ROOT}/var/broker.db"


@pytest.mark.parametrize(
    "url",
    [
        "redis://",
        "redis:///0",
        "redis://:hunter/2@h",
        "redis://:22/hunter@h",
        "redis://u:22#hunter@h",
        "amqp://guest:22/hunter@h//",
        "redis://h:hunter",
        "redis://h:0",
        "redis://[::1/0",
    ],
)
def test_an_invalid_broker_url_is_refused_without_repeating_it(url: str) -> None:
    with pytest.raises(ValueError, match="cannot be read") as raised:
        broker_url(url)
    assert "hunter" not in str(raised.value)
