"""Factor VII, port binding: web is a whole HTTP server at `$PORT`, on every address that the machine has.

That requests are framed as HTTP says, or refused, is tested in `tests/system/processes/test_bodies.py`.

Seen failing: with `keepalive = 0`, at the connection that is kept; with a fixed port, as the three do not start; with
another default port, on all machines; bound to `0.0.0.0`, at `[::1]`; always bound to `[::]`, where that takes no IPv4
or the kernel has no IPv6; bound to loopback addresses, at the machine's own.
"""

import json
import shlex
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from http.client import HTTPConnection
from pathlib import Path

import pytest
import requests

from tests.support.clients import PASSWORD
from tests.support.environment import service_variables, wait_for
from tests.system.formation import LINES, Program, Service
from tests.system.twelve_factor.hosts import Network, ip

WEB = shlex.split(LINES["web"])
ACCOUNT = {"email": "ada@example.org", "password": PASSWORD}
UPLOAD = b"title,author,isbn\nEmma,Jane Austen,9780141439587" + b"\n" * (15 << 20)  # just below what is taken


@pytest.fixture(scope="module")
def variables(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str | int]:
    """What a deploy is given whose schema is there."""
    folder = tmp_path_factory.mktemp("deploy")
    variables = service_variables(f"sqlite:///{folder}/app.db", f"sqla+sqlite:///{folder}/broker.db")
    with Program(["flask", "db", "upgrade"], folder, variables) as migration:
        assert migration.wait() == 0, migration.log()
    return variables | {"WEB_CONCURRENCY": 1}


@pytest.fixture(scope="module")
def three(variables: dict[str, str | int], tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Service]]:
    """Three of web, side by side; each is told another name of its release."""
    with ExitStack() as stack:
        webs = [Service(WEB, tmp_path_factory.mktemp(name), variables | {"GIT_REV": name}) for name in ("a", "b", "c")]
        for web in webs:
            web.start()
            stack.callback(web.kill)
        for web in webs:
            wait_for("web is ready", web.ready)
        yield webs


def test_several_serve_side_by_side_each_at_its_own_port(three: list[Service]) -> None:
    releases = [requests.get(f"{web.url}/healthz", timeout=5).json()["release"] for web in three]
    assert releases == ["a", "b", "c"]


def test_a_plain_client_needs_no_server_in_front(three: list[Service]) -> None:
    """What else would be left to it: connections that last, HEAD, chunks, permission to send, large bodies."""
    web = three[0]
    ada = web.user(ACCOUNT["email"])
    connection = HTTPConnection("127.0.0.1", web.port, timeout=10)
    connection.request("GET", "/healthz")
    kept, whole = connection.sock, connection.getresponse()
    body = whole.read()
    assert (whole.version, whole.status, json.loads(body)["status"]) == (11, 200, "ok")

    connection.request("HEAD", "/healthz")
    head = connection.getresponse()
    assert (head.status, head.headers["Content-Length"], head.read()) == (200, str(len(body)), b"")

    chunks = (character.encode() for character in json.dumps(ACCOUNT))
    connection.request("POST", "/api/v1/auth/login", chunks, {"Content-Type": "application/json"}, encode_chunked=True)
    assert json.load(connection.getresponse())["token_type"] == "Bearer"
    assert connection.sock is kept

    assert permission_to_send(web.port) == b"HTTP/1.1 100 Continue\r\n"
    assert ada.get(ada.import_csv(UPLOAD)).json()["status"] == "queued"


def permission_to_send(port: int) -> bytes:
    """What a client hears that asks, as curl does, before it sends a large body."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as sock, sock.makefile("rb") as answers:
        sock.sendall(
            b"POST /api/v1/auth/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
            b"Content-Length: 2\r\nExpect: 100-continue\r\n\r\n"
        )
        return answers.readline()


BOTH, IPV4 = ("127.0.0.1", "10.8.8.1", "[::1]", "[2001:db8::1]"), ("127.0.0.1", "10.8.8.1")
WITHOUT_IPV6 = [sys.executable, str(Path(__file__).with_name("without_ipv6.py"))]
MACHINES = {
    "IPv4 and IPv6": ("net.ipv6.bindv6only=0", [], BOTH),
    "IPv6 sockets that take no IPv4": ("net.ipv6.bindv6only=1", [], BOTH),
    "IPv6 switched off": ("net.ipv6.conf.all.disable_ipv6=1", [], IPV4),
    "no IPv6 in the kernel": ("net.ipv6.conf.all.disable_ipv6=1", WITHOUT_IPV6, IPV4),
}


@pytest.mark.parametrize("machine", MACHINES)
def test_web_answers_on_every_address_of_its_machine_and_at_port_5000_unless_told(
    machine: str, variables: dict[str, str | int], tmp_path: Path
) -> None:
    """The machine's network is the test's own: nobody else has a port of it."""
    setting, wrapper, addresses = MACHINES[machine]
    web = Service([*wrapper, *WEB], tmp_path, variables)
    del web.variables["PORT"]
    web.url = "http://127.0.0.1:5000"
    with Network() as network:
        host = network.host("web")
        ip("-netns", host.name, "address", "add", "2001:db8::1/128", "dev", "lo")
        with host.inside():
            subprocess.run(["sysctl", "--quiet", "--write", setting], check=True)
            with web:
                for address in addresses:
                    assert requests.get(f"http://{address}:5000/healthz", timeout=5).status_code == 200
