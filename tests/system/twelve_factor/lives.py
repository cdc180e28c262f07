"""What happens to web, worker and release in their lives: work, mistakes, accidents, and the end."""

import os
import signal
import socket

import requests
from sqlalchemy import create_engine, text

from app.core.urls import database_url as sqlalchemy_url
from tests.support.clients import PASSWORD
from tests.support.environment import wait_for
from tests.system.faults.databases import Postgres
from tests.system.faults.processes import Worker, csv_of
from tests.system.faults.servers import BrokerServer
from tests.system.formation import HttpClient, Service
from tests.system.twelve_factor.ecs import Event
from tests.system.twelve_factor.life import Life

UPLOAD = "upload-0123456789abcdef"  # ids of requests
KILLED = "killed-0123456789abcdef"
MISTAKE = "mistake-0123456789abcdef"


def begun(alive: Life) -> tuple[Worker, Service]:
    """A release that succeeds, a worker that starts, and web that is still to be."""
    release = alive.release()
    release.start()
    assert release.wait() == 0, alive.printed()
    worker = alive.worker()
    worker.start()
    return worker, alive.web()


def live(alive: Life) -> None:
    """All that happens to processes which work: they start, serve, meet errors, are killed, and are told to stop."""
    worker, web = begun(alive)
    with web:
        user = alive.log_in(web)
        alive.hears("worker", r" ready\.")
        upload(alive, user)
        make_a_mistake(alive, user)
        lose_children(alive, user)
        talk_nonsense(web, user)
        os.kill(first_pid(alive, "web"), signal.SIGHUP)
        alive.hears("web", "Handling signal: hup")
        assert user.get("/books").status_code == 200
        worker.send(signal.SIGTERM)
        worker.send(signal.SIGTERM)
        worker.wait()


def outlive(alive: Life, database: Postgres, broker: BrokerServer) -> None:
    """Processes lose their broker and their database, and get both back."""
    worker, web = begun(alive)
    with web:
        user = alive.log_in(web)
        alive.hears("worker", r" ready\.")
        broker.kill()
        alive.hears("worker", "Connection to broker lost")
        user.import_csv(csv_of(1))
        database.stop()
        assert user.get("/books").status_code == 503
        alive.hears("worker", "the database does not answer")
        broker.start()
        database.start()
        alive.hears("worker", "books.import succeeded", 60)
        worker.send(signal.SIGQUIT)
        worker.wait()


def upload(alive: Life, user: HttpClient) -> None:
    """Import a file of a megabyte, larger than what frameworks like to hold in memory, and wait for the end."""
    rows = (f"Book {i},{'Author ' * 140},97800000000{i:02}" for i in range(1000))
    file = "\n".join(["title,author,isbn", *rows]).encode()
    answer = user.post("/books/imports", files={"file": file}, headers={"X-Request-ID": UPLOAD})
    assert (answer.status_code, len(file) > 2**19) == (202, True), answer.text
    alive.job = str(answer.json()["id"])
    user.finished(answer.headers["Location"])
    alive.hears("worker", "books.import succeeded")
    alive.early = {name: program.log() for name, program in alive.programs.items()}


def make_a_mistake(alive: Life, user: HttpClient) -> None:
    """Take a table away, so that a request and a job fail, and bring it back."""
    engine = create_engine(sqlalchemy_url(str(alive.variables["DATABASE_URL"])), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text("ALTER TABLE books RENAME TO lost"))
        alive.problem = user.get("/books", headers={"X-Request-ID": MISTAKE}).json()
        user.import_csv(csv_of(1))
        alive.hears("worker", "books.import broke off")
        connection.execute(text("ALTER TABLE lost RENAME TO books"))
    engine.dispose()


def lose_children(alive: Life, user: HttpClient) -> None:
    """Kill (-9) a child in the middle of its job, and the process that answers requests."""
    user.import_csv(csv_of(50_000), **{"X-Request-ID": KILLED})
    started = wait_for("the job has begun", lambda: starts(alive), 20)
    os.kill(started[0]["process"]["pid"], signal.SIGKILL)
    alive.hears("worker", "SIGKILL")
    booted = alive.hears("web", r"Booting worker with pid: (\d+)")
    os.kill(int(booted[1]), signal.SIGKILL)
    wait_for("another takes its place", lambda: alive.hears("web", r"Booting worker with pid: (\d+)")[1] != booted[1])


def starts(alive: Life) -> list[Event]:
    """Where the worker begins with the job that will be killed."""
    caused = [event for event in alive.events("worker") if event.get("http") == {"request": {"id": KILLED}}]
    return [event for event in caused if "books.import started" in event["message"]]


def talk_nonsense(web: Service, user: HttpClient) -> None:
    """Send what is no HTTP, and secrets where they do not belong."""
    token = str(user.headers["Authorization"]).removeprefix("Bearer ")
    for line in (f"GET /healthz?token={token}\r\nnot HTTP", "\x16\x03\x01\x00\xff", "GET / HTTP/9.9"):
        with socket.create_connection(("127.0.0.1", web.port), timeout=10) as connection:
            connection.sendall(f"{line}\r\n\r\n".encode("latin-1"))
            connection.recv(1000)
    requests.get(f"{web.url}/nowhere%0A%22%7B?password={PASSWORD}", headers={"User-Agent": ""}, timeout=10)


def first_pid(alive: Life, process: str) -> int:
    """The process that the others come from."""
    return int(alive.events(process)[0]["process"]["pid"])
