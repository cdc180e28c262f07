"""An environment for `load_settings`, and the messages of its errors."""

from collections.abc import Callable

import pytest

from app.core.settings import InvalidSettings, Settings, load_settings

REQUIRED = {
    "DATABASE_URL": "postgresql://user:hunter2@db.example.org/barah",
    "BROKER_URL": "amqp://user:hunter2@mq.example.org//",
    "SECRET_KEY": "8f2b6d1a9c3e7045f1d2c3b4a5968778",
}
DEFAULTS = {
    "PORT": 5000,
    "WEB_CONCURRENCY": 2,
    "WEB_THREADS": 4,
    "WORKER_CONCURRENCY": 2,
    "LOG_LEVEL": "INFO",
    "LOG_FORMAT": "json",
    "CORS_ORIGINS": (),
    "PROXY_HOPS": 0,
    "MAX_UPLOAD_BYTES": 16777216,
}
RELEASES = ("HEROKU_RELEASE_VERSION", "HEROKU_BUILD_COMMIT", "HEROKU_SLUG_COMMIT", "GIT_REV")

Load = Callable[..., Settings]


@pytest.fixture
def load(monkeypatch: pytest.MonkeyPatch) -> Load:
    """Load the settings from a valid environment with changes. None unsets a variable."""
    for name in (*REQUIRED, *DEFAULTS, *RELEASES):
        monkeypatch.delenv(name, raising=False)

    def load(**changes: str | None) -> Settings:
        for name, value in (REQUIRED | changes).items():
            if value is None:
                monkeypatch.delenv(name, raising=False)
            else:
                monkeypatch.setenv(name, value)
        return load_settings()

    return load


def error_message(load: Load, **changes: str | None) -> str:
    """The message of the error that an invalid environment raises."""
    with pytest.raises(InvalidSettings) as raised:
        load(**changes)
    return str(raised.value)


def errors_in(message: str) -> dict[str, str]:
    """The error of each variable in a message."""
    lines = (line.strip() for line in message.splitlines()[1:-1])
    return {name: reason for name, _, reason in (line.partition(" ") for line in lines)}
