"""The URLs that attach backing services (factor IV): checked at start, turned into what the drivers take."""

from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import dj_database_url
from sqlalchemy import URL, make_url

ROOT = Path(__file__).resolve().parents[2]

DATABASE_DRIVERS = {
    "postgres": "postgresql+psycopg",
    "postgresql": "postgresql+psycopg",
    "mysql": "mysql+pymysql",
    "sqlite": "sqlite",
}
BROKER_SCHEMES = ("amqp", "amqps", "redis", "rediss", "sqla+sqlite")


def database_url(url: str) -> URL:
    """Translate a `DATABASE_URL` for SQLAlchemy.

    Special characters in the password are percent-encoded (RFC 3986). Query options go to the driver. A relative
    SQLite path counts from the project's root, whatever the working directory.

    Raises:
        ValueError: says what is wrong with the URL, without repeating any of it.
    """
    scheme = _scheme(url, tuple(DATABASE_DRIVERS))
    try:
        if urlsplit(url).fragment:
            raise ValueError
        parts = dj_database_url.parse(url)
    except ValueError:
        raise ValueError("cannot be read; percent-encode special characters (# is %23, / is %2F, @ is %40)") from None
    if scheme == "sqlite":
        return URL.create("sqlite", database=_sqlite_file(parts["NAME"]))
    if not parts["NAME"]:
        raise ValueError("names no database; it ends with /name")
    return URL.create(
        DATABASE_DRIVERS[scheme],
        username=parts["USER"] or None,
        password=parts["PASSWORD"] or None,
        host=parts["HOST"] or None,
        port=parts["PORT"] or None,
        database=parts["NAME"],
        query=_driver_options(scheme, parts.get("OPTIONS", {})),
    )


def broker_url(url: str) -> str:
    """Check a `BROKER_URL` and make the path of an embedded broker absolute.

    Raises:
        ValueError: says what is wrong with the URL, without repeating any of it.
    """
    if _scheme(url, BROKER_SCHEMES) != "sqla+sqlite":
        return service_url(url, *BROKER_SCHEMES)
    file = make_url(url.removeprefix("sqla+")).database or ""
    return f"sqla+sqlite:///{_sqlite_file(file)}"


def service_url(url: str, *schemes: str) -> str:
    """Check that a URL has one of the schemes and a host.

    Raises:
        ValueError: says what is wrong with the URL, without repeating any of it.
    """
    _scheme(url, schemes)
    try:
        parts = urlsplit(url)
        complete = bool(parts.hostname) and parts.port != 0
    except ValueError:
        complete = False
    if not complete:
        raise ValueError("cannot be read; it has the form scheme://user:password@host:port/…")
    return url


def _scheme(url: str, known: tuple[str, ...]) -> str:
    scheme, separator, _ = url.partition("://")
    if not separator or scheme not in known:
        raise ValueError(f"must begin with {', '.join(f'{name}://' for name in known)}")
    return scheme


def _sqlite_file(path: str) -> str:
    if path in ("", ":memory:"):
        raise ValueError("names no file; what is in memory is not shared between processes")
    file = ROOT / path
    file.parent.mkdir(parents=True, exist_ok=True)
    return str(file)


def _driver_options(scheme: str, options: dict[str, Any]) -> dict[str, str]:
    """Rename what hosting providers write into MySQL URLs, which PyMySQL would refuse, to what it takes."""
    if scheme != "mysql":
        return options
    authority = options.pop("ssl", {}).get("ca")
    mode = options.pop("ssl-mode", "").upper()
    options.pop("reconnect", None)  # the pool reconnects by itself
    if authority:
        options["ssl_ca"] = authority
    elif mode in ("REQUIRED", "PREFERRED"):
        options["ssl_check_hostname"] = "false"  # encrypts without a CA to check against, as the mode says
    return {"charset": "utf8mb4"} | options
