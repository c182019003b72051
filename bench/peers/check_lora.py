"""Checks hone's adapters against peft: 60 steps of BERT-tiny with fixed batches, both ways.

For LoRA, rsLoRA, DoRA and LoRA with a trained classifier, from one adapter that peft made: every
loss within 1e-5, every gradient norm within 2e-4 of its size, merged weights within 1e-6; the
logits of hone's adapter in peft and of peft's in hone within 1e-5. Exits with 1 if any of it fails.

What is merged is the product of the adapter times its scale, alpha / rank = 2; of rsLoRA, whose
scale is alpha / sqrt(rank) = 5.7, the same rounding is 2.8 times as large in the weights, and so
is what is allowed. (peft in float32 differs from itself, samples of a batch reversed, by 1.9e-6.)
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from peft import PeftModel
from safetensors.torch import load_file
from transformers import BertConfig, BertForSequenceClassification

from adapters import ALPHA, RANK, PeftTrainer, make_adapter
from batches import BATCH
from hone_program import Hone
from imdb import Tokens, load_tokens, read_reviews, select
from settings import TrainSetting
from torch_peer import classify, load_model, save_model

ROOT = Path(__file__).resolve().parent.parent.parent
STEPS = 60
LOSS, GRAD_NORM, WEIGHT, LOGITS = 1e-5, 2e-4, 1e-6, 1e-5
# Decay reaches every trained number in both programs.
SETTING = TrainSetting(
    hidden_dropout=0.0, attention_dropout=0.0, lr=1e-3, decay_all=True, schedule="constant"
)


@dataclass
class Variant:
    name: str
    options: dict[str, Any] = field(default_factory=dict)
    scale: float = ALPHA / RANK  # of the product


VARIANTS = [
    Variant("LoRA"),
    Variant("rsLoRA", {"use_rslora": True}, ALPHA / RANK**0.5),
    Variant("DoRA", {"use_dora": True}),
    Variant("LoRA, every dense layer", {"target_modules": ["query", "key", "value", "dense"]}),
    Variant("LoRA, a layer's own alpha", {"alpha_pattern": {"layer.0.attention.self.query": 3}}),
    Variant("LoRA, classifier", {"modules_to_save": ["classifier"]}),
    Variant("DoRA, classifier", {"use_dora": True, "modules_to_save": ["classifier"]}),
]


@dataclass
class Task:
    base: Path
    hone: Hone
    tokens: Tokens
    texts: list[str]  # of the first batch
    batches: list[list[int]]
    work: Path


def make_base(folder: Path, tokenizer: Path) -> None:
    torch.manual_seed(0)
    config = BertConfig(
        hidden_size=128, num_hidden_layers=2, num_attention_heads=2, intermediate_size=512
    )
    save_model(BertForSequenceClassification(config).float(), folder, tokenizer)


def logits_of_peft(task: Task, model: torch.nn.Module) -> np.ndarray:
    first = select(task.tokens, np.asarray(task.batches[0]))
    return classify(model, first, [list(range(BATCH))])


def logits_of_adapter(task: Task, adapter: Path) -> np.ndarray:
    return logits_of_peft(task, PeftModel.from_pretrained(load_model(task.base), adapter).eval())


def merge_by_hone(task: Task, model: Path, folder: Path) -> dict[str, torch.Tensor]:
    shutil.rmtree(folder, ignore_errors=True)
    task.hone.run("merge", model, "--out", folder)
    return load_file(folder / "model.safetensors")


def largest(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> float:
    if one.keys() != other.keys():
        return float("inf")
    return max((one[name] - other[name]).abs().max().item() for name in one)


def run(task: Task, variant: Variant) -> dict[str, tuple[float, float]]:
    """Each difference with what is allowed."""
    weight = WEIGHT * variant.scale / (ALPHA / RANK)
    folder = task.work / "lora"
    shutil.rmtree(folder, ignore_errors=True)
    make_adapter(task.base, folder / "start", **variant.options)
    own = task.hone.train(
        task.base, task.batches, SETTING, 0, extra=("--lora", f"adapter={folder / 'start'}")
    )
    trained = task.work / "hone-train"
    trainer = PeftTrainer(task.base, SETTING, folder / "start")
    peer = trainer.run(task.tokens, task.batches, 0)
    trainer.model.eval()
    trainer.model.save_pretrained(folder / "peft")
    peer_logits = logits_of_peft(task, trainer.model)
    peer_merged = trainer.model.merge_and_unload().state_dict()
    norms = np.asarray(peer.grad_norms)
    same = PeftModel.from_pretrained(load_model(task.base), trained).merge_and_unload()
    own_merged = merge_by_hone(task, trained, folder / "merged")

    def difference(one: np.ndarray, other: np.ndarray) -> float:
        return float(np.abs(np.asarray(one) - np.asarray(other)).max())

    return {
        "loss": (difference(own.losses, peer.losses), LOSS),
        "gradient norm": (float((np.abs(own.grad_norms - norms) / norms).max()), GRAD_NORM),
        "merged": (largest(own_merged, peer_merged), weight),
        "one adapter merged": (largest(own_merged, same.state_dict()), weight),
        "hone's in peft": (
            difference(
                task.hone.predict(trained, task.texts), logits_of_adapter(task, trained)
            ),
            LOGITS,
        ),
        "peft's in hone": (
            difference(task.hone.predict(folder / "peft", task.texts), peer_logits),
            LOGITS,
        ),
        "peft's merged by hone": (
            largest(merge_by_hone(task, folder / "peft", folder / "merged"), peer_merged),
            weight,
        ),
    }


def print_table(rows: list[tuple[str, dict[str, tuple[float, float]]]]) -> bool:
    columns = list(rows[0][1])
    print("| largest difference | " + " | ".join(columns) + " |")
    print("| --- |" + " --- |" * len(columns))
    print("| allowed | " + " | ".join(f"{rows[0][1][name][1]:.0e}" for name in columns) + " |")
    passed = True
    for name, results in rows:
        cells = []
        for column in columns:
            value, bound = results[column]
            fits = value <= bound  # a NaN does not
            passed = passed and fits
            cells.append(f"{value:.1e}" + ("" if fits else " FAIL"))
        print(f"| {name} | " + " | ".join(cells) + " |")
    return passed


def parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add: Callable[..., object] = parser.add_argument
    add("--hone", type=Path, default=ROOT / "build/release/hone")
    add("--shared", type=Path, default=os.environ.get("HONE_SHARED"), metavar="DIR")
    add("--work", type=Path, default=ROOT / "build/bench-peers")
    add("--threads", type=int, default=2)
    options = parser.parse_args(arguments)
    if options.shared is None or not (options.shared / "data/imdb").is_dir():
        parser.error("no data/imdb: give --shared DIR or set HONE_SHARED")
    options.work.mkdir(parents=True, exist_ok=True)
    return options


def main(arguments: list[str]) -> int:
    options = parse(arguments)
    shared, work = options.shared.resolve(), options.work.resolve()
    imdb = shared / "data/imdb/aclImdb_v1_labeled.tar.gz"
    tokenizer = shared / "data/bert-base-uncased"
    torch.set_num_threads(options.threads)
    base = work / "lora-base"
    make_base(base, tokenizer)
    order = np.random.default_rng(3).permutation(25000)[: STEPS * BATCH].reshape(-1, BATCH)
    reviews = read_reviews(imdb, "train")
    task = Task(
        base=base,
        hone=Hone(options.hone, imdb, tokenizer, work, options.threads),
        tokens=load_tokens(imdb, "train", tokenizer, work),
        texts=[reviews.texts[number] for number in order[0]],
        batches=order.tolist(),
        work=work,
    )
    return 0 if print_table([(one.name, run(task, one)) for one in VARIANTS]) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
