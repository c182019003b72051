"""Checks that hone trains as PyTorch does: 60 steps of BERT-tiny against a trace made by PyTorch.

Every loss within 1e-5, every gradient norm within 2e-4 of its size, and the logits of the first
batch, before and after training, within 1e-4. Exits with 1 if any of it fails. With --peer PyTorch
on this machine takes hone's place, which shows what the machine's own rounding costs.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from batches import BATCH
from hone_program import Hone
from imdb import load_tokens, read_reviews, select
from settings import TrainSetting

ROOT = Path(__file__).resolve().parent.parent.parent
LOSS, GRAD_NORM, LOGITS = 1e-5, 2e-4, 1e-4


@dataclass
class Outcome:
    losses: list[float]
    grad_norms: list[float]
    before: np.ndarray  # logits of the first batch
    after: np.ndarray


@dataclass
class Task:
    model: Path
    imdb: Path
    tokenizer: Path
    work: Path
    batches: list[list[int]]
    setting: TrainSetting
    threads: int


def run_hone(task: Task, program: Path) -> Outcome:
    hone = Hone(program, task.imdb, task.tokenizer, task.work, task.threads)
    reviews = read_reviews(task.imdb, "train")
    texts = [reviews.texts[number] for number in task.batches[0]]
    before = hone.predict(task.model, texts)
    result = hone.train(task.model, task.batches, task.setting, 0)
    return Outcome(
        result.losses, result.grad_norms, before, hone.predict(hone.saved_model(), texts)
    )


def run_torch(task: Task) -> Outcome:
    import torch

    from torch_peer import Trainer, classify

    torch.set_num_threads(task.threads)
    tokens = load_tokens(task.imdb, "train", task.tokenizer, task.work)
    first, rows = select(tokens, np.asarray(task.batches[0])), [list(range(BATCH))]
    trainer = Trainer(task.model, task.setting)
    before = classify(trainer.model, first, rows)
    result = trainer.run(tokens, task.batches, 0)
    return Outcome(result.losses, result.grad_norms, before, classify(trainer.model, first, rows))


def check(outcome: Outcome, trace: dict) -> bool:
    """Prints the largest difference of each kind and the step or sample it is at."""
    losses, norms = np.asarray(trace["loss_and_grad_norm"]).T
    before = np.asarray(trace["logits_first_batch_before"])
    after = np.asarray(trace["logits_first_batch_after"])
    results = [
        judge("loss", "step", np.abs(outcome.losses - losses), LOSS),
        judge("gradient norm", "step", np.abs(outcome.grad_norms - norms) / norms, GRAD_NORM),
        judge("logits before", "sample", np.abs(outcome.before - before).max(axis=1), LOGITS),
        judge("logits after", "sample", np.abs(outcome.after - after).max(axis=1), LOGITS),
    ]
    return all(results)


def judge(name: str, place: str, differences: np.ndarray, bound: float) -> bool:
    worst = int(differences.argmax())
    outside = int((~(differences <= bound)).sum())  # a NaN is outside
    print(
        f"{'ok  ' if outside == 0 else 'FAIL'} {name}: largest difference {differences[worst]:.2e} "
        f"at {place} {worst}, allowed {bound:.0e}, outside {outside} of {len(differences)}"
    )
    return outside == 0


def parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--hone", type=Path, default=ROOT / "build/release/hone")
    add("--shared", type=Path, default=os.environ.get("HONE_SHARED"), metavar="DIR")
    add("--work", type=Path, default=ROOT / "build/bench-peers")
    add("--threads", type=int, default=2)
    add("--peer", action="store_true", help="let PyTorch do it instead of hone")
    options = parser.parse_args(arguments)
    if options.shared is None or not (options.shared / "parity/bert_tiny_trace").is_dir():
        parser.error("no parity/bert_tiny_trace: give --shared DIR or set HONE_SHARED")
    options.work.mkdir(parents=True, exist_ok=True)
    return options


def main(arguments: list[str]) -> int:
    options = parse(arguments)
    shared, work = options.shared.resolve(), options.work.resolve()
    model = shared / "parity/bert_tiny_trace"
    trace = json.loads((model / "trace.json").read_text())
    task = Task(
        model=model,
        imdb=shared / "data/imdb/aclImdb_v1_labeled.tar.gz",
        tokenizer=shared / "data/bert-base-uncased",
        work=work,
        batches=np.asarray(trace["sample_order"]).reshape(-1, BATCH).tolist(),
        setting=TrainSetting(
            hidden_dropout=0.0,
            attention_dropout=0.0,
            lr=trace["lr"],
            weight_decay=trace["weight_decay"],
            decay_all=True,
            schedule="constant",
        ),
        threads=options.threads,
    )
    outcome = run_torch(task) if options.peer else run_hone(task, options.hone)
    return 0 if check(outcome, trace) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
