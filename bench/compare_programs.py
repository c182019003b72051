#!/usr/bin/env python3
"""Training speed of two builds of hone in turn: compare_programs.py OTHER [THIS] [--steps N] [--rounds N] [--threads N].
With --instructions: the instructions of a step of training, one of training with a format, and an answer.

OTHER and THIS are programs (THIS: build/release/hone). Each trains BERT-tiny on the first IMDb reviews of $HONE_SHARED
with the same seed; the seconds of its steps are taken from --trace, without the first 20. Prints a line a round and the
median ratio (above 1: THIS is faster), and whether both went through the same losses.

Instructions are counted by valgrind (callgrind: kernels of AVX2, whatever the machine has), on one thread, as the
difference of a short run and a longer one, so that starting does not count. They do not depend on what else the
machine does.
"""
import argparse
import json
import os
import pathlib
import random
import re
import shutil
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


WORDS = ("the film was a very good bad slow bright story actor music ending scene camera and but with never again "
         "wonderful dull").split()


def write_texts(folder, name, count):
    """`count` reviews of about 60 words, the same for every program: valgrind takes seconds for a thousand."""
    draw = random.Random(7)
    texts = [" ".join(draw.choice(WORDS) for _ in range(draw.randint(40, 80))) for _ in range(count)]
    rows = [f"{text},{i % 2}" for i, text in enumerate(texts)]
    (folder / f"{name}.csv").write_text("\n".join(["text,label", *rows]) + "\n")
    (folder / f"{name}.jsonl").write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))


def instructions(words, folder):
    ran = subprocess.run(["valgrind", "--tool=callgrind", f"--callgrind-out-file={folder}/callgrind.out", *words],
                         check=True, capture_output=True, text=True)
    return int(re.search(r"Collected : (\d+)", ran.stderr)[1])


def workloads(program, folder):
    """By what is counted: a short command line, a longer one, how many steps or answers more that has."""
    training = ["--data", f"csv:{folder}/many.csv", "--tokenizer", folder / "words", "--overwrite", "--threads", "1",
                "--lr", "5e-4", "--set", "validation=0", "--out"]
    subprocess.run([program, "train", "bert-tiny", *training, folder / "start", "--steps", "2"],
                   check=True, capture_output=True)
    train = [program, "train", "bert-tiny", *training, folder / "run", "--steps"]
    with_format = [program, "quantize", folder / "start", "--format", "integer", "--set", "width=8", "--set",
                   "frac_width=4", "--qat", *training, folder / "run", "--steps"]
    answer = [program, "predict", folder / "start", "--threads", "1", "--output", folder / "answers.jsonl", "--input"]
    return {"training, a step": ([*train, "1"], [*train, "3"], 2),
            "training with integer 8 bits, a step": ([*with_format, "1"], [*with_format, "3"], 2),
            "an answer": ([*answer, folder / "few.jsonl"], [*answer, folder / "many.jsonl"], 32)}


def compare_instructions(options):
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        # A vocabulary of its own: reading a large one would be most of what is counted.
        (folder / "words").mkdir()
        vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS]
        (folder / "words" / "vocab.txt").write_text("\n".join(vocabulary) + "\n")
        write_texts(folder, "few", 16)
        write_texts(folder, "many", 48)
        counted = {}
        for program in (options.other.resolve(), options.this.resolve()):
            for what, (short, longer, units) in workloads(program, folder).items():
                number = (instructions(longer, folder) - instructions(short, folder)) / units
                counted.setdefault(what, []).append(number)
                print(f"{program.name}: {what}: {number / 1e6:.2f} million instructions", flush=True)
    for what, (other, this) in counted.items():
        print(f"{what}: {other / this:.3f} x")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("other", type=pathlib.Path)
    parser.add_argument("this", type=pathlib.Path, nargs="?", default=ROOT / "build/release/hone")
    parser.add_argument("--steps", type=int, default=150)
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--instructions", action="store_true")
    options = parser.parse_args()
    if options.instructions:
        if shutil.which("valgrind") is None:
            parser.error("valgrind is not installed: scripts/setup.sh bench")
        compare_instructions(options)
        return
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
