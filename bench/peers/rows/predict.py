"""One review from the command line: the whole process, start to end."""

from __future__ import annotations

import json
import shlex
import shutil
import subprocess
import sys
import time
from pathlib import Path
from statistics import median

from context import Context
from measurement import Comparison, Target, interleave

REVIEW = (
    "A slow first half, but the last hour is wonderful: the two leads are superb, and I left the "
    "cinema smiling. Not the masterpiece some say it is, still one of the best films of the year."
)
RUNS = 10
WORKER = Path(__file__).parent.parent / "worker.py"


def process_seconds(command: list[str], runs: int, work: Path) -> float:
    """Median wall time of a process: by hyperfine where it is installed, else by our own clock."""
    if shutil.which("hyperfine") is None:
        return median(_one_run(command) for _ in range(runs))
    target = work / "hyperfine.json"
    subprocess.run(
        ["hyperfine", "-N", "--warmup", "1", "--runs", str(runs)]
        + ["--export-json", str(target), "--style", "none", shlex.join(command)],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    return json.loads(target.read_text())["results"][0]["median"]


def _one_run(command: list[str]) -> float:
    start = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


def measure(context: Context) -> list[Comparison]:
    model = context.trained_model()
    peer = [sys.executable, str(WORKER), "predict", str(model), REVIEW]
    hone = context.hone

    def run_hone(_round: int) -> float:
        assert hone is not None
        return 1e3 * process_seconds(
            [str(hone.program), "predict", str(model), REVIEW], RUNS, context.work
        )

    if hone is not None:
        hone.run("predict", model, REVIEW)
    values = interleave(
        context.rounds,
        {
            "transformers": lambda _round: 1e3 * process_seconds(peer, 2, context.work),
            "hone": run_hone if hone is not None else None,
        },
    )
    tool = "hyperfine" if shutil.which("hyperfine") else "wall clock"
    return [
        Comparison(
            what="one review, whole process",
            peer="Python, transformers, PyTorch",
            unit="ms",
            hone_values=values["hone"],
            peer_values=values["transformers"],
            higher_is_better=False,
            target=Target("value", 60.0, 30.0, "ms"),
            notes=[f"{tool}, warm file cache, median of {RUNS} runs a round"],
        )
    ]
