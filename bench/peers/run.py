"""Measures hone against its peers, in turn, and writes the table into docs/benchmarks.md."""

from __future__ import annotations

import argparse
import datetime
import os
import sys
from pathlib import Path

import machine
from rows import ROWS

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent


def parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench/peers/run.py", description=__doc__)
    add = parser.add_argument
    add("--hone", type=Path, default=ROOT / "build/release/hone", help="the hone program")
    add(
        "--shared",
        type=Path,
        default=os.environ.get("HONE_SHARED"),
        metavar="DIR",
        help="folder with data/imdb and data/bert-base-uncased (default: $HONE_SHARED)",
    )
    add("--imdb", type=Path, help="IMDb archive or folder, instead of the one in --shared")
    add("--tokenizer", type=Path, help="tokenizer and config.json, instead of those in --shared")
    rows = parser.add_mutually_exclusive_group()
    rows.add_argument(
        "--rows",
        nargs="+",
        choices=ROWS,
        default=tuple(ROWS),
        metavar="ROW",
        help="which rows: " + " ".join(ROWS),
    )
    rows.add_argument("--only", metavar="ROW[,ROW]", help="the same, separated by commas")
    add("--golden", type=Path, metavar="DIR", help="vectors of MASE, instead of those in --shared")
    add("--mase", type=Path, metavar="DIR", help="checkout of MASE, whose quantizers are the peer's")
    add("--rounds", type=int, help="rounds (default 5; 3 with --quick)")
    add("--steps", type=int, help="timed training steps of a round (default 100; 30 with --quick)")
    add("--warm-up", type=int, help="steps before them (default 15; 5 with --quick)")
    add("--samples", type=int, help="test reviews of the inference rows (default all; quick 1000)")
    add("--threads", type=int, default=2, help="threads of both programs, one a core (default 2)")
    add("--quick", action="store_true", help="a few minutes: rough figures")
    add("--peers-only", action="store_true", help="without hone; prints, writes no document")
    add("--checkpoint", type=Path, help="trained model of the rows that need one")
    add("--hone-peak", type=float, metavar="GFLOPS", help="float32 peak hone measured itself")
    add("--seed", type=int, default=1)
    add("--work", type=Path, default=ROOT / "build/bench-peers", help="folder for what is made")
    add("--document", type=Path, default=ROOT / "docs/benchmarks.md")
    return fill(parser.parse_args(arguments), parser)


def fill(options: argparse.Namespace, parser: argparse.ArgumentParser) -> argparse.Namespace:
    """Defaults that depend on other options, and a check that the data is there."""
    quick = options.quick
    if options.only:
        options.rows = options.only.split(",")
        unknown = [name for name in options.rows if name not in ROWS]
        if unknown:
            parser.error(f"no row {', '.join(unknown)}; there are: {' '.join(ROWS)}")
    options.rounds = options.rounds or (3 if quick else 5)
    options.steps = options.steps or (30 if quick else 100)
    options.warm_up = (5 if quick else 15) if options.warm_up is None else options.warm_up
    options.samples = options.samples or (1000 if quick else 25_000)
    if options.shared is not None:
        data = options.shared.resolve() / "data"
        options.imdb = options.imdb or data / "imdb/aclImdb_v1_labeled.tar.gz"
        options.tokenizer = options.tokenizer or data / "bert-base-uncased"
        golden = options.shared.resolve() / "golden/mase"
        options.golden = options.golden or (golden if golden.is_dir() else None)
    for name in ("imdb", "tokenizer"):
        path = getattr(options, name)
        if path is None or not path.exists():
            parser.error(f"no {name} at {path}: give --shared (or HONE_SHARED), or --{name}")
    options.work.mkdir(parents=True, exist_ok=True)
    return options


def make_context(options: argparse.Namespace):  # noqa: ANN201 (imported below, after pinning)
    import torch

    from context import Context
    from hone_program import Hone

    torch.set_num_threads(options.threads)
    work = options.work.resolve()
    places = (options.imdb, options.tokenizer, work)
    hone = None
    if not options.peers_only:
        names = {str(options.shared.resolve()): "$HONE_SHARED"} if options.shared else {}
        names |= {str(work): "$WORK", str(options.imdb): "$IMDB", str(options.tokenizer): "$TOK"}
        names[str(ROOT)] = "."
        if options.checkpoint:
            names[str(options.checkpoint)] = "$CHECKPOINT"
        hone = Hone(options.hone, *places, options.threads, names)
    return Context(
        hone,
        *places,
        threads=options.threads,
        rounds=options.rounds,
        steps=options.steps,
        warm_up=options.warm_up,
        samples=options.samples,
        hone_peak=options.hone_peak,
        golden=options.golden,
        mase=options.mase,
        checkpoint=options.checkpoint.resolve() if options.checkpoint else None,
        seed=options.seed,
    )


def measure_row(name: str, context):  # noqa: ANN001, ANN201
    from measurement import RowResult

    row = ROWS[name]
    print(f"{row.title}", flush=True)
    if context.hone is not None:
        context.hone.commands.clear()
    disturbance = machine.Disturbance()
    result = RowResult(name, row.title, row.measure(context))
    result.others_busy = disturbance.share()
    result.date = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d")
    result.rounds = context.rounds
    result.machine = machine.describe(context.threads)
    result.versions = machine.versions()
    if context.hone is not None:
        result.versions = {"hone": machine.hone_version(context.hone.program)} | result.versions
        result.commands = list(context.hone.commands)
    if result.others_busy > 0.05:
        print(f"  beware: other processes took {result.others_busy:.0%} of the cores", flush=True)
    return result


def main(arguments: list[str]) -> None:
    options = parse(arguments)
    machine.pin_to_cores(options.threads)
    context = make_context(options)
    from document import render, section, write
    from measurement import load_results, save_results

    # Rows of earlier runs stay; those of the peers alone are kept apart.
    stored = options.work / ("peers-only.json" if options.peers_only else "results.json")
    results = load_results(stored)
    for name in ROWS:
        if name in options.rows:
            results[name] = measure_row(name, context)
            save_results(stored, results)
    measured = [results[name] for name in ROWS if name in options.rows]
    print("\n" + render(map(section, measured)))
    if not options.peers_only:
        write(options.document, measured, list(results.values()))
        print(f"written: {options.document}")


if __name__ == "__main__":
    main(sys.argv[1:])
