"""Servers that speak TLS only, with a certificate that nobody has signed but they themselves, as Heroku's do."""

import shutil
import subprocess
from pathlib import Path

import redis

from tests.support.services import skip_or_fail
from tests.system.faults.servers import RedisServer
from tests.system.processes.postgres import PostgresServer


def self_signed(folder: Path) -> tuple[Path, Path]:
    """Make a certificate and its key, which belong to the folder's owner."""
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


class TlsRedis(RedisServer):
    """Redis, which has no other port."""

    def __init__(self) -> None:
        super().__init__()
        certificate, key = self_signed(self.folder)
        self.url = f"rediss://127.0.0.1:{self.port}/0"
        self.command += ["--port", "0", "--tls-port", str(self.port), "--tls-auth-clients", "no"]
        self.command += ["--tls-cert-file", str(certificate), "--tls-key-file", str(key)]

    def answers(self) -> bool:
        try:
            return bool(redis.Redis(port=self.port, ssl=True, ssl_cert_reqs="none", socket_timeout=2).ping())
        except redis.exceptions.ConnectionError:
            return False


class TlsPostgres(PostgresServer):
    """PostgreSQL, which takes clients without TLS as well: it is for them to ask."""

    def __init__(self) -> None:
        super().__init__()
        self.url += "?sslmode=require"

    def start(self) -> None:
        certificate, key = self_signed(self._folder)
        self._settings += ["ssl=on", f"ssl_cert_file={certificate}", f"ssl_key_file={key}"]
        super().start()
