"""The float32 peak of the machine, and how much of it hone's training uses."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path
from statistics import median

import torch

from context import Context
from flops import training_flops
from measurement import Comparison, Target, interleave
from rows.training import random_order
from settings import TrainSetting

SOURCE = Path(__file__).parent.parent / "peak.cpp"


def build_probe(work: Path) -> Path:
    """The multiply-add loop of peak.cpp, compiled for this machine."""
    program = work / "peak"
    flags = ["-O3", "-march=native", "-mprefer-vector-width=512", "-fopenmp", "-std=c++20"]
    subprocess.run(["g++", *flags, str(SOURCE), "-o", str(program)], check=True)
    return program


def multiply_add_peak(program: Path, threads: int) -> float:
    """GFLOP/s of multiply-adds that never leave the registers."""
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads)}
    done = subprocess.run([str(program)], env=environment, stdout=subprocess.PIPE, check=True)
    return float(done.stdout)


def matmul_peak(size: int = 2048, repeats: int = 4) -> float:
    """GFLOP/s of PyTorch's best product of two square matrices."""
    a, b = torch.rand(size, size), torch.rand(size, size)
    out, best = torch.empty(size, size), float("inf")
    for _ in range(repeats):
        start = time.perf_counter()
        torch.mm(a, b, out=out)
        best = min(best, time.perf_counter() - start)
    return 2.0 * size**3 / best / 1e9


def measure(context: Context) -> list[Comparison]:
    probe = build_probe(context.work)
    products: list[float] = []
    asked: list[float] = []

    def run_peak(_round: int) -> float:
        products.append(matmul_peak())
        peaks = [multiply_add_peak(probe, context.threads), products[-1]]
        return max([*peaks, context.hone_peak or 0.0])

    def run_hone(round_number: int) -> float:
        batches = random_order(context, round_number)
        result = context.train_hone(batches, TrainSetting())
        timed = [n for batch in batches[context.warm_up :] for n in batch]
        asked.append(training_flops(context.tokens("train").lengths()[timed]) / result.seconds / 1e9)
        return float(result.results["flops_per_second"]) / 1e9

    hone = run_hone if context.hone is not None else None
    values = interleave(context.rounds, {"peak": run_peak, "hone": hone})
    notes = [
        "hone's figure counts the products it executed",
        f"the peak is the best of a register loop and PyTorch's product of 2048 x 2048 matrices "
        f"({median(products):.0f} GFLOP/s)",
    ]
    if asked:
        notes.append(
            f"a program that computes every product of the model's definition (without padding) "
            f"would have to reach {median(asked):.0f} GFLOP/s to train as fast: the last layer needs "
            "the first token of each review only, and hone computes no more than that"
        )
    return [
        Comparison(
            what="training, dropout 0.1, work done",
            peer=f"float32 peak, {context.threads} threads",
            unit="GFLOP/s",
            hone_values=values["hone"],
            peer_values=values["peak"],
            target=Target("ratio", None, 0.6),
            notes=notes,
        )
    ]
