"""The test client, and what tests do with its responses."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any, TypeVar

from flask import Flask

Answer = TypeVar("Answer")


class Client:
    """Flask's test client with the API's prefix and, perhaps, a user's tokens."""

    def __init__(self, app: Flask, token: str | None = None, refresh_token: str | None = None) -> None:
        self.app, self.token, self.refresh_token = app, token, refresh_token
        self._http = app.test_client()

    def open(self, method: str, path: str, **options: Any) -> Any:
        """Send a request. Paths are below `/api/v1`; a tilde stands for the root: `~/healthz`."""
        headers = dict(options.pop("headers", None) or {})
        if self.token:
            headers.setdefault("Authorization", f"Bearer {self.token}")
        url = path.removeprefix("~") if path.startswith("~") else f"/api/v1{path}"
        with self.app.app_context():  # a request inside a job's context would share its session
            return self._http.open(url, method=method, headers=headers, **options)

    def get(self, path: str, **options: Any) -> Any:
        return self.open("GET", path, **options)

    def post(self, path: str, **options: Any) -> Any:
        return self.open("POST", path, **options)

    def patch(self, path: str, **options: Any) -> Any:
        return self.open("PATCH", path, **options)

    def delete(self, path: str, **options: Any) -> Any:
        return self.open("DELETE", path, **options)


def problem(response: Any) -> tuple[int, dict[str, Any]]:
    """The status and body of a problem, without the request id."""
    assert response.content_type == "application/problem+json", response.text
    return response.status_code, {name: value for name, value in response.json.items() if name != "request_id"}


def at_once(call: Callable[[], Answer], times: int = 2) -> list[Answer]:
    """Call from several threads at once, and return all results."""
    barrier = Barrier(times)

    def wait_and_call(_: int) -> Answer:
        barrier.wait(timeout=10)
        return call()

    with ThreadPoolExecutor(times) as threads:
        return list(threads.map(wait_and_call, range(times)))
