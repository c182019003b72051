"""Checks that studies are the same to hone and to Optuna, in SQLite and in PostgreSQL.

Optuna opens, continues and exports hone's studies, hone Optuna's; every field of every trial is
compared to the last bit, the columns and cells of the CSV with those of trials_dataframe, and
optuna-dashboard is asked for hone's study over HTTP. Exits with 1 if anything differs.

Needs optuna>=5, optuna-dashboard, pandas and psycopg2-binary; PostgreSQL where it is installed.
"""

from __future__ import annotations

import argparse
import contextlib
import csv
import datetime
import io
import json
import math
import os
import shutil
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
import urllib.request
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import optuna
from optuna.distributions import (
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
    distribution_to_json,
)
from optuna.storages import RDBStorage
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState, create_trial

ROOT = Path(__file__).resolve().parent.parent.parent
INFINITY, NAN = math.inf, math.nan

# Answers as a program does that hone starts: reports, fails, tells attributes and constraints.
PROGRAM = r"""
import json, sys
for line in sys.stdin:
    asked = json.loads(line)
    number, params = asked["trial"], asked["params"]
    for step in range(3):
        value = {0: "NaN", 1: 0.1 * number, 2: "-Infinity"}[step]
        print(json.dumps({"step": step * 10, "value": value}), flush=True)
        sys.stdin.readline()
    if number % 5 == 4:
        print(json.dumps({"error": "it failed, \u00fc"}), flush=True)
    elif number % 5 == 3:
        print('{"values": [NaN, 1]}', flush=True)
    else:
        print(json.dumps({
            "values": [params["x"] / 3, "Infinity" if number == 0 else number],
            "constraints": {"size": number - 2.5, "time": -1},
            "user_attrs": {"note": "a, \"b\"\n\u00fc", "deep": {"list": [1, 2.5, None, True]}},
        }), flush=True)
"""
SEARCH = """
recipe = "search"
name = "hone"
objectives = ["loss", "size"]
directions = ["minimize", "maximize"]
objective_command = ["{python}", "{program}"]
sampler = "random"
[space]
x = {{ low = -1.5, high = 1e3 }}
rate = {{ low = 1e-5, high = 1.0, log = true }}
part = {{ low = 0.0, high = 1.0, step = 0.1 }}
layers = {{ low = 1, high = 9, step = 2 }}
width = {{ low = 1, high = 4096, log = true }}
kind = ["a", "\u00fc, \\"b\\"", 1, 2.5, true]
rank = {{ choices = [4, 8], when = {{ kind = ["a", 1] }} }}
"""
CONTINUED = """
recipe = "search"
directions = ["minimize"]
objective_command = ["{python}", "{program}"]
sampler = "random"
[space]
x = {{ low = 0.0, high = 1.0 }}
kind = ["a", "b"]
"""
CONTINUED_PROGRAM = r"""
import json, sys
for line in sys.stdin:
    print(json.dumps({"values": [json.loads(line)["params"]["x"]]}), flush=True)
"""


@dataclass
class Report:
    """What was compared, and what differed."""

    rows: list[tuple[str, str, int, int]] = field(default_factory=list)
    differences: list[str] = field(default_factory=list)

    def compare(self, storage: str, what: str, pairs: list[tuple[str, Any, Any]]) -> None:
        wrong = [(name, a, b) for name, a, b in pairs if not same(a, b)]
        self.rows.append((storage, what, len(pairs), len(wrong)))
        for name, a, b in wrong[:10]:
            self.differences.append(f"{storage}: {what}: {name}: {a!r} against {b!r}")

    def print(self) -> bool:
        print(f"{'storage':<25}{'compared':<58}{'fields':>8}{'differ':>8}")
        for storage, what, fields, wrong in self.rows:
            print(f"{storage:<25}{what:<58}{fields:>8}{wrong:>8}")
        for line in self.differences:
            print(line, file=sys.stderr)
        return not self.differences


def same(a: Any, b: Any) -> bool:
    """Equal, of the same type inside JSON (1 is not 1.0, and NaN is NaN)."""
    return json.dumps(a, sort_keys=True) == json.dumps(b, sort_keys=True)


def words(value: Any) -> Any:
    """A value with the words that hone writes for numbers that JSON has not."""
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if isinstance(value, dict):
        return {str(key): words(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [words(inner) for inner in value]
    return value


def time_words(moment: datetime.datetime | None) -> str | None:
    """Optuna gives local times without a zone, from UTC in the database."""
    if moment is None:
        return None
    return moment.astimezone(datetime.UTC).isoformat(timespec="microseconds")


def frozen(trial: FrozenTrial) -> dict[str, Any]:
    """A trial of Optuna with the fields that hone exports."""
    return {
        "number": trial.number,
        "state": trial.state.name,
        "values": words(trial.values),
        "params": words(trial.params),
        "distributions": {
            name: json.loads(distribution_to_json(one), parse_constant=lambda text: text)
            for name, one in trial.distributions.items()
        },
        "user_attrs": words(trial.user_attrs),
        "system_attrs": words(trial.system_attrs),
        "intermediate_values": words(trial.intermediate_values),
        "datetime_start": time_words(trial.datetime_start),
        "datetime_complete": time_words(trial.datetime_complete),
    }


@dataclass
class Place:
    """A storage, as both programs are told it, and hone run in a folder."""

    kind: str
    optuna_url: str
    hone_url: str
    hone: Path
    work: Path

    def run(self, *arguments: str) -> str:
        done = subprocess.run(
            [self.hone, *arguments], cwd=self.work, capture_output=True, text=True, check=False
        )
        if done.returncode != 0:
            raise SystemExit(f"hone {' '.join(arguments)}: {done.returncode}\n{done.stderr}")
        return done.stdout

    def json(self, action: str, name: str, *arguments: str) -> Any:
        return json.loads(
            self.run("study", action, f"{self.hone_url}#{name}", *arguments, "--json", "-")
        )

    def load(self, name: str) -> optuna.Study:
        # A storage of its own: what Optuna has cached would hide what hone has written.
        return optuna.load_study(study_name=name, storage=RDBStorage(self.optuna_url))

    def export_csv(self, name: str) -> str:
        target = self.work / "trials.csv"
        self.run("study", "export", f"{self.hone_url}#{name}", "--csv", str(target))
        return target.read_text(encoding="utf-8")


def compare_study(report: Report, place: Place, name: str, what: str) -> None:
    """Everything that both say of a study."""
    study, ours = place.load(name), place.json("export", name)
    theirs = study.trials
    pairs: list[tuple[str, Any, Any]] = [
        ("trials", len(ours["trials"]), len(theirs)),
        ("directions", ours["directions"], [one.name.lower() for one in study.directions]),
        ("metric names", ours["metric_names"], study.metric_names),
        ("user attributes", ours["user_attrs"], words(study.user_attrs)),
        ("best", ours["best"], best_of(study)),
    ]
    for our, their in zip(ours["trials"], theirs, strict=True):
        for key, value in frozen(their).items():
            pairs.append((f"trial {their.number}: {key}", our[key], value))
    report.compare(place.kind, f"{what}: all fields", pairs)

    names = ("number", "value", "datetime_start", "datetime_complete", "duration")
    names += ("params", "user_attrs", "system_attrs", "state")
    frame = study.trials_dataframe(attrs=names)
    ours_csv = list(csv.reader(io.StringIO(place.export_csv(name))))
    theirs_csv = list(csv.reader(io.StringIO(frame.to_csv())))
    pairs = [("columns", ours_csv[0], theirs_csv[0]), ("rows", len(ours_csv), len(theirs_csv))]
    for our_row, their_row in zip(ours_csv[1:], theirs_csv[1:], strict=False):
        for column, our, their in zip(theirs_csv[0], our_row, their_row, strict=False):
            pairs.append((f"row {their_row[0]}: {column}", cell(our), cell(their)))
    report.compare(place.kind, f"{what}: CSV and trials_dataframe", pairs)


def best_of(study: optuna.Study) -> list[int]:
    if len(study.directions) > 1:
        return sorted(trial.number for trial in study.best_trials)
    try:
        return [study.best_trial.number]
    except ValueError:
        return []


def cell(text: str) -> Any:
    """A number where it is one: pandas makes reals of integers in a column with gaps. Lists and
    dictionaries by what they hold: hone keeps members in the order of their names."""
    with contextlib.suppress(ValueError):
        return float(text)
    if text[:1] in ("[", "{"):
        return words(eval(text, {"__builtins__": {}, "inf": INFINITY, "nan": NAN}))
    return text


def make_optuna_study(place: Place) -> None:
    """One trial of each kind that Optuna can keep."""
    storage = RDBStorage(place.optuna_url, heartbeat_interval=60)
    study = optuna.create_study(
        storage=storage, study_name="optuna", directions=["minimize", "maximize"]
    )
    study.set_metric_names(["loss", "gr\u00f6\u00dfe"])
    study.set_user_attr("task", {"name": "x", "list": [1, 2.5, None]})
    distributions = {
        "x": FloatDistribution(-1.5, 1e300),
        "rate": FloatDistribution(1e-8, 1, log=True),
        "part": FloatDistribution(0, 1, step=0.1),
        "layers": IntDistribution(1, 9, step=2),
        "width": IntDistribution(1, 4096, log=True),
        "kind": CategoricalDistribution(["a", "\u00fc", None, True, 1, 2.5]),
    }
    params = {"x": 0.1 + 0.2, "rate": 1e-7, "part": 0.3, "layers": 3, "width": 17, "kind": None}
    for number, values in enumerate([[1 / 3, 5e-324], [INFINITY, -INFINITY], [1e22, -0.0]]):
        study.add_trial(create_trial(
            values=values,
            params={**params, "kind": [None, True, 2.5][number]},
            distributions=distributions,
            user_attrs={"a": NAN, "b": {"deep": [INFINITY, "\u00fc\n"]}, "c": 2**60},
            system_attrs={"constraints": [0.5 - number, -1.0]},
        ))
    for state, steps in [(TrialState.PRUNED, 3), (TrialState.PRUNED, 0), (TrialState.FAIL, 1)]:
        study.add_trial(create_trial(
            state=state,
            params={"kind": "a"},
            distributions={"kind": distributions["kind"]},
            intermediate_values={i * 7: [NAN, INFINITY, 0.1][i] for i in range(steps)},
        ))
    trial = study.ask()
    trial.suggest_float("x", -1.5, 1e300)
    trial.set_constraint("size", 1.5)
    storage.record_heartbeat(trial._trial_id)
    study.enqueue_trial({"x": 0.5, "kind": None}, user_attrs={"from": "me"})


def check_optunas(report: Report, place: Place) -> None:
    make_optuna_study(place)
    compare_study(report, place, "optuna", "Optuna's study")
    place.run("study", "copy", f"{place.hone_url}#optuna", f"{place.hone_url}#copied")
    compare_study(report, place, "copied", "Optuna's study, copied by hone")
    place.run("study", "tell", f"{place.hone_url}#optuna", "6", "0.25", "--", "-inf")
    compare_study(report, place, "optuna", "Optuna's study, a trial told by hone")
    told = place.load("optuna").trials[6]
    report.compare(place.kind, "what hone told, read by Optuna", [
        ("state", told.state.name, "COMPLETE"), ("values", words(told.values), [0.25, "-Infinity"]),
    ])


def check_continued_by_hone(report: Report, place: Place) -> None:
    """Optuna begins, hone goes on with the same space, then Optuna again."""

    def objective(trial: optuna.Trial) -> float:
        trial.suggest_categorical("kind", ["a", "b"])
        return trial.suggest_float("x", 0.0, 1.0)

    study = optuna.create_study(storage=RDBStorage(place.optuna_url), study_name="continued")
    study.optimize(objective, n_trials=5)
    study.enqueue_trial({"x": 0.125, "kind": "b"})
    before = [frozen(trial) for trial in study.trials[:5]]
    program = place.work / "continued.py"
    program.write_text(CONTINUED_PROGRAM)
    (place.work / "continued.toml").write_text(
        CONTINUED.format(python=sys.executable, program=program), encoding="utf-8"
    )
    place.run(
        *("search", "continued.toml", "--trials", "12", "--jobs", "2"),
        *("--study", f"{place.hone_url}#continued"),
    )
    compare_study(report, place, "continued", "Optuna's study, continued by hone search")
    trials = place.load("continued").trials
    pairs: list[tuple[str, Any, Any]] = [
        ("numbers", [trial.number for trial in trials], list(range(12))),
        ("states", {trial.state.name for trial in trials} == {"COMPLETE"}, True),
        ("enqueued", trials[5].params, {"x": 0.125, "kind": "b"}),
        ("Optuna's trials", [frozen(trial) for trial in trials[:5]], before),
    ]
    report.compare(place.kind, "what stays of Optuna's trials", pairs)
    place.load("continued").optimize(objective, n_trials=5)
    compare_study(report, place, "continued", "the same, continued by Optuna again")


def check_hones(report: Report, place: Place) -> None:
    program = place.work / "program.py"
    program.write_text(PROGRAM)
    (place.work / "hone.toml").write_text(
        SEARCH.format(python=sys.executable, program=program), encoding="utf-8"
    )
    study = f"{place.hone_url}#hone"
    place.run("search", "hone.toml", "--trials", "12", "--study", study)
    place.run("study", "enqueue", study, "x=2.5", "kind=2.5")
    asked = place.json("ask", "hone")
    place.run("study", "tell", study, str(asked["number"]), "0.5", "--step", "3")
    place.run("study", "enqueue", study, "rank=8", "kind=a")
    compare_study(report, place, "hone", "hone's study")
    report.compare(place.kind, "an enqueued trial that hone asked for", [
        ("params", {key: asked["params"][key] for key in ("x", "kind")}, {"x": 2.5, "kind": 2.5}),
    ])
    before = [frozen(trial) for trial in place.load("hone").trials]

    # Optuna goes on: the waiting trial first, then its own; and ends the one that was asked for.
    def objective(trial: optuna.Trial) -> tuple[float, float]:
        x = trial.suggest_float("x", -1.5, 1e3)
        kind = trial.suggest_categorical("kind", ["a", '\u00fc, "b"', 1, 2.5, True])
        if kind in ("a", 1):
            trial.suggest_categorical("rank", [4, 8])
        trial.suggest_int("layers", 1, 9, step=2)
        trial.suggest_float("rate", 1e-5, 1.0, log=True)
        return x, 1.0

    theirs = place.load("hone")
    theirs.optimize(objective, n_trials=6)
    theirs.tell(asked["number"], [0.5, 1.5])
    compare_study(report, place, "hone", "hone's study, continued by Optuna")
    after = place.load("hone").trials
    waiting = len(before) - 1
    pairs = [
        ("numbers", [trial.number for trial in after], list(range(len(before) + 5))),
        ("enqueued", {key: after[waiting].params[key] for key in ("rank", "kind")},
         {"rank": 8, "kind": "a"}),
        ("hone's trials", [frozen(trial) for trial in after[: waiting - 1]], before[: waiting - 1]),
    ]
    report.compare(place.kind, "what stays of hone's trials", pairs)
    place.run("search", "hone.toml", "--trials", "20", "--study", study)
    compare_study(report, place, "hone", "the same, continued by hone again")


def check_heartbeats(report: Report, place: Place) -> None:
    """Optuna fails stale trials: one that hone computes must not be among them."""
    program = place.work / "slow.py"
    program.write_text(
        "import json, sys, time\n"
        "for line in sys.stdin:\n"
        "    time.sleep(8)\n"
        "    print(json.dumps({'values': [1]}), flush=True)\n"
    )
    (place.work / "slow.toml").write_text(
        CONTINUED.format(python=sys.executable, program=program), encoding="utf-8"
    )
    study = f"{place.hone_url}#slow"
    worker = subprocess.Popen(
        [place.hone, "search", "slow.toml", "--trials", "1", "--study", study, "--set", "lease=4"],
        cwd=place.work, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )
    stale: list[int] = []
    ages: list[float] = []
    end = time.monotonic() + 7
    while time.monotonic() < end:
        time.sleep(0.5)
        with contextlib.suppress(KeyError):
            storage = RDBStorage(place.optuna_url, heartbeat_interval=1, grace_period=4)
            watched = optuna.load_study(study_name="slow", storage=storage)
            stale += storage._get_stale_trial_ids(watched._study_id)
            ages.append(len(watched.get_trials(states=(TrialState.RUNNING,))))
    report.compare(place.kind, "heartbeats of a trial that runs, as Optuna judges them", [
        ("stale", stale, []), ("was seen", max(ages, default=0), 1),
        ("exit", worker.wait(), 0),
        ("state", place.load("slow").trials[0].state.name, "COMPLETE"),
    ])


def check_dashboard(report: Report, place: Place, screenshot: Path | None) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    program = Path(sys.executable).parent / "optuna-dashboard"
    server = subprocess.Popen(
        [program, place.optuna_url, "--port", str(port), "--host", "127.0.0.1"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )
    address = f"http://127.0.0.1:{port}"

    def get(path: str) -> Any:
        with urllib.request.urlopen(address + path, timeout=30) as answer:
            return json.load(answer)

    try:
        for _ in range(120):
            with contextlib.suppress(OSError):
                get("/api/meta")
                break
            time.sleep(0.5)
        study = place.load("hone")
        listed = {one["study_name"]: one for one in get("/api/studies")["study_summaries"]}
        detail = get(f"/api/studies/{study._study_id}")
        ours = place.json("export", "hone")["trials"]
        pairs: list[tuple[str, Any, Any]] = [
            ("is listed", "hone" in listed, True),
            ("trials", len(detail["trials"]), len(ours)),
            ("directions", detail["directions"],
             [StudyDirection(one).name.lower() for one in study.directions]),
        ]
        for our, their in zip(ours, detail["trials"], strict=True):
            pairs += [
                (f"trial {our['number']}: state", their["state"].upper(), our["state"].upper()),
                (f"trial {our['number']}: parameters",
                 sorted(one["name"] for one in their["params"]), sorted(our["params"])),
            ]
        report.compare(place.kind, "optuna-dashboard over HTTP", pairs)
        chromium = shutil.which("chromium") or shutil.which("google-chrome")
        if screenshot and chromium:
            subprocess.run(
                [chromium, "--headless", "--no-sandbox", "--disable-gpu", "--window-size=1400,1400",
                 "--virtual-time-budget=15000", f"--screenshot={screenshot}",
                 f"{address}/dashboard/studies/{study._study_id}"],
                check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=120,
            )
    finally:
        server.terminate()
        server.wait()


def check_files(report: Report, place: Place) -> None:
    """Both are whole to SQLite, whoever made them."""
    found = [
        sqlite3.connect(place.work / "s.db").execute("PRAGMA integrity_check").fetchone()[0],
    ]
    report.compare(place.kind, "the file, as SQLite judges it", [("integrity", found, ["ok"])])


def check(report: Report, place: Place, screenshot: Path | None) -> None:
    # Each program makes the tables once.
    if place.kind == "sqlite, Optuna's tables":
        check_optunas(report, place)
        check_hones(report, place)
    else:
        check_hones(report, place)
        check_optunas(report, place)
    check_continued_by_hone(report, place)
    check_heartbeats(report, place)
    if place.kind.startswith("sqlite"):
        check_files(report, place)
    check_dashboard(report, place, screenshot)


@contextlib.contextmanager
def postgres(folder: Path) -> Iterator[str]:
    """A server of its own; the address of an empty database."""
    programs = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))[-1].parent
    user = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
    if user:
        shutil.chown(folder, "postgres")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    control = [*user, programs / "pg_ctl", "-D", folder / "data", "-w", "-l", folder / "log"]
    quiet = {"check": True, "stdout": subprocess.DEVNULL}
    subprocess.run(
        [*user, programs / "initdb", "-D", folder / "data", "-A", "trust", "-U", "hone"], **quiet
    )
    # Not UTC: times must not depend on where the server stands.
    options = f"-k '{folder}' -p {port} -c listen_addresses=127.0.0.1 -c timezone=Asia/Tokyo"
    subprocess.run([*control, "-o", options, "start"], **quiet)
    try:
        subprocess.run(
            [programs / "createdb", "-h", "127.0.0.1", "-p", str(port), "-U", "hone", "s"], **quiet
        )
        yield f"hone@127.0.0.1:{port}/s"
    finally:
        subprocess.run([*control, "-m", "immediate", "stop"], **quiet)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--hone", type=Path, default=ROOT / "build/release/hone")
    parser.add_argument("--screenshot", type=Path, help="of the dashboard, where Chromium is there")
    parser.add_argument("--sqlite-only", action="store_true")
    arguments = parser.parse_args()
    hone = arguments.hone.resolve()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    warnings.simplefilter("ignore")
    report = Report()
    with contextlib.ExitStack() as stack:
        for kind in ("sqlite", "sqlite, Optuna's tables"):
            work = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            place = Place(kind, f"sqlite:///{work}/s.db", f"sqlite:{work}/s.db", hone, work)
            check(report, place, arguments.screenshot if kind == "sqlite" else None)
        if not arguments.sqlite_only and list(Path("/usr/lib/postgresql").glob("*/bin/initdb")):
            work = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            server = stack.enter_context(tempfile.TemporaryDirectory())
            address = stack.enter_context(postgres(Path(server)))
            place = Place(
                "postgresql",
                f"postgresql+psycopg2://{address}",
                f"postgresql://{address}",
                hone,
                work,
            )
            check(report, place, None)
    return 0 if report.print() else 1


if __name__ == "__main__":
    raise SystemExit(main())
