"""Quality of hone's samplers beside Optuna's of the same name: 12 functions, many seeds, median regret or hypervolume.

    python bench/search/quality.py --driver build/release/bench/bench_search --sampler tpe [--trials 60] [--seeds 30]

Optuna runs at its defaults (NSGA-II with a population of 15 on both sides). Its results are kept in --cache, by function,
sampler, trials and seed. Verdicts are two-sided Mann-Whitney U tests over the seeds, corrected by Holm over all functions.
"""

import argparse
import json
import math
import pathlib
import statistics
import subprocess
import sys

import numpy as np
import optuna
from functions import FUNCTIONS, Choice, Integer
from scipy.stats import mannwhitneyu

optuna.logging.set_verbosity(optuna.logging.ERROR)


def distribution(dimension):
    if isinstance(dimension, Choice):
        return optuna.distributions.CategoricalDistribution(dimension.choices)
    if isinstance(dimension, Integer):
        return optuna.distributions.IntDistribution(
            dimension.low, dimension.high, step=dimension.step, log=dimension.log
        )
    return optuna.distributions.FloatDistribution(dimension.low, dimension.high, log=dimension.log)


def suggest(trial, of):
    if isinstance(of, Choice):
        return trial.suggest_categorical(of.name, of.choices)
    if isinstance(of, Integer):
        return trial.suggest_int(of.name, of.low, of.high, step=of.step, log=of.log)
    return trial.suggest_float(of.name, of.low, of.high, log=of.log)


def space_of(function):
    parameters = []
    for dimension in function.dimensions:
        one = {
            "name": dimension.name,
            "distribution": optuna.distributions.distribution_to_json(distribution(dimension)),
        }
        if dimension.when:
            one["when"] = dimension.when
        parameters.append(one)
    return {"parameters": parameters}


class Noise:
    """The same noise for the same trial of the same seed, whoever asks."""

    def __init__(self, function, seed):
        self.function = function
        self.random = np.random.default_rng([seed, len(function.name)])

    def observe(self, values):
        true = self.function.value(values)
        noise = self.random.normal(size=len(true)) * self.function.noise
        return true, [float(t + n) for t, n in zip(true, noise)]


def hypervolume(points, reference):
    volume, last = 0.0, reference[1]
    for x, y in sorted(points):
        if x < reference[0] and y < last:
            volume += (reference[0] - x) * (last - y)
            last = y
    return volume


def score(function, trues, observed):
    """Less is better: the regret of the trial that looks best, or minus the hypervolume."""
    if function.objectives > 1:
        return -hypervolume(trues, function.reference)
    best = min(range(len(observed)), key=lambda i: observed[i][0])
    return trues[best][0] - function.best


def optuna_sampler(name, function, seed):
    if name == "tpe":
        return optuna.samplers.TPESampler(seed=seed, multivariate=function.objectives == 1)
    if name == "nsga2":
        return optuna.samplers.NSGAIISampler(seed=seed, population_size=15)
    if name == "gp":
        return optuna.samplers.GPSampler(seed=seed)
    if name == "qmc":
        return optuna.samplers.QMCSampler(seed=seed, scramble=True)
    return optuna.samplers.RandomSampler(seed=seed)


def run_optuna(name, function, trials, seed):
    noise = Noise(function, seed)
    trues, observed = [], []

    def objective(trial):
        values = {}
        for dimension in function.dimensions:
            if all(p in values and values[p] in allowed for p, allowed in dimension.when.items()):
                values[dimension.name] = suggest(trial, dimension)
        true, seen = noise.observe(values)
        trues.append(true)
        observed.append(seen)
        return seen

    study = optuna.create_study(directions=["minimize"] * function.objectives, sampler=optuna_sampler(name, function, seed))
    study.optimize(objective, n_trials=trials)
    return score(function, trues, observed)


class Driver:
    """One process of hone's driver: a line in, a line out."""

    def __init__(self, program):
        self.process = subprocess.Popen([program, "serve"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, message):
        self.process.stdin.write(json.dumps(message) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            sys.exit("the driver ended")
        return json.loads(line)


def run_hone(driver, name, options, function, trials, seed):
    noise = Noise(function, seed)
    trues, observed = [], []
    values = driver.ask(
        {
            "space": space_of(function),
            "directions": ["minimize"] * function.objectives,
            "sampler": name,
            "options": options,
            "seed": seed,
            "budget": trials,
        }
    )
    for _ in range(trials):
        true, seen = noise.observe(values)
        trues.append(true)
        observed.append(seen)
        values = driver.ask({"values": seen})
    return score(function, trues, observed)


def parse_options(texts):
    options = {}
    for text in texts:
        key, value = text.split("=", 1)
        try:
            options[key] = json.loads(value)
        except json.JSONDecodeError:
            options[key] = value
    return options


def cached(path, compute, seeds):
    known = json.loads(path.read_text()) if path.exists() else {}
    for seed in seeds:
        if str(seed) not in known:
            known[str(seed)] = compute(seed)
            path.parent.mkdir(parents=True, exist_ok=True)
            new = path.with_suffix(".new")
            new.write_text(json.dumps(known))
            new.replace(path)
    return [known[str(seed)] for seed in seeds]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--driver")
    parser.add_argument("--sampler", default="tpe")
    parser.add_argument("--peer", help="Optuna's sampler, where it is another")
    parser.add_argument("--option", action="append", default=[], metavar="KEY=VALUE", help="of hone's sampler")
    parser.add_argument("--trials", type=int, default=60)
    parser.add_argument("--seeds", type=int, default=30)
    parser.add_argument("--functions", nargs="*")
    parser.add_argument("--cache", type=pathlib.Path, default=pathlib.Path("build/search-quality"))
    parser.add_argument("--peer-only", action="store_true")
    arguments = parser.parse_args()

    seeds = range(arguments.seeds)
    peer = arguments.peer or arguments.sampler
    options = parse_options(arguments.option)
    if arguments.sampler == "nsga2":
        options.setdefault("population", 15)
    driver = None if arguments.peer_only else Driver(arguments.driver)
    functions = [f for f in FUNCTIONS if not arguments.functions or f.name in arguments.functions]
    rows = []
    if arguments.peer_only:
        for seed in seeds:
            for function in functions:
                path = arguments.cache / f"{function.name}-{peer}-{arguments.trials}.json"
                cached(path, lambda s: run_optuna(peer, function, arguments.trials, s), [seed])
        return
    for function in functions:
        path = arguments.cache / f"{function.name}-{peer}-{arguments.trials}.json"
        theirs = cached(path, lambda s: run_optuna(peer, function, arguments.trials, s), seeds)
        ours = [run_hone(driver, arguments.sampler, options, function, arguments.trials, s) for s in seeds]
        test = mannwhitneyu(ours, theirs, alternative="two-sided")
        # The share of pairs in which hone is better.
        wins = 1 - test.statistic / len(ours) / len(theirs)
        rows.append((function, statistics.median(ours), statistics.median(theirs), wins, test.pvalue))

    # Holm: the smallest p times the number of functions, and so on, never falling.
    order = sorted(range(len(rows)), key=lambda i: rows[i][4])
    corrected, last = [1.0] * len(rows), 0.0
    for rank, i in enumerate(order):
        last = max(last, min(1.0, rows[i][4] * (len(rows) - rank)))
        corrected[i] = last
    print(f"{arguments.sampler} {options}: {arguments.trials} trials, {arguments.seeds} seeds")
    print("| function | hone | Optuna | hone better in pairs | p | p, corrected | verdict |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    counts = {"better": 0, "not different": 0, "worse": 0}
    for (function, ours, theirs, wins, p), fixed in zip(rows, corrected):
        verdict = "not different" if fixed >= 0.05 else "better" if wins > 0.5 else "worse"
        counts[verdict] += 1
        sign = -1 if function.objectives > 1 else 1
        print(
            f"| {function.name} | {sign * ours:.4g} | {sign * theirs:.4g} | {wins:.0%} | {p:.2g} | {fixed:.2g} | {verdict} |"
        )
    mean = statistics.mean(row[3] for row in rows)
    print(f"better {counts['better']}, not different {counts['not different']}, worse {counts['worse']}; ", end="")
    print(f"better in {mean:.0%} of all pairs (log ratio of medians {log_ratio(rows):+.2f})")


def log_ratio(rows):
    """The mean of log10 of hone's median regret over Optuna's."""
    logs = [math.log10(max(r[1], 1e-9) / max(r[2], 1e-9)) for r in rows if r[0].objectives == 1]
    return statistics.mean(logs) if logs else 0.0


if __name__ == "__main__":
    main()
