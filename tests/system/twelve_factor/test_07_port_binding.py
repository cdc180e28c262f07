"""Factor VII, port binding: web is a complete HTTP server at `$PORT`, on every address of the machine.

`tests/system/processes/test_bodies.py` tests the framing of requests.

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

from tests.support.environment import service_variables
from tests.support.factories import PASSWORD
from tests.system.harness.deploy import PROCFILE
from tests.system.harness.network import Network, ip
from tests.system.harness.process import Service, run_command

WEB = shlex.split(PROCFILE["web"])
ACCOUNT = {"email": "ada@example.org", "password": PASSWORD}
UPLOAD = b"title,author,isbn\nEmma,Jane Austen,9780141439587" + b"\n" * (15 << 20)  # just below the limit


@pytest.fixture(scope="module")
def variables(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str | int]:
    """The variables of a deploy whose database is migrated."""
    folder = tmp_path_factory.mktemp("deploy")
    variables = service_variables(f"sqlite:///{folder}/app.db", f"sqla+sqlite:///{folder}/broker.db")
    code, output = run_command(variables, "flask", "db", "upgrade")
    assert code == 0, output
    return variables | {"WEB_CONCURRENCY": 1}


@pytest.fixture(scope="module")
def three(variables: dict[str, str | int], tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Service]]:
    """Three web processes side by side, each with another release id."""
    with ExitStack() as stack:
        webs = [Service(WEB, tmp_path_factory.mktemp(name), variables | {"GIT_REV": name}) for name in ("a", "b", "c")]
        for web in webs:
            web.start()
            stack.callback(web.kill)
        for web in webs:
            web.wait_until_ready()
        yield webs


def test_several_web_processes_serve_at_their_own_ports(three: list[Service]) -> None:
    releases = [requests.get(f"{web.url}/healthz", timeout=60).json()["release"] for web in three]
    assert releases == ["a", "b", "c"]


def test_a_plain_client_needs_no_server_in_front(three: list[Service]) -> None:
    """Persistent connections, HEAD, chunked requests, 100-continue and large bodies all work."""
    web = three[0]
    ada = web.sign_up(ACCOUNT["email"])
    connection = HTTPConnection("127.0.0.1", web.port, timeout=90)
    connection.request("GET", "/healthz")
    kept, answer = connection.sock, connection.getresponse()
    body = answer.read()
    assert (answer.version, answer.status, json.loads(body)["status"]) == (11, 200, "ok")

    connection.request("HEAD", "/healthz")
    head = connection.getresponse()
    assert (head.status, head.headers["Content-Length"], head.read()) == (200, str(len(body)), b"")

    chunks = (character.encode() for character in json.dumps(ACCOUNT))
    connection.request("POST", "/api/v1/auth/login", chunks, {"Content-Type": "application/json"}, encode_chunked=True)
    assert json.load(connection.getresponse())["token_type"] == "Bearer"
    assert connection.sock is kept

    assert answer_to_expect(web.port) == b"HTTP/1.1 100 Continue\r\n"
    assert ada.get(ada.import_csv(UPLOAD)).json()["status"] == "queued"


def answer_to_expect(port: int) -> bytes:
    """The first line of the answer to `Expect: 100-continue`, which curl sends before a large body."""
    with socket.create_connection(("127.0.0.1", port), timeout=90) as sock, sock.makefile("rb") as answers:
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
def test_web_answers_on_every_address_and_by_default_at_port_5000(
    machine: str, variables: dict[str, str | int], tmp_path: Path
) -> None:
    """The machine is a network namespace, so its port 5000 is free."""
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
                    assert requests.get(f"http://{address}:5000/healthz", timeout=60).status_code == 200
