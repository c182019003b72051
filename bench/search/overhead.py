"""Time a trial of TPE in memory, hone beside Optuna, in turn: processor time without the objective.

    python bench/search/overhead.py --driver build/release/bench/bench_search [--rounds 3]
"""

import argparse
import statistics
import subprocess
import time

import optuna

optuna.logging.set_verbosity(optuna.logging.ERROR)
CASES = [("52 categorical parameters, trials 1 to 100", 52, "categorical", 1, 100)]
CASES.append(("20 parameters, trials 501 to 1000", 20, "mixed", 501, 1000))


def run_optuna(parameters, kind, first, last, seed):
    """The study that the driver times."""
    spent = 0.0

    def suggest(trial, i):
        if kind == "categorical":
            return "abcd".index(trial.suggest_categorical(f"p{i}", ["a", "b", "c", "d"])) / 3
        if i % 4 == 0:
            return (trial.suggest_int(f"p{i}", 1, 16) - 1) / 15
        if i % 4 == 1:
            return trial.suggest_float(f"p{i}", 1e-5, 1, log=True)
        return trial.suggest_float(f"p{i}", 0, 1)

    study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=seed, multivariate=True))
    for number in range(1, last + 1):
        start = time.process_time()
        trial = study.ask()
        shares = [suggest(trial, i) for i in range(parameters)]
        study.tell(trial, sum((s - 0.3) ** 2 for s in shares))
        if number >= first:
            spent += time.process_time() - start
    return spent / (last - first + 1)


def run_hone(driver, parameters, kind, first, last, seed):
    command = [driver, "time", "tpe", parameters, kind, first, last, seed]
    return float(subprocess.run([str(part) for part in command], capture_output=True, check=True, text=True).stdout)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--driver", required=True)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    print("| what | hone | Optuna | ratio (worst to best round) |")
    print("| --- | --- | --- | --- |")
    for name, *case in CASES:
        pairs = [(run_hone(arguments.driver, *case, r), run_optuna(*case, r)) for r in range(arguments.rounds)]
        ours, theirs = (statistics.median(side) for side in zip(*pairs))
        ratios = sorted(b / a for a, b in pairs)
        print(
            f"| {name} | {ours * 1e3:.3g} ms | {theirs * 1e3:.3g} ms | {theirs / ours:.3g} x ({ratios[0]:.3g} to {ratios[-1]:.3g}) |",
            flush=True,
        )


if __name__ == "__main__":
    main()
