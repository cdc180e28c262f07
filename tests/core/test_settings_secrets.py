"""Settings never reveal secrets."""

from collections.abc import Callable

import pytest
from pydantic import ValidationError

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
    """Load the settings from an environment that is complete, but for these changes."""
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


def refusal(load: Load, **changes: str | None) -> str:
    """The message of a start that must fail."""
    with pytest.raises(InvalidSettings) as refused:
        load(**changes)
    return str(refused.value)


def faults(message: str) -> dict[str, str]:
    """What is said about each variable."""
    lines = (line.strip() for line in message.splitlines()[1:-1])
    return {name: reason for name, _, reason in (line.partition(" ") for line in lines)}


SECRET_VALUES = {
    "DATABASE_URL": "postgresql://hunter2:hunter2@db.example.org:hunter2/hunter2",
    "BROKER_URL": "sqla+sqlite://hunter2:hunter2/hunter2#hunter2",
    "SECRET_KEY": "hunter2",
}


def test_the_message_contains_no_secret(load: Load) -> None:
    message = refusal(load, **SECRET_VALUES)
    assert set(faults(message)) == set(SECRET_VALUES)
    assert "hunter2" not in message


def test_pydantics_error_contains_no_secret(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    load()
    for name, value in SECRET_VALUES.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ValidationError) as refused:
        Settings()
    assert refused.value.error_count() == len(SECRET_VALUES)
    assert "hunter2" not in f"{refused.value} {refused.value!r}"


def test_the_error_has_no_context_with_values(load: Load) -> None:
    with pytest.raises(InvalidSettings) as refused:
        load(**SECRET_VALUES)
    assert refused.value.__suppress_context__


def test_printed_settings_contain_no_secret(load: Load) -> None:
    given = load(DATABASE_URL="postgresql://u:hunter2@db.example.org/n", BROKER_URL="redis://:hunter2@cache/1")
    for shown in (repr(given), str(given), repr(given.model_dump()), given.model_dump_json()):
        assert "hunter2" not in shown
        assert REQUIRED["SECRET_KEY"] not in shown
