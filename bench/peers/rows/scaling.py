"""How much faster hone trains on two threads than on one."""

from __future__ import annotations

from context import Context
from measurement import Comparison, Target, interleave
from rows.training import random_order
from settings import TrainSetting


def measure(context: Context) -> list[Comparison]:
    if context.hone is None:
        return []

    def run(round_number: int, threads: int) -> float:
        batches = random_order(context, round_number)
        return context.train_hone(batches, TrainSetting(), threads).samples_per_second

    values = interleave(
        context.rounds, {"1 thread": lambda r: run(r, 1), "2 threads": lambda r: run(r, 2)}
    )
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
