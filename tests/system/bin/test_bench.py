"""`bin/bench`."""

import re
import subprocess
import sys

from tests.support.environment import ROOT, environment


def test_the_benchmark_compares_three_services() -> None:
    command = [sys.executable, "-m", "bench", "--rounds", "1", "--requests", "3"]
    done = subprocess.run(command, cwd=ROOT, env=environment({}), capture_output=True, text=True, check=True)
    ratios = re.findall(r"^ +(\w[\w ]*?) +[\d.]+ ms +([\d.]+) × bare Flask$", done.stdout, re.MULTILINE)
    assert [name for name, _ in ratios] == ["bare Flask", "FastAPI", "Barah"]
    assert all(float(ratio) > 0 for _, ratio in ratios)
