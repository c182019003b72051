"""How long hone takes to open a large study, and how much room it takes on disk.

A study of 10,000 trials of 52 categorical parameters (`--trials`, `--parameters`) is begun by hone and filled through
SQL; then each command runs `--rounds` times. Needs nothing but Python.
"""

from __future__ import annotations

import argparse
import random
import sqlite3
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
CHOICES = ["int8", "int16", "float32", "mxint4", "mxint8", "linear", "identity"]


def fill(hone: Path, work: Path, trials: int, parameters: int) -> None:
    names = [f"encoder.layer.{i}.attention.self.query.format" for i in range(parameters)]
    space = "".join(f"'{name}' = {CHOICES}\n" for name in names)
    (work / "o.sh").write_text("while read -r line; do echo '{\"values\": [1]}'; done\n")
    (work / "s.toml").write_text(
        "recipe = 'search'\ndirections = ['minimize']\nsampler = 'random'\n"
        f"objective_command = ['sh', 'o.sh']\n[space]\n{space}"
    )
    subprocess.run(
        [hone, "search", "s.toml", "--trials", "1", "--study", "sqlite:s.db#s"],
        cwd=work, check=True, capture_output=True,
    )
    draw = random.Random(1)
    with sqlite3.connect(work / "s.db") as database:
        (distribution,) = database.execute("SELECT distribution_json FROM trial_params").fetchone()
        for trial in range(2, trials + 1):
            database.execute(
                "INSERT INTO trials VALUES (?, ?, 1, 'COMPLETE', '2026-01-01 10:00:00.000001', "
                "'2026-01-01 10:00:01.5')",
                (trial, trial - 1),
            )
            database.executemany(
                "INSERT INTO trial_params (trial_id, param_name, param_value, distribution_json) "
                "VALUES (?, ?, ?, ?)",
                [(trial, name, draw.randrange(len(CHOICES)), distribution) for name in names],
            )
            database.execute(
                "INSERT INTO trial_values (trial_id, objective, value, value_type) "
                "VALUES (?, 0, ?, 'FINITE')",
                (trial, draw.random()),
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hone", type=Path, default=ROOT / "build/release/hone")
    parser.add_argument("--trials", type=int, default=10000)
    parser.add_argument("--parameters", type=int, default=52)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    hone = arguments.hone.resolve()
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        fill(hone, work, arguments.trials, arguments.parameters)
        print(f"file: {(work / 's.db').stat().st_size / 1e6:.0f} MB")
        for action, more in {
            "list": [], "show": [], "best": [], "trials": [],
            "export": ["--csv", "trials.csv"], "export as JSON": ["--json", "trials.json"],
        }.items():
            seconds = []
            for _ in range(arguments.rounds):
                begin = time.perf_counter()
                subprocess.run(
                    [hone, "study", action.split()[0], "sqlite:s.db", *more],
                    cwd=work, check=True, stdout=subprocess.DEVNULL,
                )
                seconds.append(time.perf_counter() - begin)
            print(
                f"hone study {action:<15} {statistics.median(seconds):6.2f} s "
                f"({min(seconds):.2f} to {max(seconds):.2f})"
            )


if __name__ == "__main__":
    main()
