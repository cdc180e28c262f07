"""The URLs that attach backing services (factor IV): checked at start, turned into what the drivers take."""

import inspect
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
# What MySQL URLs say about TLS: use it if the server can, insist on it, or insist on the server's certificate, too.
TLS_OPTIONAL = ("", "PREFERRED", "DISABLED", "FALSE")
TLS_REQUIRED = ("REQUIRED", "REQUIRE", "TRUE", "ACCEPT_INVALID_CERTS", '{"REJECTUNAUTHORIZED":FALSE}')
TLS_VERIFIED = ("VERIFY_CA", "VERIFY_IDENTITY", "STRICT", '{"REJECTUNAUTHORIZED":TRUE}')
BROKER_SCHEMES = ("amqp", "amqps", "redis", "rediss", "sqla+sqlite")


def database_url(url: str) -> URL:
    """Translate a `DATABASE_URL` for SQLAlchemy.

    Special characters in the password are percent-encoded (RFC 3986). Query options go to the driver. A relative
    SQLite path counts from the project's root, whatever the working directory.

    Raises:
        ValueError: says what is wrong with the URL, without repeating any of it.
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
        options, password = _mysql_options(options), password.encode().decode("latin-1")  # as PyMySQL will encode it
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
        ValueError: says what is wrong with the URL, without repeating any of it.
    """
    if _scheme(url, BROKER_SCHEMES) != "sqla+sqlite":
        return service_url(url, *BROKER_SCHEMES)
    return f"sqla+{database_url(url.removeprefix('sqla+')).render_as_string()}"


def service_url(url: str, *schemes: str) -> str:
    """Check that a URL has one of the schemes and a host.

    Raises:
        ValueError: says what is wrong with the URL, without repeating any of it.
    """
    _scheme(url, schemes)
    try:
        parts = urlsplit(url)
        complete = bool(parts.hostname) and parts.port != 0 and not parts.fragment and "@" not in parts.path
    except ValueError:
        complete = False
    if not complete:
        raise ValueError("cannot be read; it has the form scheme://user:password@host:port/…")
    return url


def _parts(url: str) -> dict[str, Any]:
    try:
        address = urlsplit(url)
        if address.fragment or (address.netloc and "@" in address.path):  # a password that was cut at # or /
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
        raise ValueError("names no file; what is in memory is not shared between processes")
    file = ROOT / path
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
    except OSError:
        raise ValueError("names a file in a folder that is not there and cannot be made") from None
    return str(file)


def _mysql_options(options: dict[str, Any]) -> dict[str, Any]:
    """Turn what hosting providers write into MySQL URLs into what PyMySQL takes."""
    options.pop("reconnect", None)  # the pool reconnects by itself
    mode = ""
    for name in ("ssl-mode", "ssl_mode", "sslmode", "sslaccept", "ssl"):
        value = options.pop(name, "")
        if isinstance(value, dict):  # how dj-database-url reads ssl-ca
            options["ssl_ca"] = value["ca"]
        else:
            mode = str(value).upper() or mode
    if mode not in (*TLS_OPTIONAL, *TLS_REQUIRED, *TLS_VERIFIED):
        raise ValueError("asks for TLS in a way that is not known; write ssl-mode=REQUIRED or ssl-mode=VERIFY_IDENTITY")
    if "ssl_ca" not in options and mode in TLS_VERIFIED:
        options["ssl_capath"] = ssl.get_default_verify_paths().openssl_capath
    elif "ssl_ca" not in options and mode in TLS_REQUIRED:
        options["ssl_check_hostname"] = "false"  # encrypts without a CA to check against, as the mode says
    return options | {"charset": "utf8mb4"}


def _check_options(url: URL) -> None:
    """Let the driver judge the query options now; it would refuse a wrong one at every connection."""
    dialect = url.get_dialect()
    driver: Any = dialect.import_dbapi()  # the one that is needed: loading a driver takes a while
    try:
        if dialect.name == "postgresql":
            driver.conninfo.make_conninfo("", **url.query)
        else:
            _, arguments = dialect().create_connect_args(url)
            inspect.signature(driver.connect).bind(**arguments)
    except (ValueError, TypeError, driver.ProgrammingError):
        raise ValueError("has a query option that the driver does not take") from None
