"""Traffic: clients that keep their connections alive, behind what routes as a router does."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import count, cycle
from random import randrange
from threading import Event
from typing import Any

import requests

from tests.support.clients import book, isbn
from tests.support.environment import wait_for
from tests.system.formation import HttpClient

CLIENTS = 4


class Client:
    """Reads and writes without a pause, each time at the next process, and notes what it was told.

    Attributes:
        answered: How many requests were.
        failed: What happened to those that were not, or not with success.
        added: The ISBNs of the books that were taken.
    """

    def __init__(self, user: HttpClient, urls: Sequence[str], first: int) -> None:
        self.http = HttpClient("")
        self.http.headers["Authorization"] = user.headers["Authorization"]
        self.urls = cycle(urls)
        self.first = first  # the number of its first book: no other client has one of its books
        self.answered = 0
        self.failed: list[str] = []
        self.added: set[str] = set()

    def go_on_until(self, over: Event) -> None:
        isbns = map(isbn, count(self.first))
        while not over.is_set():
            new = next(isbns)
            self._send(over, "GET", "/users/me")
            added = self._send(over, "POST", "/books", json=book(isbn=new))
            if added is not None and added.status_code == 201:
                self.added.add(new)

    def _send(self, over: Event, method: str, path: str, **options: Any) -> requests.Response | None:
        """Who refuses the connection is passed over; what was sent once is never sent again."""
        while not over.is_set():
            self.http.root = next(self.urls)
            try:
                answer = self.http.request(method, path, **options)
            except requests.RequestException as error:
                if "Connection refused" in str(error):
                    continue
                self.failed.append(repr(error))
                return None
            self.answered += 1
            if not answer.ok:
                self.failed.append(answer.text)
            return answer
        return None


class Traffic(list[Client]):
    """Everything that was sent, and what became of it."""

    def flows(self) -> None:
        """Wait until each client was answered again."""
        before = [client.answered for client in self]
        wait_for("all are answered", lambda: all(c.answered > n + 4 for c, n in zip(self, before, strict=True)))

    def failed(self) -> list[str]:
        return [failure for client in self for failure in client.failed]

    def added(self) -> set[str]:
        return set().union(*(client.added for client in self))


@contextmanager
def traffic(user: HttpClient, urls: Sequence[str]) -> Iterator[Traffic]:
    """Clients of one user at work, for as long as the block lasts."""
    beginning = randrange(100, 9_000)  # traffic before this one has other books
    clients, over = Traffic(Client(user, urls, (beginning + number) * 10**5) for number in range(CLIENTS)), Event()
    with ThreadPoolExecutor(CLIENTS) as threads:
        working = [threads.submit(client.go_on_until, over) for client in clients]
        try:
            clients.flows()
            yield clients
            clients.flows()
        finally:
            over.set()
    for each in working:
        each.result()


def books(user: HttpClient) -> set[str]:
    """The ISBNs of all books that a user has."""
    return {line.split(",")[2] for line in user.get("/books/export").text.splitlines()[1:]}
