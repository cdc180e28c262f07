"""Real connections through URLs with special characters, sockets and IPv6."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote, urlsplit

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.engine import Engine
from sqlalchemy.exc import OperationalError

from app.core.urls import database_url
from tests.support.services import URLS, new_database, require, skip_or_fail

SPECIAL = "p@ss:w/o%r#d?&=+ [é🔑]'\"\\"


@pytest.fixture(scope="module")
def admin() -> Iterator[Engine]:
    """An engine of MariaDB's administrator."""
    engine = create_engine(database_url(require("mariadb")), isolation_level="AUTOCOMMIT")
    yield engine
    engine.dispose()


@pytest.fixture(scope="module")
def mariadb(admin: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A MariaDB database as `host:port/name`. Its user has the same name and a password of special characters."""
    with new_database("mariadb", tmp_path_factory.getbasetemp()) as url, admin.connect() as connection:
        address = urlsplit(url)
        user = address.path.removeprefix("/")  # as unique as the database
        try:
            for statement in ("CREATE USER :user@'%' IDENTIFIED BY :password", f"GRANT ALL ON {user}.* TO :user@'%'"):
                connection.execute(text(statement), {"user": user, "password": SPECIAL})
            yield f"{address.hostname}:{address.port}/{user}"
        finally:
            connection.execute(text("DROP USER IF EXISTS :user@'%'"), {"user": user})


@pytest.fixture(scope="module")
def postgresql(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A PostgreSQL database as `host:port/name`. Its role has the same name and a password of special characters."""
    engine = create_engine(database_url(require("postgresql")), isolation_level="AUTOCOMMIT")
    with new_database("postgresql", tmp_path_factory.getbasetemp()) as url, engine.connect() as connection:
        address = urlsplit(url)
        role = address.path.removeprefix("/")
        password = SPECIAL.replace("'", "''")
        connection.execute(text(f"CREATE ROLE {role} LOGIN PASSWORD '{password}'".replace(":", r"\:")))
        try:
            yield f"{address.hostname}:{address.port}/{role}"
        finally:
            connection.execute(text(f"DROP ROLE {role}"))
    engine.dispose()


def query(url: str, statement: str) -> object:
    """Connect like the service, and return the value of a query."""
    engine = create_engine(database_url(url))
    try:
        with engine.connect() as connection:
            return connection.scalar(text(statement))
    finally:
        engine.dispose()


@contextmanager
def on_ipv6(server: str) -> Iterator[int]:
    """Make a server reachable on `[::1]` through a relay. Few test servers listen there."""
    host, _, port = server.partition(":")
    try:
        listener = socket.create_server(("::1", 0), family=socket.AF_INET6)
    except OSError:
        skip_or_fail("no IPv6 on this machine")
        raise

    def relay(source: socket.socket, target: socket.socket) -> None:
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)

    def serve() -> None:
        client, _ = listener.accept()
        with client, socket.create_connection((host, int(port))) as upstream:
            responses = threading.Thread(target=relay, args=(upstream, client))
            responses.start()
            relay(client, upstream)
            responses.join()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    with listener:
        yield listener.getsockname()[1]
    thread.join(5)


def login(database: str) -> str:
    """The user and the encoded password for a database."""
    return f"{database.rpartition('/')[2]}:{quote(SPECIAL, safe='')}"


@pytest.mark.services
def test_mariadb_accepts_a_password_of_special_characters(mariadb: str) -> None:
    user = mariadb.rpartition("/")[2]
    assert query(f"mysql://{login(mariadb)}@{mariadb}?reconnect=true", "SELECT current_user()") == f"{user}@%"


@pytest.mark.services
def test_mariadb_refuses_another_password(mariadb: str) -> None:
    with pytest.raises(OperationalError, match="Access denied"):
        query(f"mysql://{login(mariadb)}x@{mariadb}", "SELECT 1")


def absent(service: str, reason: str) -> None:
    """Skip a test that needs a local server. A local server must have what it needs."""
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
    assert query(url, "SELECT database()") == name


@pytest.mark.services
def test_mariadb_is_reachable_on_ipv6(mariadb: str) -> None:
    server, _, name = mariadb.rpartition("/")
    with on_ipv6(server) as port:
        assert query(f"mysql://{login(mariadb)}@[::1]:{port}/{name}", "SELECT database()") == name


@pytest.mark.services
def test_required_tls_fails_on_a_server_without_it(mariadb: str, admin: Engine) -> None:
    with admin.connect() as connection:
        if connection.scalar(text("SELECT @@have_ssl")) == "YES":
            pytest.skip("this MariaDB has TLS")
    with pytest.raises(OperationalError, match=r"(?i)ssl"):
        query(f"mysql://{login(mariadb)}@{mariadb}?ssl-mode=REQUIRED", "SELECT 1")


@pytest.mark.services
@pytest.mark.parametrize("scheme", ["postgres", "postgresql"])
def test_postgresql_accepts_a_password_of_special_characters(postgresql: str, scheme: str) -> None:
    role = postgresql.rpartition("/")[2]
    url = f"{scheme}://{login(postgresql)}@{postgresql}?sslmode=prefer&application_name=special"
    assert database_url(url).password == SPECIAL  # some test servers accept any password
    assert query(url, "SELECT current_user || current_setting('application_name')") == f"{role}special"


@pytest.mark.services
@pytest.mark.parametrize("form", ["{login}@{folder}:{port}/{name}", "{login}@/{name}?host={folder}&port={port}"])
def test_postgresql_is_reachable_on_its_unix_socket(postgresql: str, form: str) -> None:
    server, _, name = postgresql.rpartition("/")
    folder = str(query(require("postgresql"), "SHOW unix_socket_directories")).partition(",")[0]
    port = server.rpartition(":")[2]
    if not (Path(folder) / f".s.PGSQL.{port}").is_socket():
        absent("postgresql", f"PostgreSQL's socket is not on this machine: {folder}")
    url = f"postgres://{form.format(login=login(postgresql), folder=quote(folder, safe=''), port=port, name=name)}"
    assert query(url, "SELECT inet_server_addr() IS NULL") is True


@pytest.mark.services
def test_postgresql_is_reachable_on_ipv6(postgresql: str) -> None:
    server, _, name = postgresql.rpartition("/")
    with on_ipv6(server) as port:
        assert query(f"postgres://{login(postgresql)}@[::1]:{port}/{name}", "SELECT current_database()") == name
