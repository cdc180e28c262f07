"""The URLs of backing services: every form that platforms hand out, and real connections through them."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote, urlsplit

import dj_database_url
import pytest
from sqlalchemy import URL, create_engine, text
from sqlalchemy.engine import Engine
from sqlalchemy.exc import OperationalError

from app.core.urls import DATABASE_DRIVERS, ROOT, broker_url, database_url, service_url
from tests.support.services import URLS, new_database, require, skip_or_fail

EVIL = "p@ss:w/o%r#d?&=+ [é🔑]'\"\\"

# --- Which database, and how to reach it ------------------------------------------------------------------------------


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
    for scheme, encoding in (("postgres", "utf-8"), ("mysql", "latin-1")):  # what its driver will encode with
        password = database_url(f"{scheme}://ada:{quote(EVIL, safe='')}@h/db").password
        assert password is not None
        assert password.encode(encoding) == EVIL.encode()


@pytest.mark.parametrize("password", ["a@b", "a:b", "a%b", "a+b", "a&b", "a=b"])
def test_an_unambiguous_raw_password_is_accepted(password: str) -> None:
    assert database_url(f"postgres://ada:{password}@h/db").password == password


@pytest.mark.parametrize("password", ["hunter#2", "hunter/2", "hunter?2", "hunter[2", "hunter]2", "22/hunter", "22#h"])
@pytest.mark.parametrize("scheme", ["postgres", "mysql"])
def test_an_ambiguous_raw_password_is_refused_with_a_remedy(scheme: str, password: str) -> None:
    with pytest.raises(ValueError, match="percent-encode special characters") as refused:
        database_url(f"{scheme}://ada:{password}@db.example.org/barah")
    assert not any(part in str(refused.value) for part in ("ada", "hunter", "22", "example", "barah"))


# --- SQLite -----------------------------------------------------------------------------------------------------------


def test_a_relative_sqlite_path_is_relative_to_the_project(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    assert database_url("sqlite:///var/barah.db") == URL.create("sqlite", database=str(ROOT / "var" / "barah.db"))


def test_an_absolute_sqlite_path_has_four_slashes_and_its_folder_is_made(tmp_path: Path) -> None:
    file = tmp_path / "a new folder" / "me@home #1.db"
    assert database_url(f"sqlite:///{quote(str(file))}").database == str(file)
    assert file.parent.is_dir()


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


# --- What is refused --------------------------------------------------------------------------------------------------


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


# --- Query options ----------------------------------------------------------------------------------------------------


def driver_arguments(url: str) -> dict[str, object]:
    """What the driver is asked to connect with."""
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
    assert list(tls) == ["capath"]  # with authorities, the driver asks for a certificate, and for its host name


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
    with pytest.raises(ValueError, match=r"query option that the driver does not take|TLS in a way") as refused:
        database_url(url)
    assert "hunter" not in str(refused.value)


# --- Brokers and the rest ---------------------------------------------------------------------------------------------


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
    with pytest.raises(ValueError, match="cannot be read") as refused:
        broker_url(url)
    assert "hunter" not in str(refused.value)


@pytest.mark.parametrize("url", ["smtp://localhost:1025", "smtps://user:p%40w@mail.example.org"])
def test_a_mail_url_is_handed_on_as_it_is(url: str) -> None:
    assert service_url(url, "smtp", "smtps") == url


# --- Real connections -------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def admin() -> Iterator[Engine]:
    """MariaDB's administrator."""
    engine = create_engine(database_url(require("mariadb")), isolation_level="AUTOCOMMIT")
    yield engine
    engine.dispose()


@pytest.fixture(scope="module")
def mariadb(admin: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where a MariaDB database lives, whose user has the evil password: `host:port/name`."""
    with new_database("mariadb", tmp_path_factory.getbasetemp()) as url, admin.connect() as connection:
        address = urlsplit(url)
        user = address.path.removeprefix("/")  # as unique as the database
        try:
            for statement in ("CREATE USER :user@'%' IDENTIFIED BY :password", f"GRANT ALL ON {user}.* TO :user@'%'"):
                connection.execute(text(statement), {"user": user, "password": EVIL})
            yield f"{address.hostname}:{address.port}/{user}"
        finally:
            connection.execute(text("DROP USER IF EXISTS :user@'%'"), {"user": user})


@pytest.fixture(scope="module")
def postgresql(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where a PostgreSQL database lives, whose role has the evil password: `host:port/name`."""
    engine = create_engine(database_url(require("postgresql")), isolation_level="AUTOCOMMIT")
    with new_database("postgresql", tmp_path_factory.getbasetemp()) as url, engine.connect() as connection:
        address = urlsplit(url)
        role = address.path.removeprefix("/")
        password = EVIL.replace("'", "''")
        connection.execute(text(f"CREATE ROLE {role} LOGIN PASSWORD '{password}'".replace(":", r"\:")))
        try:
            yield f"{address.hostname}:{address.port}/{role}"
        finally:
            connection.execute(text(f"DROP ROLE {role}"))
    engine.dispose()


def ask(url: str, question: str) -> object:
    """Connect as the service would, and ask for one value."""
    engine = create_engine(database_url(url))
    try:
        with engine.connect() as connection:
            return connection.scalar(text(question))
    finally:
        engine.dispose()


@contextmanager
def on_ipv6(server: str) -> Iterator[int]:
    """Let a server be reached on `[::1]`, by a relay: few test servers listen there themselves."""
    host, _, port = server.partition(":")
    try:
        listener = socket.create_server(("::1", 0), family=socket.AF_INET6)
    except OSError:
        skip_or_fail("no IPv6 here")
        raise

    def relay(source: socket.socket, target: socket.socket) -> None:
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)

    def serve() -> None:
        client, _ = listener.accept()
        with client, socket.create_connection((host, int(port))) as upstream:
            answers = threading.Thread(target=relay, args=(upstream, client))
            answers.start()
            relay(client, upstream)
            answers.join()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    with listener:
        yield listener.getsockname()[1]
    thread.join(5)


def login(place: str) -> str:
    """User and encoded password of the user that is named after the database at the place."""
    return f"{place.rpartition('/')[2]}:{quote(EVIL, safe='')}"


@pytest.mark.services
def test_mariadb_accepts_a_password_of_special_characters(mariadb: str) -> None:
    user = mariadb.rpartition("/")[2]
    assert ask(f"mysql://{login(mariadb)}@{mariadb}?reconnect=true", "SELECT current_user()") == f"{user}@%"


@pytest.mark.services
def test_mariadb_refuses_another_password(mariadb: str) -> None:
    with pytest.raises(OperationalError, match="Access denied"):
        ask(f"mysql://{login(mariadb)}x@{mariadb}", "SELECT 1")


def absent(service: str, reason: str) -> None:
    """Skip what only a server on this machine has; if it is here, it must have it."""
    if urlsplit(URLS[service]).hostname in ("127.0.0.1", "::1", "localhost"):
        skip_or_fail(reason)
    pytest.skip(reason)


@pytest.mark.services
def test_mariadb_is_reachable_on_its_unix_socket(mariadb: str, admin: Engine) -> None:
    with admin.connect() as connection:
        path = str(connection.scalar(text("SELECT @@socket")))
    if not Path(path).is_socket():
        absent("mariadb", f"MariaDB's socket is not on this machine: {path}")
    name = mariadb.rpartition("/")[2]
    url = f"mysql://{login(mariadb)}@nowhere.invalid/{name}?unix_socket={quote(path, safe='')}"
    assert ask(url, "SELECT database()") == name


@pytest.mark.services
def test_mariadb_is_reachable_on_ipv6(mariadb: str) -> None:
    server, _, name = mariadb.rpartition("/")
    with on_ipv6(server) as port:
        assert ask(f"mysql://{login(mariadb)}@[::1]:{port}/{name}", "SELECT database()") == name


@pytest.mark.services
def test_required_tls_fails_on_a_server_without_it(mariadb: str, admin: Engine) -> None:
    with admin.connect() as connection:
        if connection.scalar(text("SELECT @@have_ssl")) == "YES":
            pytest.skip("this MariaDB has TLS")
    with pytest.raises(OperationalError, match=r"(?i)ssl"):
        ask(f"mysql://{login(mariadb)}@{mariadb}?ssl-mode=REQUIRED", "SELECT 1")


@pytest.mark.services
@pytest.mark.parametrize("scheme", ["postgres", "postgresql"])
def test_postgresql_accepts_a_password_of_special_characters(postgresql: str, scheme: str) -> None:
    role = postgresql.rpartition("/")[2]
    url = f"{scheme}://{login(postgresql)}@{postgresql}?sslmode=prefer&application_name=evil"
    assert database_url(url).password == EVIL  # some test servers trust everyone
    assert ask(url, "SELECT current_user || current_setting('application_name')") == f"{role}evil"


@pytest.mark.services
@pytest.mark.parametrize("form", ["{login}@{folder}:{port}/{name}", "{login}@/{name}?host={folder}&port={port}"])
def test_postgresql_is_reachable_on_its_unix_socket(postgresql: str, form: str) -> None:
    server, _, name = postgresql.rpartition("/")
    folder = str(ask(require("postgresql"), "SHOW unix_socket_directories")).partition(",")[0]
    port = server.rpartition(":")[2]
    if not (Path(folder) / f".s.PGSQL.{port}").is_socket():
        absent("postgresql", f"PostgreSQL's socket is not on this machine: {folder}")
    url = f"postgres://{form.format(login=login(postgresql), folder=quote(folder, safe=''), port=port, name=name)}"
    assert ask(url, "SELECT inet_server_addr() IS NULL") is True


@pytest.mark.services
def test_postgresql_is_reachable_on_ipv6(postgresql: str) -> None:
    server, _, name = postgresql.rpartition("/")
    with on_ipv6(server) as port:
        assert ask(f"postgres://{login(postgresql)}@[::1]:{port}/{name}", "SELECT current_database()") == name
