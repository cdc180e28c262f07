"""`docker compose up --build` in a fresh clone, with nothing prepared; and what the contract promises, through it.

Seen failing: with secrets made anew at each start, nobody could log in at the database after a restart; without the
database's volume, the session was unknown after `down`; without `exec` in the entrypoint, web was killed in the
middle of its answers; with `init: false`, the stop that comes early ended with 137; without `restart`, what had died
stayed dead; without `cap_drop` and `read_only`, web had capabilities.
"""

import os
import re
import signal
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest
import requests

from tests.support.environment import wait_for
from tests.system.docker.stack import Stack
from tests.system.faults.processes import csv_of, progress
from tests.system.formation import HttpClient
from tests.system.twelve_factor import journey

pytestmark = [pytest.mark.docker, pytest.mark.timeout(400)]
ROWS = 30_000
GOOD = ROWS - ROWS // 100


def test_a_fresh_clone_comes_up_and_the_whole_journey_works(stack: Stack) -> None:
    journey.travel(stack)
    wait_for("Docker sees that web is well", lambda: stack.inspect("web")["State"]["Health"]["Status"] == "healthy")


def test_each_secret_is_another_one(stack: Stack) -> None:
    names = ("secret-key", "database-password", "broker-password")
    secrets = [stack.compose("exec", "-T", "web", "cat", f"/secrets/{name}") for name in names]
    assert all(re.fullmatch("[0-9a-f]{64}", secret) for secret in secrets)
    assert len(set(secrets)) == len(names)


def test_an_upload_needs_no_disk(stack: Stack) -> None:
    """A form's file of a megabyte would be kept in a temporary one, and there is no place for that."""
    ada = stack.user("upload@example.org")
    sent = ada.post("/books/imports", files={"file": csv_of(12_000)})
    assert sent.status_code == 202, sent.text
    assert ada.finished(sent.headers["Location"])["result"]["created"] == 11_880


@pytest.mark.parametrize("service", ["web", "worker"])
def test_a_process_can_write_no_file_and_gain_no_right(stack: Stack, service: str) -> None:
    status = stack.compose("exec", "-T", service, "cat", "/proc/1/status")
    fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    assert {fields[name].strip("0") for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")} == {""}
    assert fields["NoNewPrivs"] == "1"
    assert fields["Uid"].split() == ["10001"] * 4
    mounts = stack.compose("exec", "-T", service, "cat", "/proc/1/mounts").splitlines()
    options = {fields[1]: fields[3].split(",") for fields in map(str.split, mounts)}
    assert "ro" in options["/"]
    assert "ro" in options["/secrets"]


def test_a_one_off_command_has_what_the_service_has(stack: Stack) -> None:
    command = ("run", "--rm", "--no-TTY", "release", "flask", "users", "create-admin", "root@example.org")
    stack.compose(*command, stdin="correct horse battery staple\n" * 2)
    assert "root@example.org" in stack.compose(
        "exec", "-T", "database", "psql", "-U", "barah", "-c", "SELECT email FROM users WHERE role = 'admin'"
    )


@pytest.mark.parametrize("ending", ["restart", "down"])
def test_books_sessions_and_the_job_at_hand_outlive_it(stack: Stack, ending: str) -> None:
    ada = stack.user(f"{ending}@example.org")
    job = ada.import_csv(csv_of(ROWS))
    wait_for("the import is under way", lambda: 0 < progress(ada, job) < ROWS)
    stack.compose(ending)
    stack.up()
    assert ada.get("/users/me").json()["email"] == f"{ending}@example.org"
    ended = ada.finished(job, seconds=120)
    assert (ended["status"], ended["result"]["created"]) == ("succeeded", GOOD)
    assert len(ada.get("/books/export").text.splitlines()) == 1 + GOOD


@pytest.mark.parametrize("service", ["web", "worker", "broker", "database"])
def test_a_job_survives_the_kill_of_any_container(stack: Stack, service: str) -> None:
    ada = stack.user(f"{service}@example.org")
    job = ada.import_csv(csv_of(ROWS))
    wait_for("the import is under way", lambda: 0 < progress(ada, job) < ROWS)
    stack.compose("kill", service)
    stack.up()

    ended = ada.finished(job, seconds=120)
    assert ended["status"] == "succeeded"
    assert (ended["result"]["created"], ended["result"]["rejected"]) == (GOOD, ROWS // 100)
    assert len(ada.get("/books/export").text.splitlines()) == 1 + GOOD


def test_what_dies_is_started_again(stack: Stack) -> None:
    """`docker kill` would count as a wish: a process that dies by itself is what happens when its memory runs out."""
    stack.up()
    services = ("web", "worker", "broker", "database")
    for service in services:
        os.kill(stack.inspect(service)["State"]["Pid"], signal.SIGKILL)
    wait_for("all are started again", lambda: all(stack.inspect(name)["RestartCount"] for name in services))
    wait_for("the service is ready", stack.ready, 60)


def test_web_stops_gracefully_under_load(stack: Stack) -> None:
    """What is sent on a connection that was kept is answered, for the last answer says that it is closed.

    The clients go past Docker's proxy, which would take connections for a web that has gone.
    """
    stack.up()
    (network,) = stack.inspect("web")["NetworkSettings"]["Networks"].values()
    token = stack.user("load@example.org").headers["Authorization"]
    answers: list[int] = []

    def read_until_it_has_gone(_: int) -> str | None:
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
        ends = threads.map(read_until_it_has_gone, range(8))
        wait_for("they are at it", lambda: len(answers) > 200)
        stack.compose("stop", "web")
    assert set(answers) == {200}
    assert set(ends) == {"close"}
    assert stack.inspect("web")["State"]["ExitCode"] == 0


def test_a_stop_that_comes_right_after_the_start_is_heeded_too(stack: Stack) -> None:
    """Python takes a second to begin; a container whose first process it is would be killed 30 seconds later (137)."""
    stack.compose("stop", "web", "worker")
    stack.compose("start", "web", "worker")
    stack.compose("stop", "web", "worker")
    assert 137 not in {stack.inspect(service)["State"]["ExitCode"] for service in ("web", "worker")}
    stack.up()
