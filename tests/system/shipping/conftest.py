"""What the tests of shipping share with those of the twelve factors: one build in a run."""

from tests.system.twelve_factor.conftest import build

__all__ = ["build"]
