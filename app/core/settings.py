"""Configuration: every environment variable that the service reads, with its type and bounds (factor III)."""

import re
from typing import Annotated, Any, Literal, cast

from flask import current_app
from pydantic import AfterValidator, AliasChoices, BeforeValidator, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from app.core.urls import broker_url, database_url

MIN_SECRET_LENGTH = 32
PLACEHOLDERS = ("change-me", "changeme", "change_me", "placeholder", "example", "your-secret")


class InvalidSettings(SystemExit):
    """The environment is invalid. Ends the process with one message, which contains no values."""


def _strong(secret: SecretStr) -> SecretStr:
    value = secret.get_secret_value()
    if any(word in value.lower() for word in PLACEHOLDERS):
        raise ValueError("is a placeholder; generate one with: openssl rand -hex 32")
    if len(value) < MIN_SECRET_LENGTH or len(set(value)) < 10:
        raise ValueError(f"is weak; use {MIN_SECRET_LENGTH} random characters or more")
    return secret


def _database(url: SecretStr) -> SecretStr:
    database_url(url.get_secret_value())
    return url


def _broker(url: SecretStr) -> SecretStr:
    return SecretStr(broker_url(url.get_secret_value()))


def _origins(value: Any) -> Any:
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


def _origin(value: str) -> str:
    if not re.fullmatch(r"https?://[^\s/*?#@]+|\*", value):
        raise ValueError("contains something that is not an origin, such as https://app.example.org")
    return value


def _upper(value: Any) -> Any:
    return value.upper() if isinstance(value, str) else value


class Settings(BaseSettings):
    """The validated environment. An empty variable counts as unset."""

    model_config = SettingsConfigDict(env_ignore_empty=True, hide_input_in_errors=True, frozen=True, extra="ignore")

    # Backing services, each attached by its URL alone (factor IV).
    database_url: Annotated[SecretStr, AfterValidator(_database)]
    broker_url: Annotated[SecretStr, AfterValidator(_broker)]

    # Signs tokens and cursors. Anyone who knows it can act as any user.
    secret_key: Annotated[SecretStr, AfterValidator(_strong)]

    # Process sizes. `core/database/connections.py` computes how many database connections they need.
    port: int = Field(5000, ge=1, le=65535)
    web_concurrency: int = Field(2, ge=1, le=64)
    web_threads: int = Field(4, ge=1, le=64)
    worker_concurrency: int = Field(2, ge=1, le=64)

    log_level: Annotated[Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"], BeforeValidator(_upper)] = "INFO"
    log_format: Literal["json", "console"] = "json"

    # Browsers and proxies. With more hops than there are proxies, a client could choose its own address.
    cors_origins: Annotated[
        tuple[Annotated[str, AfterValidator(_origin)], ...], NoDecode, BeforeValidator(_origins)
    ] = ()
    proxy_hops: int = Field(0, ge=0, le=8)
    max_upload_bytes: int = Field(16 * 1024 * 1024, ge=1024, le=2**31 - 1)

    # honcho's name for this process. honcho itself puts the time before each line.
    honcho_process_name: str = ""

    # The platform's name for this release: Heroku's dyno metadata or Dokku's revision.
    release: str = Field(
        "unnamed",
        validation_alias=AliasChoices("HEROKU_RELEASE_VERSION", "HEROKU_BUILD_COMMIT", "HEROKU_SLUG_COMMIT", "GIT_REV"),
    )


def load_settings() -> Settings:
    """Read the environment.

    Raises:
        InvalidSettings: One message that names every missing or malformed variable.
    """
    try:
        return Settings()
    except ValidationError as invalid:
        faults = (f"  {'.'.join(map(str, error['loc'])).upper()} {_reason(error)}" for error in invalid.errors())
        message = "The configuration is invalid, so nothing was started:"
        raise InvalidSettings("\n".join([message, *faults, "See .env.example for every variable."])) from None


def current_settings() -> Settings:
    """The settings of the current application."""
    return cast(Settings, current_app.extensions["settings"])


def _reason(error: Any) -> str:
    if error["type"] == "missing":
        return "is required"
    return str(error["msg"]).removeprefix("Value error, ").replace("Input should be", "should be", 1)
