"""Gunicorn's access log."""

import json
import re
import signal
import socket
import subprocess
from typing import Any

import pytest
import requests

from tests.core.observability.conftest import process_environment
from tests.support.environment import BIN, ROOT, free_port, wait_for

REQUEST_ID = "0123456789abcdef-router"


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[dict[str, Any]], str]:
    """The events of a gunicorn that answered some requests, and its stderr. GUNICORN_CMD_ARGS is as on Heroku."""
    folder, port = tmp_path_factory.mktemp("web"), free_port()
    command = [str(BIN / "gunicorn"), "--config", "gunicorn.conf.py"]
    heroku = {"PORT": str(port), "WEB_CONCURRENCY": "1", "GUNICORN_CMD_ARGS": "--access-logfile -"}
    env = process_environment(folder, **heroku)
    with subprocess.Popen(
        command, cwd=ROOT, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            wait_for("gunicorn listens", lambda: listens(port))
            root = f"http://127.0.0.1:{port}"
            headers = {"X-Request-ID": REQUEST_ID, "User-Agent": 'curl "8"', "Authorization": "Bearer hunter2"}
            requests.get(f"{root}/healthz?token=hunter2&x=1", headers=headers, timeout=10)
            requests.post(f"{root}/api/v1/auth/login", json={"password": "hunter2"}, timeout=10)
            requests.get(f"{root}/nowhere/x://a:b%0A%22%7B", headers={"User-Agent": "me@home"}, timeout=10)
            with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
                connection.sendall(b"GET /healthz\r\nnot HTTP\r\n\r\n")
                connection.recv(1000)
        finally:
            process.send_signal(signal.SIGTERM)
            output, errors = process.communicate(timeout=30)
    return [json.loads(line) for line in output.splitlines()], errors


def listens(port: int) -> bool:
    """Whether a process listens on the port."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def access(web: tuple[list[dict[str, Any]], str], path: str) -> dict[str, Any]:
    """The access line of the request for a path."""
    lines = [event for event in web[0] if event["log"]["logger"] == "gunicorn.access"]
    (line,) = [line for line in lines if line["url"]["path"].startswith(path)]
    return line


def test_an_access_line_describes_request_and_response(web: tuple[list[dict[str, Any]], str]) -> None:
    line = access(web, "/healthz")
    assert line["message"] == "GET /healthz 200"
    assert line["http"]["request"] == {"id": REQUEST_ID, "method": "GET"}
    assert line["http"]["response"]["status_code"] == 200
    assert line["http"]["response"]["body"]["bytes"] > 0
    assert line["url"] == {"path": "/healthz"}
    assert 0 < line["event"]["duration"] < 10**10
    assert line["source"]["ip"] == "127.0.0.1"
    assert "curl" in line["user_agent"]["original"]


def test_an_access_line_contains_the_generated_request_id(
    web: tuple[list[dict[str, Any]], str],
) -> None:
    assert re.fullmatch("[0-9a-f]{32}", access(web, "/api/v1/auth/login")["http"]["request"]["id"])


def test_an_odd_path_does_not_break_its_line(web: tuple[list[dict[str, Any]], str]) -> None:
    line = access(web, "/nowhere")
    assert (line["http"]["response"]["status_code"], line["user_agent"]["original"]) == (404, "me@home")


def test_gunicorn_logs_json_to_stdout_without_secrets(web: tuple[list[dict[str, Any]], str]) -> None:
    events, errors = web  # each line of stdout could be parsed
    assert errors == ""
    assert {"gunicorn.access", "gunicorn.error"} <= {event["log"]["logger"] for event in events}
    assert "hunter2" not in json.dumps(events)
