"""`bin/bench`: CPU time per request, of each candidate in turn, round by round; only the ratios mean anything."""

import argparse
import statistics
import tempfile
import time
from pathlib import Path

from bench.candidates import CANDIDATES
from bench.seed import seed


def main() -> None:
    """Measure, and print a table."""
    arguments = argparse.ArgumentParser(prog="bin/bench", description=__doc__)
    arguments.add_argument("--rounds", type=int, default=10)
    arguments.add_argument("--requests", type=int, default=200, help="in each round, of each candidate")
    given = arguments.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        token = seed(folder)
        calls = {candidate: make(folder, token) for candidate, make in CANDIDATES.items()}
        costs: dict[str, list[float]] = {candidate: [] for candidate in calls}
        for call in calls.values():
            call()
        for _ in range(given.rounds):
            for candidate, call in calls.items():
                begin = time.process_time()
                for _ in range(given.requests):
                    call()
                costs[candidate].append((time.process_time() - begin) / given.requests)
    medians = {candidate: statistics.median(cost) for candidate, cost in costs.items()}
    bare = medians["bare Flask"]
    print("A list of 20 books, CPU per request:")
    for candidate, cost in medians.items():
        print(f"  {candidate:<12} {cost * 1000:6.2f} ms   {cost / bare:5.2f} × bare Flask")


main()
