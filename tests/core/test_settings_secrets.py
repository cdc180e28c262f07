"""Settings never reveal secrets."""

import pytest
from pydantic import ValidationError

from app.core.settings import InvalidSettings, Settings
from tests.core.conftest import REQUIRED, Load, error_message, errors_in

SECRET_VALUES = {
    "DATABASE_URL": "postgresql://hunter2:hunter2@db.example.org:hunter2/hunter2",
    "BROKER_URL": "sqla+sqlite://hunter2:hunter2/hunter2#hunter2",
    "SECRET_KEY": "hunter2",
}


def test_the_message_contains_no_secret(load: Load) -> None:
    message = error_message(load, **SECRET_VALUES)
    assert set(errors_in(message)) == set(SECRET_VALUES)
    assert "hunter2" not in message


def test_pydantics_error_contains_no_secret(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    load()
    for name, value in SECRET_VALUES.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ValidationError) as raised:
        Settings()
    assert raised.value.error_count() == len(SECRET_VALUES)
    assert "hunter2" not in f"{raised.value} {raised.value!r}"


def test_the_error_has_no_context_with_values(load: Load) -> None:
    with pytest.raises(InvalidSettings) as raised:
        load(**SECRET_VALUES)
    assert raised.value.__suppress_context__


def test_printed_settings_contain_no_secret(load: Load) -> None:
    given = load(DATABASE_URL="postgresql://u:hunter2@db.example.org/n", BROKER_URL="redis://:hunter2@cache/1")
    for shown in (repr(given), str(given), repr(given.model_dump()), given.model_dump_json()):
        assert "hunter2" not in shown
        assert REQUIRED["SECRET_KEY"] not in shown
