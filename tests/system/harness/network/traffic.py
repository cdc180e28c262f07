"""Clients that keep their connections alive and go to each process in turn, as behind a router."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import count, cycle
from random import randrange
from threading import Event
from typing import Any

import requests

from tests.books.factories import book, isbn
from tests.support.environment import wait_for
from tests.system.harness.process import HttpClient

CLIENTS = 4


class Client:
    """Sends requests without a pause, each to the next process, and notes the answers.

    Attributes:
        answered: The number of answers.
        failed: The errors, and the answers that are no success.
        added: The ISBNs of the books that were created.
    """

    def __init__(self, user: HttpClient, urls: Sequence[str], first: int) -> None:
        self.http = user.at("")
        self.urls = cycle(urls)
        self.first = first  # the number of its first book; no other client adds the same books
        self.answered = 0
        self.failed: list[str] = []
        self.added: set[str] = set()

    def run(self, over: Event) -> None:
        isbns = map(isbn, count(self.first))
        while not over.is_set():
            new = next(isbns)
            self._send(over, "GET", "/users/me")
            added = self._send(over, "POST", "/books", json=book(isbn=new))
            if added is not None and added.status_code == 201:
                self.added.add(new)

    def _send(self, over: Event, method: str, path: str, **options: Any) -> requests.Response | None:
        """Try the next process if one refuses the connection. Never send a request twice."""
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
    """The clients, and the sum of their results."""

    def wait_for_answers(self) -> None:
        """Wait until each client has had some more answers."""
        before = [client.answered for client in self]

        def all_answered() -> bool:
            return all(client.answered > earlier + 4 for client, earlier in zip(self, before, strict=True))

        wait_for("all clients have had answers", all_answered)

    def failed(self) -> list[str]:
        return [failure for client in self for failure in client.failed]

    def added(self) -> set[str]:
        return set().union(*(client.added for client in self))


@contextmanager
def traffic(user: HttpClient, urls: Sequence[str]) -> Iterator[Traffic]:
    """Run clients of one user as long as the block lasts."""
    beginning = randrange(100, 9_000)  # other traffic of the same user has other books
    clients, over = Traffic(Client(user, urls, (beginning + number) * 10**5) for number in range(CLIENTS)), Event()
    with ThreadPoolExecutor(CLIENTS) as threads:
        running = [threads.submit(client.run, over) for client in clients]
        try:
            clients.wait_for_answers()
            yield clients
            clients.wait_for_answers()
        finally:
            over.set()
    for each in running:
        each.result()
