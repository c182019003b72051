"""Compares the importance of parameters in `hone report` with Optuna's FanovaImportanceEvaluator.

Optuna makes studies of functions whose analysis of variance is known; both say how much each
parameter explains. Optuna's importances add up to 1, so hone's are divided by their sum. Beside
them stands the exact share, computed on a grid. Exits with 1 where hone is further than
`--tolerance` from Optuna without being nearer to the exact share, or further from that than Optuna
by more than half of it. (Of whole numbers Optuna's range ends at the first and the last, so that
these two count half; in hone's all count alike. No range here is searched by its logarithm: there
Optuna takes the numbers as they are.)

Needs optuna>=5, pandas and scikit-learn.
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
from optuna.importance import FanovaImportanceEvaluator, get_param_importances

ROOT = Path(__file__).resolve().parent.parent.parent
Space = dict[str, Any]


def uniform(low: float, high: float) -> optuna.distributions.FloatDistribution:
    return optuna.distributions.FloatDistribution(low, high)


def choices(*all_of: Any) -> optuna.distributions.CategoricalDistribution:
    return optuna.distributions.CategoricalDistribution(all_of)


FUNCTIONS: dict[str, tuple[Space, Callable[[dict[str, Any]], float]]] = {
    "sum": (
        {"a": uniform(0, 1), "b": uniform(0, 1), "c": uniform(0, 1)},
        lambda p: 4 * p["a"] + 2 * p["b"],
    ),
    "choices": (
        {"kind": choices("x", "y", "z", "w"), "n": optuna.distributions.IntDistribution(1, 6), "idle": choices(0, 1)},
        lambda p: {"x": 0, "y": 1, "z": 5, "w": 2}[p["kind"]] + 0.5 * p["n"],
    ),
    "product": (
        {"a": uniform(-1, 1), "b": uniform(0, 1), "c": uniform(0, 1)},
        lambda p: (p["a"] + 0.5) * (p["b"] + 1),
    ),
    "ishigami": (
        {name: uniform(-math.pi, math.pi) for name in ("a", "b", "c")},
        lambda p: math.sin(p["a"]) + 7 * math.sin(p["b"]) ** 2 + 0.1 * p["c"] ** 4 * math.sin(p["a"]),
    ),
    "bypasses": (
        {f"layer{i}": choices("linear", "identity") for i in range(12)},
        lambda p: sum((i + 1) * (p[f"layer{i}"] == "linear") for i in range(12)),
    ),
}


def positions(distribution: Any) -> list[Any]:
    if isinstance(distribution, optuna.distributions.CategoricalDistribution):
        return list(distribution.choices)
    if isinstance(distribution, optuna.distributions.IntDistribution):
        return list(range(distribution.low, distribution.high + 1))
    count = 40
    return [distribution.low + (distribution.high - distribution.low) * (i + 0.5) / count for i in range(count)]


def exact(space: Space, function: Callable[[dict[str, Any]], float]) -> dict[str, float]:
    """Shares of the variance of the main effects, as parts of their sum."""
    names = list(space)
    values: dict[str, dict[Any, list[float]]] = {name: {} for name in names}
    for combination in itertools.product(*(positions(space[name]) for name in names)):
        value = function(dict(zip(names, combination, strict=True)))
        for name, at in zip(names, combination, strict=True):
            values[name].setdefault(at, []).append(value)
    shares = {name: statistics.pvariance([statistics.fmean(v) for v in values[name].values()]) for name in names}
    return {name: share / sum(shares.values()) for name, share in shares.items()}


def of_hone(hone: Path, url: str) -> dict[str, float]:
    done = subprocess.run([hone, "report", url, "--json", "-"], check=True, capture_output=True, text=True)
    study = json.loads(done.stdout)["studies"]["studies"][0]
    shares = {
        parameter["name"]: share
        for parameter, share in zip(study["parameters"], study["effects"][0]["share"], strict=True)
    }
    return {name: share / sum(shares.values()) for name, share in shares.items()}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hone", type=Path, default=ROOT / "build/release/hone")
    parser.add_argument("--trials", type=int, default=300)
    parser.add_argument("--tolerance", type=float, default=0.05)
    arguments = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    far = False
    print(f"{'function':<10} {'parameter':<10} {'exact':>6} {'hone':>6} {'Optuna':>6}   (of {arguments.trials} trials)")
    for name, (space, function) in FUNCTIONS.items():
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "s.db"
            study = optuna.create_study(
                study_name=name, storage=f"sqlite:///{path}", sampler=optuna.samplers.RandomSampler(seed=1)
            )
            kept = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=1))
            for _ in range(arguments.trials):
                trial = kept.ask(space)
                kept.tell(trial, function(trial.params))
            study.add_trials(kept.trials)
            mine = of_hone(arguments.hone.resolve(), f"sqlite:{path}")
        peers = [
            get_param_importances(kept, evaluator=FanovaImportanceEvaluator(seed=seed)) for seed in range(5)
        ]
        truth = exact(space, function)
        for parameter in space:
            peer = statistics.fmean(one[parameter] for one in peers)
            error, of_peer = abs(mine[parameter] - truth[parameter]), abs(peer - truth[parameter])
            off = abs(mine[parameter] - peer) > arguments.tolerance and error > of_peer
            off |= error > of_peer + arguments.tolerance / 2
            far |= off
            print(
                f"{name:<10} {parameter:<10} {truth[parameter]:6.3f} {mine[parameter]:6.3f} {peer:6.3f}"
                + ("   <- differs" if off else "")
            )
    return 1 if far else 0


if __name__ == "__main__":
    sys.exit(main())
