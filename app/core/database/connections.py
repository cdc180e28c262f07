"""How many database connections a deploy needs, and how many the server grants."""

from typing import Any

from sqlalchemy import Connection

from app.core.settings import Settings

# Hosting plans also limit the role or the database.
CONNECTIONS_GRANTED = {
    "postgresql": """
        SELECT least(
            current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int,
            (SELECT nullif(rolconnlimit, -1) FROM pg_roles WHERE rolname = current_user),
            (SELECT nullif(datconnlimit, -1) FROM pg_database WHERE datname = current_database())
        )""",
    "mysql": "SELECT least(@@max_connections, coalesce(nullif(@@max_user_connections, 0), @@max_connections))",
}


def connections_needed(settings: Settings) -> int:
    """The most connections that one web, one worker and one one-off process with these settings hold.

    Each web process has a pool of `engine_options`. Each child of a worker uses two, and so does its parent's sweep.
    Of the one-off processes, migrations need two: one holds the migration lock.
    """
    web = settings.web_concurrency * (settings.web_threads + 2)
    return web + 2 * (settings.worker_concurrency + 1) + 2


def connections_granted(connection: Connection) -> int | None:
    """The number of connections that the server grants to this user and database; None if there is no limit."""
    query = CONNECTIONS_GRANTED.get(connection.dialect.name)
    if connection.dialect.name == "postgresql":
        driver: Any = connection.connection.driver_connection
        if driver.info.backend_pid != connection.exec_driver_sql("SELECT pg_backend_pid()").scalar_one():
            return None  # a pooler shares the server's connections among any number of clients
    return None if query is None else int(connection.exec_driver_sql(query).scalar_one())
