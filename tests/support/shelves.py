"""What a refused request must leave as it was."""

from tests.support.clients import Client


def has_nothing(client: Client) -> bool:
    """Whether the user has no book and no job."""
    return not any(client.get(path).json["items"] for path in ("/books", "/jobs"))
