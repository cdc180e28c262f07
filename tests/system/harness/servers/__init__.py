"""Database and broker servers that tests kill, freeze and restart. None of them is shared with other tests."""

from tests.system.harness.servers.mariadb import MariaDBServer
from tests.system.harness.servers.postgres import PostgresServer
from tests.system.harness.servers.rabbitmq import RabbitServer
from tests.system.harness.servers.redis import RedisServer
from tests.system.harness.servers.server import Server
from tests.system.harness.servers.tls import TlsPostgresServer, TlsRedisServer

DATABASE_SERVERS: dict[str, type[Server]] = {"postgresql": PostgresServer, "mariadb": MariaDBServer}
BROKER_SERVERS: dict[str, type[Server]] = {"rabbitmq": RabbitServer, "redis": RedisServer}

__all__ = [
    "BROKER_SERVERS",
    "DATABASE_SERVERS",
    "MariaDBServer",
    "PostgresServer",
    "RabbitServer",
    "RedisServer",
    "Server",
    "TlsPostgresServer",
    "TlsRedisServer",
]
