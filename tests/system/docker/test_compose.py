"""`docker compose up --build` in a fresh clone: the whole service, and the promises of the contract.

Seen failing: with new secrets at each start, the database refused its users after a restart; without the database's
volume, the session was unknown after `down`; without `exec` in the entrypoint, web was killed during its answers; with
`init: false`, the early stop ended with 137; without `restart`, dead containers stayed dead; without `cap_drop` and
`read_only`, web had capabilities.
"""

import os
import re
import signal
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest
import requests

from tests.support.environment import wait_for
from tests.system.harness.books import make_csv, run_journey
from tests.system.harness.deploy.compose import Stack
from tests.system.harness.process import HttpClient

pytestmark = [pytest.mark.docker, pytest.mark.timeout(1200)]
ROWS = 30_000
GOOD = ROWS - ROWS // 100


def test_a_fresh_clone_starts_and_passes_the_journey(stack: Stack) -> None:
    run_journey(stack)
    wait_for(
        "Docker reports that web is healthy", lambda: stack.inspect("web")["State"]["Health"]["Status"] == "healthy"
    )


def test_all_secrets_differ(stack: Stack) -> None:
    names = ("secret-key", "database-password", "broker-password")
    secrets = [stack.compose("exec", "-T", "web", "cat", f"/secrets/{name}") for name in names]
    assert all(re.fullmatch("[0-9a-f]{64}", secret) for secret in secrets)
    assert len(set(secrets)) == len(names)


def test_an_upload_needs_no_disk(stack: Stack) -> None:
    """Without a bound, a form's file of a megabyte goes to a temporary file, and no disk is writable."""
    ada = stack.sign_up("upload@example.org")
    sent = ada.post("/books/imports", files={"file": make_csv(12_000)})
    assert sent.status_code == 202, sent.text
    assert ada.wait_for_job(sent.headers["Location"])["result"]["created"] == 11_880


@pytest.mark.parametrize("service", ["web", "worker"])
def test_a_process_can_write_no_file_and_gain_no_privilege(stack: Stack, service: str) -> None:
    status = stack.compose("exec", "-T", service, "cat", "/proc/1/status")
    fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    assert {fields[name].strip("0") for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")} == {""}
    assert fields["NoNewPrivs"] == "1"
    assert fields["Uid"].split() == ["10001"] * 4
    mounts = stack.compose("exec", "-T", service, "cat", "/proc/1/mounts").splitlines()
    options = {fields[1]: fields[3].split(",") for fields in map(str.split, mounts)}
    assert "ro" in options["/"]
    assert "ro" in options["/secrets"]


def test_a_one_off_command_uses_the_services(stack: Stack) -> None:
    command = ("run", "--rm", "--no-TTY", "release", "flask", "users", "create-admin", "root@example.org")
    stack.compose(*command, stdin="correct horse battery staple\n" * 2)
    assert "root@example.org" in stack.compose(
        "exec", "-T", "database", "psql", "-U", "barah", "-c", "SELECT email FROM users WHERE role = 'admin'"
    )


@pytest.mark.parametrize("ending", ["restart", "down"])
def test_books_sessions_and_jobs_survive(stack: Stack, ending: str) -> None:
    ada = stack.sign_up(f"{ending}@example.org")
    job = ada.import_csv(make_csv(ROWS))
    ada.wait_until_running(job, ROWS)
    stack.compose(ending)
    stack.up()
    assert ada.get("/users/me").json()["email"] == f"{ending}@example.org"
    ended = ada.wait_for_job(job, seconds=300)
    assert (ended["status"], ended["result"]["created"]) == ("succeeded", GOOD)
    assert len(ada.get("/books/export").text.splitlines()) == 1 + GOOD


@pytest.mark.parametrize("service", ["web", "worker", "broker", "database"])
def test_a_job_survives_the_kill_of_any_container(stack: Stack, service: str) -> None:
    ada = stack.sign_up(f"{service}@example.org")
    job = ada.import_csv(make_csv(ROWS))
    ada.wait_until_running(job, ROWS)
    stack.compose("kill", service)
    stack.up()

    ended = ada.wait_for_job(job, seconds=300)
    assert ended["status"] == "succeeded"
    assert (ended["result"]["created"], ended["result"]["rejected"]) == (GOOD, ROWS // 100)
    assert len(ada.get("/books/export").text.splitlines()) == 1 + GOOD


def test_containers_that_die_are_restarted(stack: Stack) -> None:
    """The test kills the processes, because `docker kill` is a request that disables the restart."""
    stack.up()
    services = ("web", "worker", "broker", "database")
    for service in services:
        os.kill(stack.inspect(service)["State"]["Pid"], signal.SIGKILL)
    wait_for("all are restarted", lambda: all(stack.inspect(name)["RestartCount"] for name in services))
    stack.wait_until_ready()


def test_web_stops_gracefully_under_load(stack: Stack) -> None:
    """Requests on open connections are answered. The last answer closes its connection.

    The clients bypass Docker's proxy, which accepts connections for a container that has stopped.
    """
    stack.up()
    (network,) = stack.inspect("web")["NetworkSettings"]["Networks"].values()
    token = stack.sign_up("load@example.org").headers["Authorization"]
    answers: list[int] = []

    def read_until_it_stops(_: int) -> str | None:
        client = HttpClient(f"http://{network['IPAddress']}:5000")
        client.headers["Authorization"] = token
        last: str | None = None
        with suppress(requests.ConnectionError):
            while True:
                answer = client.get("/books")
                answers.append(answer.status_code)
                last = answer.headers.get("Connection")
        return last

    with ThreadPoolExecutor(8) as threads:
        ends = threads.map(read_until_it_stops, range(8))
        wait_for("the clients are running", lambda: len(answers) > 200)
        stack.compose("stop", "web")
    assert set(answers) == {200}
    assert set(ends) == {"close"}
    assert stack.inspect("web")["State"]["ExitCode"] == 0


def test_a_stop_right_after_the_start_is_graceful(stack: Stack) -> None:
    """Python takes a second to start. As the first process of a container, it would ignore TERM and be killed (137)."""
    stack.compose("stop", "web", "worker")
    stack.compose("start", "web", "worker")
    stack.compose("stop", "web", "worker")
    assert 137 not in {stack.inspect(service)["State"]["ExitCode"] for service in ("web", "worker")}
    stack.up()
