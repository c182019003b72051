"""How much faster hone trains on two threads than on one, alone and beside a busy process."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from context import Context
from measurement import Comparison, Target, interleave
from rows.training import random_order
from settings import TrainSetting


@contextmanager
def busy_core() -> Iterator[None]:
    """A process of its own that computes without end on the last core of those measured."""
    core = max(os.sched_getaffinity(0))
    process = subprocess.Popen(
        [sys.executable, "-c", f"import os; os.sched_setaffinity(0, [{core}])\nwhile True: pass"]
    )
    try:
        yield
    finally:
        process.kill()
        process.wait()


def one_and_two_threads(context: Context) -> dict[str, list[float]]:
    def run(round_number: int, threads: int) -> float:
        batches = random_order(context, round_number)
        return context.train_hone(batches, TrainSetting(), threads).samples_per_second

    return interleave(
        context.rounds, {"1 thread": lambda r: run(r, 1), "2 threads": lambda r: run(r, 2)}
    )


def busy(context: Context) -> list[Comparison]:
    if context.hone is None:
        return []
    with busy_core():
        values = one_and_two_threads(context)
    return [
        Comparison(
            what="training on 2 threads, one core busy with another process",
            peer="hone on 1 thread, the same core busy",
            unit="samples/s",
            hone_values=values["2 threads"],
            peer_values=values["1 thread"],
            target=Target("ratio", 0.95, 1.1),
        )
    ]


def measure(context: Context) -> list[Comparison]:
    if context.hone is None:
        return []
    values = one_and_two_threads(context)
    return [
        Comparison(
            what="training, dropout 0.1, on 2 threads",
            peer="hone on 1 thread",
            unit="samples/s",
            hone_values=values["2 threads"],
            peer_values=values["1 thread"],
            target=Target("ratio", 1.8, 1.95),
        )
    ]
