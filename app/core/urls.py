"""The URLs that attach backing services (factor IV): checked at start, and translated for the drivers."""

import inspect
import os
import ssl
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit

import dj_database_url
from sqlalchemy import URL

ROOT = Path(__file__).resolve().parents[2]

DATABASE_DRIVERS = {
    "postgres": "postgresql+psycopg",
    "postgresql": "postgresql+psycopg",
    "mysql": "mysql+pymysql",
    "sqlite": "sqlite",
}
# The names of the options in MySQL URLs that are about TLS, and PyMySQL's options for each of their values.
TLS_OPTIONS = ("ssl-mode", "ssl_mode", "sslmode", "sslaccept", "ssl")
_OPTIONAL: dict[str, str] = {}
_ENCRYPTED = {"ssl_check_hostname": "false"}  # encrypted, but the certificate is not verified
_VERIFIED = {"ssl_capath": ssl.get_default_verify_paths().openssl_capath}
TLS_MODES = {
    "": _OPTIONAL,
    "PREFERRED": _OPTIONAL,
    "DISABLED": _OPTIONAL,
    "FALSE": _OPTIONAL,
    "REQUIRED": _ENCRYPTED,
    "REQUIRE": _ENCRYPTED,
    "TRUE": _ENCRYPTED,
    "ACCEPT_INVALID_CERTS": _ENCRYPTED,
    '{"REJECTUNAUTHORIZED":FALSE}': _ENCRYPTED,
    "VERIFY_CA": _VERIFIED,
    "VERIFY_IDENTITY": _VERIFIED,
    "STRICT": _VERIFIED,
    '{"REJECTUNAUTHORIZED":TRUE}': _VERIFIED,
}
BROKER_SCHEMES = ("amqp", "amqps", "redis", "rediss", "sqla+sqlite")


def database_url(url: str) -> URL:
    """Translate a `DATABASE_URL` for SQLAlchemy.

    Special characters in the password are percent-encoded (RFC 3986). Query options go to the driver. A relative
    SQLite path counts from the project's root, whatever the working directory.

    Raises:
        ValueError: What is wrong with the URL. The message contains no part of it.
    """
    scheme = _scheme(url, tuple(DATABASE_DRIVERS))
    parts = _parts(url)
    if scheme == "sqlite":
        if parts.get("HOST"):
            raise ValueError("has two slashes; a file has three, or four before an absolute path")
        return URL.create("sqlite", database=_sqlite_file(parts["NAME"]))
    if not parts["NAME"]:
        raise ValueError("names no database; it ends with /name")
    options, password = parts.get("OPTIONS", {}), parts["PASSWORD"]
    if scheme == "mysql":
        options = _mysql_options(options)
        password = password.encode().decode("latin-1")  # PyMySQL encodes it in Latin-1
    translated = URL.create(
        DATABASE_DRIVERS[scheme],
        username=parts["USER"] or None,
        password=password or None,
        host=parts["HOST"] or None,
        port=parts["PORT"] or None,
        database=parts["NAME"],
        query=options,
    )
    _check_options(translated)
    return translated


def broker_url(url: str) -> str:
    """Check a `BROKER_URL` and make the path of an embedded broker absolute.

    Raises:
        ValueError: What is wrong with the URL. The message contains no part of it.
    """
    if _scheme(url, BROKER_SCHEMES) != "sqla+sqlite":
        _check_host(url)
        return url
    return f"sqla+{database_url(url.removeprefix('sqla+')).render_as_string()}"


def _check_host(url: str) -> None:
    try:
        parts = urlsplit(url)
        complete = bool(parts.hostname) and parts.port != 0 and not parts.fragment and "@" not in parts.path
    except ValueError:
        complete = False
    if not complete:
        raise ValueError("cannot be read; it has the form scheme://user:password@host:port/…")


def _parts(url: str) -> dict[str, Any]:
    try:
        address = urlsplit(url)
        if address.fragment or (address.netloc and "@" in address.path):  # a password that contains # or /
            raise ValueError
        return cast(dict[str, Any], dj_database_url.parse(url))
    except ValueError:
        raise ValueError("cannot be read; percent-encode special characters (# is %23, / is %2F, @ is %40)") from None


def _scheme(url: str, known: tuple[str, ...]) -> str:
    scheme, separator, _ = url.partition("://")
    if not separator or scheme not in known:
        raise ValueError(f"must begin with {', '.join(f'{name}://' for name in known)}")
    return scheme


def _sqlite_file(path: str) -> str:
    if path in ("", ":memory:"):
        raise ValueError("names no file; a database in memory is not shared between processes")
    file = ROOT / path
    if not _can_exist(file.parent):
        raise ValueError("names a file in a folder that is not there and cannot be created")
    return str(file)


def _can_exist(folder: Path) -> bool:
    """Whether a folder exists or can be created in the nearest one that exists."""
    try:
        nearest = next(each for each in (folder, *folder.parents) if each.exists())
    except OSError:
        return False
    return nearest.is_dir() and (nearest == folder or os.access(nearest, os.W_OK | os.X_OK))


def create_folder(file: str) -> None:
    """Create the folder of a SQLite file. The first connection does so, and the parsing of the URL does not."""
    Path(file).parent.mkdir(parents=True, exist_ok=True)


def _mysql_options(options: dict[str, Any]) -> dict[str, Any]:
    """Turn the options that hosting providers write into MySQL URLs into PyMySQL's."""
    options.pop("reconnect", None)  # the pool reconnects
    mode = ""
    for name in TLS_OPTIONS:
        value = options.pop(name, "")
        if isinstance(value, dict):  # dj-database-url's form of ssl-ca
            options["ssl_ca"] = value["ca"]
        else:
            mode = str(value).upper() or mode
    if mode not in TLS_MODES:
        raise ValueError("has an unknown TLS mode; use ssl-mode=REQUIRED or ssl-mode=VERIFY_IDENTITY")
    tls = {} if "ssl_ca" in options else TLS_MODES[mode]
    return options | tls | {"charset": "utf8mb4"}


def _check_options(url: URL) -> None:
    """Let the driver check the query options now. It would refuse a wrong one at every connection."""
    dialect = url.get_dialect()
    driver: Any = dialect.import_dbapi()  # only the driver that is needed: loading one takes long
    try:
        if dialect.name == "postgresql":
            driver.conninfo.make_conninfo("", **url.query)
        else:
            _, arguments = dialect().create_connect_args(url)
            inspect.signature(driver.connect).bind(**arguments)
    except (ValueError, TypeError, driver.ProgrammingError):
        raise ValueError("has a query option that the driver does not take") from None
