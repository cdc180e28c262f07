"""`DATABASE_URL`: every form that platforms hand out."""

from pathlib import Path
from urllib.parse import quote

import dj_database_url
import pytest
from sqlalchemy import URL

from app.core.urls import DATABASE_DRIVERS, ROOT, broker_url, database_url

SPECIAL = "p@ss:w/o%r#d?&=+ [é🔑]'\"\\"


@pytest.mark.parametrize(
    ("url", "driver", "user", "host", "port", "name"),
    [
        ("postgres://ada:pw@db.example.org:5433/barah", "postgresql+psycopg", "ada", "db.example.org", 5433, "barah"),
        ("postgresql://ada:pw@db.example.org/barah", "postgresql+psycopg", "ada", "db.example.org", None, "barah"),
        ("mysql://ada:pw@db.example.org:3307/barah", "mysql+pymysql", "ada", "db.example.org", 3307, "barah"),
        ("mysql://db.example.org/barah", "mysql+pymysql", None, "db.example.org", None, "barah"),
        ("postgres:///barah", "postgresql+psycopg", None, None, None, "barah"),
        ("postgres://[::1]/barah", "postgresql+psycopg", None, "::1", None, "barah"),
        ("postgres://ada:pw@[2001:db8::1]:5433/barah", "postgresql+psycopg", "ada", "2001:db8::1", 5433, "barah"),
        ("mysql://[::1]:3306/barah", "mysql+pymysql", None, "::1", 3306, "barah"),
        ("postgres://ada%40example.org:pw@h/barah", "postgresql+psycopg", "ada@example.org", "h", None, "barah"),
        ("postgres://h/Barah%20Tests", "postgresql+psycopg", None, "h", None, "Barah Tests"),
        (
            "postgres://ada@%2Fvar%2Frun%2FpostgreSQL/barah",
            "postgresql+psycopg",
            "ada",
            "/var/run/postgreSQL",
            None,
            "barah",
        ),
        ("postgres://%2ftmp%2fdb:5433/barah", "postgresql+psycopg", None, "/tmp/db", 5433, "barah"),
    ],
)
def test_a_database_url_is_parsed(
    url: str, driver: str, user: str | None, host: str | None, port: int | None, name: str
) -> None:
    read = database_url(url)
    assert (read.drivername, read.username, read.host, read.port, read.database) == (driver, user, host, port, name)


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "mysql"])
@pytest.mark.parametrize("password", ["@", ":", "/", "%", "#", "?", "[", "%2F", "a+b", "@:/?#[]%&=+ '\"\\"])
def test_a_percent_encoded_password_is_decoded(scheme: str, password: str) -> None:
    assert database_url(f"{scheme}://ada:{quote(password, safe='')}@h/db").password == password


def test_a_non_ascii_password_reaches_each_server_as_utf8() -> None:
    for scheme, encoding in (("postgres", "utf-8"), ("mysql", "latin-1")):  # the encoding of its driver
        password = database_url(f"{scheme}://ada:{quote(SPECIAL, safe='')}@h/db").password
        assert password is not None
        assert password.encode(encoding) == SPECIAL.encode()


@pytest.mark.parametrize("password", ["a@b", "a:b", "a%b", "a+b", "a&b", "a=b"])
def test_an_unambiguous_raw_password_is_accepted(password: str) -> None:
    assert database_url(f"postgres://ada:{password}@h/db").password == password


@pytest.mark.parametrize("password", ["hunter#2", "hunter/2", "hunter?2", "hunter[2", "hunter]2", "22/hunter", "22#h"])
@pytest.mark.parametrize("scheme", ["postgres", "mysql"])
def test_an_ambiguous_raw_password_is_refused_with_a_remedy(scheme: str, password: str) -> None:
    with pytest.raises(ValueError, match="percent-encode special characters") as raised:
        database_url(f"{scheme}://ada:{password}@db.example.org/barah")
    assert not any(part in str(raised.value) for part in ("ada", "hunter", "22", "example", "barah"))


def test_a_relative_sqlite_path_is_relative_to_the_project(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    assert database_url("sqlite:///var/barah.db") == URL.create("sqlite", database=str(ROOT / "var" / "barah.db"))


def test_an_absolute_sqlite_path_has_four_slashes(tmp_path: Path) -> None:
    file = tmp_path / "a new folder" / "me@home #1.db"
    assert database_url(f"sqlite:///{quote(str(file))}").database == str(file)


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("sqlite://", "names no file"),
        ("sqlite:///", "names no file"),
        ("sqlite://:memory:", "names no file"),
        ("sqlite:///:memory:", "names no file"),
        ("sqlite://var/barah.db", "has two slashes"),
        ("sqlite:////dev/null/barah.db", "in a folder that is not there"),
        ("sqlite:////tmp/a#b.db", "percent-encode"),
    ],
)
@pytest.mark.parametrize("kind", ["database", "broker"])
def test_a_sqlite_url_must_name_a_shareable_file(url: str, reason: str, kind: str) -> None:
    with pytest.raises(ValueError, match=reason):
        database_url(url) if kind == "database" else broker_url(f"sqla+{url}")


@pytest.mark.parametrize("scheme", sorted(set(dj_database_url.SCHEMES) - set(DATABASE_DRIVERS)))
def test_other_schemes_of_the_parser_are_refused(scheme: str) -> None:
    with pytest.raises(ValueError, match="must begin with postgres://, postgresql://, mysql://, sqlite://"):
        database_url(f"{scheme}://h/db")


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("POSTGRES://h/db", "must begin with"),
        ("postgresql+psycopg2://h/db", "must begin with"),
        ("h/db", "must begin with"),
        ("postgres:/h/db", "must begin with"),
        ("", "must begin with"),
        ("postgres://h", "names no database"),
        ("postgres://h/", "names no database"),
        ("mysql://h/?reconnect=true", "names no database"),
        ("postgres://h:port/db", "cannot be read"),
        ("postgres://h:65536/db", "cannot be read"),
        ("postgres://[::1/db", "cannot be read"),
    ],
)
def test_a_url_without_a_database_is_refused(url: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        database_url(url)


def driver_arguments(url: str) -> dict[str, object]:
    """The arguments of the driver's `connect`."""
    read = database_url(url)
    return dict(read.get_dialect()().create_connect_args(read)[1])


def test_postgresql_options_are_passed_to_libpq() -> None:
    given = driver_arguments("postgres://h/db?sslmode=verify-full&sslrootcert=/ca.pem&application_name=barah")
    assert (given["sslmode"], given["sslrootcert"], given["application_name"]) == ("verify-full", "/ca.pem", "barah")


@pytest.mark.parametrize(
    ("options", "tls"),
    [
        ("", None),
        ("?reconnect=true", None),  # ClearDB
        ("?ssl-mode=PREFERRED", None),
        ("?ssl-mode=DISABLED", None),
        ("?ssl-mode=REQUIRED", {"check_hostname": False}),  # DigitalOcean, Aiven
        ("?ssl-mode=required&reconnect=true", {"check_hostname": False}),
        ("?sslmode=require", {"check_hostname": False}),
        ("?ssl=true", {"check_hostname": False}),
        ("?ssl-ca=/ca.pem", {"ca": "/ca.pem"}),
        ("?ssl_ca=/ca.pem", {"ca": "/ca.pem"}),
        ("?ssl-mode=VERIFY_CA&ssl-ca=/ca.pem&reconnect=true", {"ca": "/ca.pem"}),
    ],
)
def test_mysql_options_of_hosting_platforms_are_translated(options: str, tls: dict[str, object] | None) -> None:
    given = driver_arguments(f"mysql://ada:pw@h/db{options}")
    assert given.pop("ssl", None) == tls
    assert set(given) == {"user", "password", "host", "database", "charset"}


@pytest.mark.parametrize(
    "options", ["ssl-mode=VERIFY_IDENTITY", "sslaccept=strict", 'ssl={"rejectUnauthorized":true}', "ssl_mode=verify_ca"]
)
def test_mysql_certificates_are_verified_against_the_systems_authorities(options: str) -> None:
    tls = driver_arguments(f"mysql://ada:pw@h/db?{options}")["ssl"]
    assert isinstance(tls, dict)
    assert list(tls) == ["capath"]  # with it, the driver verifies the certificate and its host name


@pytest.mark.parametrize("options", ["", "?charset=latin1", "?charset=utf8"])
def test_mysql_connections_always_use_utf8mb4(options: str) -> None:
    assert driver_arguments(f"mysql://h/db{options}")["charset"] == "utf8mb4"


@pytest.mark.parametrize(
    "url",
    [
        "postgres://h/db?hunter=2",
        "postgres://h/db?pgbouncer=true",
        "mysql://h/db?hunter=2",
        "mysql://h/db?connect_timeout=hunter",
        "mysql://h/db?ssl-mode=hunter",
        "mysql://h/db?useSSL=true",
    ],
)
def test_an_invalid_option_is_refused_at_start(url: str) -> None:
    with pytest.raises(ValueError, match=r"query option that the driver does not take|unknown TLS mode") as raised:
        database_url(url)
    assert "hunter" not in str(raised.value)
