"""The cost of redaction for malicious lines."""

import time

import pytest

from app.core.observability import redact


def cost(line: str) -> float:
    begin = time.process_time()
    for _ in range(5):
        redact(line)
    return time.process_time() - begin


@pytest.mark.parametrize("bait", ["token_", "eyJ", "password", "://a:", "Duplicate entry '", 'secret="'])
def test_the_cost_of_redaction_is_not_quadratic(bait: str) -> None:
    """A quadratic pattern would take 64 times as long."""
    short, long = bait * 300, bait * 2400
    cost(short)
    assert min(cost(long) for _ in range(3)) < 30 * max(min(cost(short) for _ in range(3)), 0.0002)
