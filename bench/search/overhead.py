"""Time a trial of TPE costs beside its objective, hone beside Optuna, in turn.

    python bench/search/overhead.py --driver build/release/bench/bench_search --hone build/release/hone [--rounds 3]

In memory: processor time. In SQLite: time on the clock from one answer of an objective to the next question with all
its values; hone's objective is an `objective_command`, Optuna's a function that asks for the values and has them.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

CASES = [("52 categorical parameters, trials 1 to 100", 52, "categorical", 1, 100)]
CASES.append(("20 parameters, trials 501 to 1000", 20, "mixed", 501, 1000))


def kind_of(i, kind):
    if kind == "categorical":
        return "categorical"
    return ["integer", "log", "real", "real"][i % 4]


def value_of(shares):
    return sum((s - 0.3) ** 2 for s in shares)


def suggest(trial, i, kind):
    match kind_of(i, kind):
        case "categorical":
            return "abcd".index(trial.suggest_categorical(f"p{i}", ["a", "b", "c", "d"])) / 3
        case "integer":
            return (trial.suggest_int(f"p{i}", 1, 16) - 1) / 15
        case "log":
            return trial.suggest_float(f"p{i}", 1e-5, 1, log=True)
        case _:
            return trial.suggest_float(f"p{i}", 0, 1)


def optuna_study(seed, **where):
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    return optuna.create_study(sampler=optuna.samplers.TPESampler(seed=seed, multivariate=True), **where)


def optuna_in_memory(arguments, parameters, kind, first, last, seed):
    """The study that the driver times."""
    study = optuna_study(seed)
    spent = 0.0
    for number in range(1, last + 1):
        start = time.process_time()
        trial = study.ask()
        shares = [suggest(trial, i, kind) for i in range(parameters)]
        study.tell(trial, value_of(shares))
        if number >= first:
            spent += time.process_time() - start
    return spent / (last - first + 1)


def hone_in_memory(arguments, parameters, kind, first, last, seed):
    command = [arguments.driver, "time", "tpe", parameters, kind, first, last, seed]
    return float(subprocess.run([str(part) for part in command], capture_output=True, check=True, text=True).stdout)


def mean_gap(moments, first, last):
    """Of trials `first` to `last`, from 1: from the answer before to the question."""
    gaps = [moments[i][0] - moments[i - 1][1] for i in range(first - 1, last)]
    return sum(gaps) / len(gaps)


def optuna_in_sqlite(arguments, parameters, kind, first, last, seed):
    moments = []

    def objective(trial):
        shares = [suggest(trial, i, kind) for i in range(parameters)]
        asked = time.perf_counter()
        value = value_of(shares)
        moments.append((asked, time.perf_counter()))
        return value

    # (Trials that are not timed are made in memory: the same file, sooner.)
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryDirectory(dir="/dev/shm") as fast:
        if first > 1:
            optuna_study(seed, storage=f"sqlite:///{fast}/s.db", study_name="s").optimize(objective, n_trials=first - 1)
            shutil.copy(f"{fast}/s.db", folder)
        study = optuna_study(seed, storage=f"sqlite:///{folder}/s.db", study_name="s", load_if_exists=True)
        study.optimize(objective, n_trials=last - first + 1)
    # Its first question is not one between two trials.
    return mean_gap(moments, first + 1, last)


def hone_in_sqlite(arguments, parameters, kind, first, last, seed):
    space = {
        "categorical": '["a", "b", "c", "d"]',
        "integer": "{ low = 1, high = 16 }",
        "log": "{ low = 1e-5, high = 1.0, log = true }",
        "real": "{ low = 0.0, high = 1.0 }",
    }
    lines = "".join(f"p{i} = {space[kind_of(i, kind)]}\n" for i in range(parameters))
    with tempfile.TemporaryDirectory() as folder:
        command = json.dumps([sys.executable, os.path.abspath(__file__), "--answer"])
        Path(folder, "s.toml").write_text(
            f'recipe = "search"\ndirections = ["minimize"]\nobjective_command = {command}\n'
            f'sampler = "tpe"\ntrials = {last}\nseed = {seed}\n[space]\n{lines}'
        )
        run = [os.path.abspath(arguments.hone), "search", "s.toml", "--study", "sqlite:s.db#s"]
        subprocess.run(run, cwd=folder, check=True, capture_output=True)
        moments = [tuple(map(float, line.split())) for line in Path(folder, "moments").read_text().splitlines()]
    return mean_gap(moments, first + 1, last)


def answer():
    """The objective of `hone_in_sqlite`."""
    moments = []
    while line := sys.stdin.buffer.readline():
        asked = time.perf_counter()
        params = json.loads(line)["params"]
        shares = [
            "abcd".index(v) / 3 if isinstance(v, str) else (v - 1) / 15 if isinstance(v, int) else v
            for v in params.values()
        ]
        text = b'{"values": [%s]}\n' % repr(value_of(shares)).encode()
        moments.append(f"{asked!r} {time.perf_counter()!r}\n")
        sys.stdout.buffer.write(text)
        sys.stdout.buffer.flush()
    Path("moments").write_text("".join(moments))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--driver", required=True)
    parser.add_argument("--hone", required=True)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", choices=["memory", "sqlite"])
    parser.add_argument("--trials", type=int, choices=[case[-1] for case in CASES], help="one case alone, by its last trial")
    arguments = parser.parse_args()
    print("| what | hone | Optuna | ratio (worst to best round) |")
    print("| --- | --- | --- | --- |")
    for place, ours, theirs in [
        ("memory", hone_in_memory, optuna_in_memory),
        ("sqlite", hone_in_sqlite, optuna_in_sqlite),
    ]:
        if arguments.only not in (None, place):
            continue
        for name, *case in CASES:
            if arguments.trials not in (None, case[-1]):
                continue
            pairs = [(ours(arguments, *case, r), theirs(arguments, *case, r)) for r in range(arguments.rounds)]
            hone, optuna = (statistics.median(side) for side in zip(*pairs))
            ratios = sorted(b / a for a, b in pairs)
            print(
                f"| {name}, {place} | {hone * 1e3:.3g} ms | {optuna * 1e3:.3g} ms | {optuna / hone:.3g} x "
                f"({ratios[0]:.3g} to {ratios[-1]:.3g}) |",
                flush=True,
            )


if __name__ == "__main__":
    answer() if sys.argv[1:] == ["--answer"] else main()
