"""Whether two trials at a time on two cores are as fast as one after the other.

The same search over networks (four trainings on the embedded reviews, values from a grid) with one
job on all cores and with two jobs that share them, in turn; a study of its own each time. Prints
the seconds of each round and the median of their ratios.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

SEARCH = """
recipe = "search"
name = "jobs"
model = "bert-tiny"
data = "reviews"
objectives = ["accuracy"]
sampler = "grid"
trials = 4
epochs = 2
batch = 16
lr = 1e-3

[space]
num_hidden_layers = [1, 2]
hidden_size = [64, 128]
"""


def seconds_of(hone: Path, jobs: int) -> float:
    """Of one search, from its start to its end."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "jobs.toml").write_text(SEARCH)
        begin = time.perf_counter()
        subprocess.run(
            [str(hone), "search", "jobs.toml", "--jobs", str(jobs)],
            cwd=folder,
            check=True,
            capture_output=True,
        )
        return time.perf_counter() - begin


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hone", type=Path, default=Path("build/release/hone"))
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    hone = given.hone.resolve()
    ratios = []
    for number in range(given.rounds):
        order = [1, 2] if number % 2 == 0 else [2, 1]
        times = {jobs: seconds_of(hone, jobs) for jobs in order}
        ratios.append(times[1] / times[2])
        print(f"one after the other {times[1]:.1f} s, two at a time {times[2]:.1f} s", flush=True)
    print(
        f"two at a time: {statistics.median(ratios):.2f} x as fast "
        f"({min(ratios):.2f} to {max(ratios):.2f})"
    )


if __name__ == "__main__":
    main()
