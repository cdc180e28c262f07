"""Events: a feature announces what has happened, and other features react without being imported.

Listeners run at once, in the announcer's transaction: an error in one undoes the whole change.
"""

from collections import defaultdict
from collections.abc import Callable
from typing import Any

Listener = Callable[..., None]
_listeners: defaultdict[str, list[Listener]] = defaultdict(list)


def listens(event: str) -> Callable[[Listener], Listener]:
    """Call the decorated function whenever `event` is announced, with the payload as keyword arguments."""

    def register(listener: Listener) -> Listener:
        _listeners[event].append(listener)
        return listener

    return register


def announce(event: str, **payload: Any) -> None:
    """Call every listener of `event`, in the order in which they were registered."""
    for listener in _listeners[event]:
        listener(**payload)
