"""Settings: valid and invalid environments."""

import secrets

import pytest
from pydantic import ValidationError

from tests.core.conftest import DEFAULTS, RELEASES, REQUIRED, Load, error_message, errors_in

BOUNDS = {
    "PORT": (1, 65535),
    "WEB_CONCURRENCY": (1, 64),
    "WEB_THREADS": (1, 64),
    "WORKER_CONCURRENCY": (1, 64),
    "PROXY_HOPS": (0, 8),
    "MAX_UPLOAD_BYTES": (1024, 2**31 - 1),
}


@pytest.mark.parametrize(("name", "default"), DEFAULTS.items())
@pytest.mark.parametrize("value", [None, ""], ids=["unset", "empty"])
def test_an_optional_variable_has_its_default(load: Load, name: str, default: object, value: str | None) -> None:
    assert getattr(load(**{name: value}), name.lower()) == default


@pytest.mark.parametrize("name", REQUIRED)
@pytest.mark.parametrize("value", [None, ""], ids=["unset", "empty"])
def test_a_required_variable_must_be_set(load: Load, name: str, value: str | None) -> None:
    assert errors_in(error_message(load, **{name: value})) == {name: "is required"}


@pytest.mark.parametrize(("name", "bound"), [(name, bound) for name, ends in BOUNDS.items() for bound in ends])
def test_the_bounds_of_a_number_are_valid(load: Load, name: str, bound: int) -> None:
    assert getattr(load(**{name: str(bound)}), name.lower()) == bound


@pytest.mark.parametrize(
    ("name", "value"),
    [(name, str(value)) for name, (low, high) in BOUNDS.items() for value in (low - 1, high + 1, "-1", "x", "2.5")],
)
def test_a_number_outside_its_bounds_is_refused(load: Load, name: str, value: str) -> None:
    assert list(errors_in(error_message(load, **{name: value}))) == [name]


@pytest.mark.parametrize(
    "secret",
    [
        "change-me",
        "changeme",
        "CHANGE_ME_PLEASE_0123456789abcdefghij",
        "your-secret-key-0123456789abcdefghijkl",
        "placeholder-0123456789abcdefghijklmnop",
        "an-example-0123456789abcdefghijklmnopq",
    ],
)
def test_a_placeholder_is_refused_as_the_secret(load: Load, secret: str) -> None:
    reason = errors_in(error_message(load, SECRET_KEY=secret))["SECRET_KEY"]
    assert reason == "is a placeholder; generate one with: openssl rand -hex 32"


@pytest.mark.parametrize("secret", ["s3cr3t", "8f2b6d1a9c3e7045f1d2c3b4a596877", "ab" * 32, "012345678" * 5])
def test_a_weak_secret_is_refused(load: Load, secret: str) -> None:
    assert errors_in(error_message(load, SECRET_KEY=secret))["SECRET_KEY"].startswith("is weak")


def test_random_hex_is_a_valid_secret(load: Load) -> None:
    secret = secrets.token_hex(32)
    assert load(SECRET_KEY=secret).secret_key.get_secret_value() == secret


def test_all_invalid_variables_are_named_in_one_message(load: Load) -> None:
    message = error_message(
        load,
        DATABASE_URL=None,
        BROKER_URL="memory://",
        SECRET_KEY="change-me",
        PORT="http",
        WEB_CONCURRENCY="0",
        WEB_THREADS="65",
        WORKER_CONCURRENCY="many",
        LOG_LEVEL="loud",
        LOG_FORMAT="xml",
        PROXY_HOPS="9",
        MAX_UPLOAD_BYTES="1",
    )
    free_text = {"CORS_ORIGINS"}
    assert set(errors_in(message)) == (set(REQUIRED) | set(DEFAULTS)) - free_text
    assert ".env.example" in message.splitlines()[-1]


@pytest.mark.parametrize(
    ("value", "origins"),
    [
        ("https://a.example", ("https://a.example",)),
        ("https://a.example,https://b.example", ("https://a.example", "https://b.example")),
        (" https://a.example , https://b.example ,", ("https://a.example", "https://b.example")),
        (",", ()),
    ],
)
def test_origins_are_separated_by_commas(load: Load, value: str, origins: tuple[str, ...]) -> None:
    assert load(CORS_ORIGINS=value).cors_origins == origins


@pytest.mark.parametrize("value", ["debug", "Debug", "DEBUG"])
def test_the_log_level_is_case_insensitive(load: Load, value: str) -> None:
    assert load(LOG_LEVEL=value).log_level == "DEBUG"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DATABASE_URL", "oracle://host/db"),
        ("BROKER_URL", "memory://"),
        ("BROKER_URL", "filesystem://"),
        ("BROKER_URL", "sqs://"),
        ("BROKER_URL", "sqla+postgresql://host/db"),
        ("BROKER_URL", "localhost:6379"),
    ],
)
def test_an_unsupported_url_is_refused_with_the_supported_schemes(load: Load, name: str, value: str) -> None:
    reason = errors_in(error_message(load, **{name: value}))[name]
    assert reason.startswith("must begin with ")
    assert reason.count("://") >= 2


@pytest.mark.parametrize("name", RELEASES)
def test_the_release_comes_from_the_platforms_variables(load: Load, name: str) -> None:
    assert load(**{name: "v42"}).release == "v42"


def test_other_variables_are_ignored(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("APP_ENV", "production")
    assert not hasattr(load(), "app_env")


def test_settings_are_frozen(load: Load) -> None:
    settings = load()
    with pytest.raises(ValidationError, match="frozen"):
        settings.port = 1  # type: ignore[misc]
