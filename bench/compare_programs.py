#!/usr/bin/env python3
"""Training speed of two builds of hone, in turn: compare_programs.py OTHER [THIS] [--steps N] [--rounds N] [--threads N].

OTHER and THIS are programs (THIS: build/release/hone). Each trains BERT-tiny on the first IMDb reviews of $HONE_SHARED
with the same seed; the seconds of its steps are taken from --trace, without the first 20. Prints a line a round and the
median ratio (above 1: THIS is faster), and whether both went through the same losses.
"""
import argparse
import json
import os
import pathlib
import statistics
import subprocess
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent


def train(program, options, folder):
    shared = pathlib.Path(os.environ.get("HONE_SHARED", ROOT / "../shared")) / "data"
    trace = folder / "trace.jsonl"
    subprocess.run(
        [program, "train", "bert-tiny", "--data", f"imdb:{shared}/imdb/aclImdb_v1_labeled.tar.gz",
         "--tokenizer", shared / "bert-base-uncased", "--out", folder / "run", "--overwrite",
         "--steps", str(options.steps + 20), "--threads", str(options.threads), "--lr", "5e-4",
         "--set", "validation=0", "--trace", trace],
        check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    steps = [json.loads(line) for line in trace.read_text().splitlines()]
    return sum(step["seconds"] for step in steps[20:]), [step["loss"] for step in steps]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("other", type=pathlib.Path)
    parser.add_argument("this", type=pathlib.Path, nargs="?", default=ROOT / "build/release/hone")
    parser.add_argument("--steps", type=int, default=150)
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    ratios, equal = [], True
    with tempfile.TemporaryDirectory() as folder:
        for number in range(options.rounds):
            order = [options.other.resolve(), options.this.resolve()]
            if number % 2:
                order.reverse()
            seconds, losses = {}, {}
            for program in order:
                seconds[program], losses[program] = train(program, options, pathlib.Path(folder))
            other, this = seconds[options.other.resolve()], seconds[options.this.resolve()]
            equal = equal and losses[options.other.resolve()] == losses[options.this.resolve()]
            ratios.append(other / this)
            print(f"round {number + 1}: other {other:.2f} s, this {this:.2f} s, {ratios[-1]:.3f} x", flush=True)
    print(f"median {statistics.median(ratios):.3f} x ({min(ratios):.3f} to {max(ratios):.3f}), "
          f"losses {'equal' if equal else 'differ'}")


main()
