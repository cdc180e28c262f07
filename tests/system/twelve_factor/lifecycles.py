"""What happens to web, worker and release between start and stop: work, errors, crashes and outages."""

import os
import signal
import socket

import requests
from sqlalchemy import create_engine, text

from app.core.urls import database_url as sqlalchemy_url
from tests.support.environment import wait_for
from tests.support.factories import PASSWORD
from tests.system.harness.books import make_csv
from tests.system.harness.deploy import Worker
from tests.system.harness.process import HttpClient, Service
from tests.system.harness.servers import Server
from tests.system.twelve_factor.ecs_schema import Event
from tests.system.twelve_factor.logged_deploy import LoggedDeploy

IMPORT = "upload-0123456789abcdef"  # ids of requests
KILLED = "killed-0123456789abcdef"
FAILED = "mistake-0123456789abcdef"


def start(deploy: LoggedDeploy) -> tuple[Worker, Service]:
    """Run the release, start a worker, and create a web process."""
    release = deploy.create_release()
    release.start()
    assert release.wait() == 0, deploy.output()
    worker = deploy.create_worker()
    worker.start()
    return worker, deploy.create_web()


def run_normally(deploy: LoggedDeploy) -> None:
    """Start, serve, fail, kill processes, reload and stop."""
    worker, web = start(deploy)
    with web:
        user = deploy.sign_up(web)
        deploy.wait_for_message("worker", r" ready\.")
        import_books(deploy, user)
        cause_errors(deploy, user)
        kill_children(deploy, user)
        send_malformed_requests(web, user)
        os.kill(first_pid(deploy, "web"), signal.SIGHUP)
        deploy.wait_for_message("web", "Handling signal: hup")
        assert user.get("/books").status_code == 200
        worker.send(signal.SIGTERM)
        worker.send(signal.SIGTERM)
        worker.wait()


def run_through_outages(deploy: LoggedDeploy, database: Server, broker: Server) -> None:
    """Stop the broker and the database, and start them again."""
    worker, web = start(deploy)
    with web:
        user = deploy.sign_up(web)
        deploy.wait_for_message("worker", r" ready\.")
        broker.stop()
        deploy.wait_for_message("worker", "Connection to broker lost")
        user.import_csv(make_csv(1))
        database.stop()
        assert user.get("/books").status_code == 503
        deploy.wait_for_message("worker", "the sweep failed")
        broker.start()
        database.start()
        deploy.wait_for_message("worker", "books.import succeeded")
        worker.send(signal.SIGQUIT)
        worker.wait()


def import_books(deploy: LoggedDeploy, user: HttpClient) -> None:
    """Import a file of a megabyte, which frameworks would keep in a temporary file, and wait for the job."""
    rows = (f"Book {i},{'Author ' * 140},97800000000{i:02}" for i in range(1000))
    file = "\n".join(["title,author,isbn", *rows]).encode()
    answer = user.post("/books/imports", files={"file": file}, headers={"X-Request-ID": IMPORT})
    assert (answer.status_code, len(file) > 2**19) == (202, True), answer.text
    deploy.job = str(answer.json()["id"])
    user.wait_for_job(answer.headers["Location"])
    deploy.wait_for_message("worker", "books.import succeeded")
    deploy.logs_after_import = {name: program.log() for name, program in deploy.processes.items()}


def cause_errors(deploy: LoggedDeploy, user: HttpClient) -> None:
    """Rename a table, so that a request and a job fail, and rename it back."""
    engine = create_engine(sqlalchemy_url(deploy.database_url), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text("ALTER TABLE books RENAME TO lost"))
        deploy.problem = user.get("/books", headers={"X-Request-ID": FAILED}).json()
        user.import_csv(make_csv(1))
        deploy.wait_for_message("worker", "books.import raised an error")
        connection.execute(text("ALTER TABLE lost RENAME TO books"))
    engine.dispose()


def kill_children(deploy: LoggedDeploy, user: HttpClient) -> None:
    """Kill (-9) a child of the worker during its job, and the process that serves requests."""
    user.import_csv(make_csv(50_000), **{"X-Request-ID": KILLED})
    started = wait_for("the job has started", lambda: start_events(deploy))
    os.kill(started[0]["process"]["pid"], signal.SIGKILL)
    deploy.wait_for_message("worker", "SIGKILL")
    pattern = r"Booting worker with pid: (\d+)"
    booted = deploy.wait_for_message("web", pattern)
    os.kill(int(booted[1]), signal.SIGKILL)
    wait_for("another child is started", lambda: deploy.wait_for_message("web", pattern)[1] != booted[1])


def start_events(deploy: LoggedDeploy) -> list[Event]:
    """The events at the start of the job whose worker is killed."""
    caused = [event for event in deploy.events("worker") if event.get("http") == {"request": {"id": KILLED}}]
    return [event for event in caused if "books.import started" in event["message"]]


def send_malformed_requests(web: Service, user: HttpClient) -> None:
    """Send bytes that are not HTTP, and secrets in the wrong places."""
    for line in (f"GET /healthz?token={user.token}\r\nnot HTTP", "\x16\x03\x01\x00\xff", "GET / HTTP/9.9"):
        with socket.create_connection(("127.0.0.1", web.port), timeout=60) as connection:
            connection.sendall(f"{line}\r\n\r\n".encode("latin-1"))
            connection.recv(1000)
    requests.get(f"{web.url}/nowhere%0A%22%7B?password={PASSWORD}", headers={"User-Agent": ""}, timeout=60)


def first_pid(deploy: LoggedDeploy, process: str) -> int:
    """The process id of the first event, which is the parent's."""
    return int(deploy.events(process)[0]["process"]["pid"])
