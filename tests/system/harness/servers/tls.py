"""Servers with TLS and a self-signed certificate, as Heroku's are."""

import shutil
import subprocess
from pathlib import Path

import redis

from tests.support.services import skip_or_fail
from tests.system.harness.servers.postgres import PostgresServer
from tests.system.harness.servers.redis import RedisServer


def self_signed(folder: Path) -> tuple[Path, Path]:
    """Create a certificate and its key, which belong to the folder's owner."""
    if not shutil.which("openssl"):
        skip_or_fail("openssl is not installed")
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    algorithm = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "1"]
    files = ["-subj", "/CN=nobody", "-keyout", str(key), "-out", str(certificate)]
    subprocess.run(["openssl", "req", "-x509", *algorithm, *files], check=True, capture_output=True)
    owner = folder.stat()
    for file in (certificate, key):
        shutil.chown(file, owner.st_uid, owner.st_gid)
    return certificate, key


class TlsRedisServer(RedisServer):
    """Redis with TLS only."""

    def prepare(self) -> None:
        super().prepare()
        certificate, key = self_signed(self.folder)
        self.url = f"rediss://{self.address}:{self.port}/0"
        self._options += ("--port", "0", "--tls-port", str(self.port), "--tls-auth-clients", "no")
        self._options += ("--tls-cert-file", str(certificate), "--tls-key-file", str(key))

    def answers(self) -> bool:
        try:
            return bool(redis.Redis(port=self.port, ssl=True, ssl_cert_reqs="none", socket_timeout=5).ping())
        except redis.exceptions.ConnectionError:
            return False


class TlsPostgresServer(PostgresServer):
    """PostgreSQL with TLS. It also accepts clients without TLS; the URL asks for TLS."""

    def prepare(self) -> None:
        super().prepare()
        certificate, key = self_signed(self.folder)
        self.url += "?sslmode=require"
        self.settings += ["ssl=on", f"ssl_cert_file={certificate}", f"ssl_key_file={key}"]
