"""The registry of `flask doctor`: each feature adds the checks that concern it."""

from collections.abc import Callable
from dataclasses import dataclass


class CheckFailed(Exception):
    """A check found something that must not be released."""


@dataclass(frozen=True)
class Check:
    """One line of `flask doctor`.

    Attributes:
        name: What is checked, in one word.
        run: Returns the result in a few words, or raises an error.
        remedy: What the operator can do when it fails.
        needs: The name of another check without which this one cannot run.
        before_release: Whether the check can run before the migrations and without a worker.
    """

    name: str
    run: Callable[[], str]
    remedy: str
    needs: str = ""
    before_release: bool = True


registered: dict[str, Check] = {}


def doctor_check(
    name: str, *, remedy: str, needs: str = "", before_release: bool = True
) -> Callable[[Callable[[], str]], Callable[[], str]]:
    """Add the decorated function to `flask doctor`; the arguments are those of `Check`."""

    def register(run: Callable[[], str]) -> Callable[[], str]:
        registered[name] = Check(name, run, remedy, needs, before_release)
        return run

    return register
