"""An HTTP client of the API."""

from typing import Any

import requests

from tests.support.environment import wait_for


class HttpClient(requests.Session):
    """Sends requests to a running service. Paths are below `/api/v1`."""

    def __init__(self, url: str, token: str = "") -> None:
        super().__init__()
        self.root = url
        if token:
            self.headers["Authorization"] = f"Bearer {token}"

    @property
    def token(self) -> str:
        """The access token."""
        return str(self.headers["Authorization"]).removeprefix("Bearer ")

    def at(self, url: str) -> "HttpClient":
        """Create a client with the same token, for another process or another thread."""
        return HttpClient(url, self.token)

    def request(self, method: str | bytes, url: str | bytes, *args: Any, **options: Any) -> requests.Response:
        options.setdefault("timeout", 90)
        path = str(url) if str(url).startswith("/api/v1") else f"/api/v1{url!s}"
        return super().request(method, self.root + path, *args, **options)

    def upload_csv(self, content: bytes, **headers: str) -> requests.Response:
        """Upload a CSV file, which must be accepted."""
        response = self.post("/books/imports", data=content, headers={"Content-Type": "text/csv"} | headers)
        assert response.status_code == 202, response.text
        return response

    def import_csv(self, content: bytes, **headers: str) -> str:
        """Upload a CSV file, and return the path of its job."""
        return str(self.upload_csv(content, **headers).headers["Location"])

    def progress(self, job: str) -> int:
        """How many items of a job are done."""
        return int(self.get(job).json()["progress"]["done"])

    def wait_until_running(self, job: str, total: int) -> None:
        """Wait until a job has done some of its items, and not yet all."""
        wait_for(f"{job} is in progress", lambda: 0 < self.progress(job) < total)

    def wait_for_job(self, job: str, seconds: float = 120) -> dict[str, Any]:
        """Wait until a job has ended, and return it."""

        def ended() -> dict[str, Any] | None:
            answer: dict[str, Any] = self.get(job).json()
            return answer if answer["status"] not in ("queued", "running") else None

        return wait_for(f"{job} has ended", ended, seconds) or {}
