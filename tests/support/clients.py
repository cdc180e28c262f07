"""Clients: Flask's test client with a token and the API's prefix."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any, TypeVar

from flask import Flask
from stdnum.ean import calc_check_digit

Answer = TypeVar("Answer")
PASSWORD = "correct horse battery staple"


class Client:
    """Speaks JSON with the API, as one user or as nobody."""

    def __init__(self, app: Flask, token: str | None = None, refresh_token: str | None = None) -> None:
        self.app, self.token, self.refresh_token = app, token, refresh_token
        self._http = app.test_client()

    def open(self, method: str, path: str, **options: Any) -> Any:
        """Send a request: paths are below `/api/v1`, unless they begin with a tilde, which stands for the root."""
        headers = dict(options.pop("headers", None) or {})
        if self.token:
            headers.setdefault("Authorization", f"Bearer {self.token}")
        url = path.removeprefix("~") if path.startswith("~") else f"/api/v1{path}"
        with self.app.app_context():  # a request inside a job's context would share its transaction
            return self._http.open(url, method=method, headers=headers, **options)

    def get(self, path: str, **options: Any) -> Any:
        return self.open("GET", path, **options)

    def post(self, path: str, **options: Any) -> Any:
        return self.open("POST", path, **options)

    def patch(self, path: str, **options: Any) -> Any:
        return self.open("PATCH", path, **options)

    def delete(self, path: str, **options: Any) -> Any:
        return self.open("DELETE", path, **options)

    def import_csv(self, text: str | bytes) -> Any:
        """Upload a CSV file as the body."""
        return self.post("/books/imports", data=text, content_type="text/csv")


def sign_up(app: Flask, email: str, password: str = PASSWORD) -> Client:
    """Create a user."""
    response = Client(app).post("/auth/signup", json={"email": email, "password": password, "name": email})
    assert response.status_code == 201, response.text
    return log_in(app, email, password)


def log_in(app: Flask, email: str, password: str = PASSWORD) -> Client:
    """Begin a session."""
    response = Client(app).post("/auth/login", json={"email": email, "password": password})
    assert response.status_code == 200, response.text
    return Client(app, response.json["access_token"], response.json["refresh_token"])


def book(**fields: Any) -> dict[str, Any]:
    """A valid new book."""
    return {"title": "Emma", "author": "Jane Austen", "isbn": "9780141439587", "year": 1815, "language": "eng"} | fields


def isbn(number: int) -> str:
    """A valid ISBN-13, another one for each number."""
    digits = f"978{number:09}"
    return digits + calc_check_digit(digits)


def problem(response: Any) -> tuple[int, dict[str, Any]]:
    """A problem's status and body, without what differs between two requests."""
    assert response.content_type == "application/problem+json", response.text
    return response.status_code, {name: value for name, value in response.json.items() if name != "request_id"}


def at_once(call: Callable[[], Answer], times: int = 2) -> list[Answer]:
    """Call from several threads at the same moment."""
    barrier = Barrier(times)

    def wait_and_call(_: int) -> Answer:
        barrier.wait(timeout=10)
        return call()

    with ThreadPoolExecutor(times) as threads:
        return list(threads.map(wait_and_call, range(times)))
