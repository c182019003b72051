"""Checks that transformers loads a directory hone saved, with the logits of `hone predict`.

Trains a few steps from the initial BERT-tiny, or takes a directory hone saved earlier (--model).
No tensor may be missing, unexpected or of another shape; logits must agree within 1e-4, and the
saved tokenizer must give the ids hone uses. What hone quantized must not load at all, and load
again once it is turned back. Exits with 1 if any of it fails.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import torch
from transformers import (
    AutoModel,
    AutoModelForSequenceClassification,
    AutoTokenizer,
    BertForSequenceClassification,
    pipeline,
)

from batches import random_batches
from context import Context
from hone_program import Hone
from imdb import MAX_LENGTH
from settings import TrainSetting

ROOT = Path(__file__).resolve().parent.parent.parent
LOGITS = 1e-4
STEPS = 3
SAMPLES = [0, 7, 1234, 12499, 12500, 20000, 24999]


def train_with_hone(context: Context) -> Path:
    assert context.hone is not None
    batches = random_batches(STEPS, len(context.tokens("train")), context.seed)
    context.train_hone(batches, TrainSetting())
    return context.hone.saved_model()


def check_tensors(folder: Path) -> tuple[torch.nn.Module, bool]:
    """Loads the model as users do; nothing may be left over or made up."""
    model, info = AutoModelForSequenceClassification.from_pretrained(
        folder, dtype=torch.float32, output_loading_info=True
    )
    problems = {kind: sorted(map(str, names)) for kind, names in info.items() if names}
    say(not problems, "transformers loads every tensor", str(problems) if problems else "")
    return model.eval(), not problems


def check_logits(model: torch.nn.Module, ids: list[list[int]], ours: np.ndarray) -> bool:
    with torch.inference_mode():
        theirs = [model(torch.tensor([sample])).logits[0].numpy() for sample in ids]
    worst = float(np.abs(np.asarray(theirs) - ours).max())
    good = worst <= LOGITS
    say(good, "logits equal those of hone predict", f"largest difference {worst:.1e}")
    return good


def check_tokenizer(folder: Path, texts: list[str], ids: list[list[int]]) -> bool:
    """Equal ids."""
    tokenizer = AutoTokenizer.from_pretrained(folder)
    theirs = tokenizer(texts, truncation=True, max_length=MAX_LENGTH)["input_ids"]
    wrong = sum(our != their for our, their in zip(ids, theirs, strict=True))
    say(wrong == 0, "AutoTokenizer gives hone's ids", f"{wrong} texts differ" if wrong else "")
    return wrong == 0


def check_quantized(hone: Hone, folder: Path, work: Path) -> bool:
    """A folder whose weights take formats: transformers has to fail, by whatever way it is asked."""
    packed, plain = work / "hf-packed", work / "hf-dequantized"
    hone.run("quantize", folder, "--format", "integer", "--out", packed, "--overwrite")
    hone.run("quantize", packed, "--dequantize", "--out", plain, "--overwrite")
    ways = {
        f"{loader.__name__} {options or ''}".strip(): partial(loader.from_pretrained, **options)
        for loader in (AutoModel, AutoModelForSequenceClassification, BertForSequenceClassification)
        for options in ({}, {"use_safetensors": False}, {"ignore_mismatched_sizes": True})
    }
    ways["pipeline"] = partial(pipeline, "text-classification")
    loaded = [name for name, load in ways.items() if loads(load, packed)]
    say(not loaded, "transformers refuses what hone quantized", ", ".join(loaded))
    back, whole = check_tensors(plain)
    del back
    return not loaded and whole


def loads(load: Callable[[Path], object], folder: Path) -> bool:
    try:
        load(folder)
    except (OSError, ValueError):
        return False
    return True


def say(good: bool, what: str, more: str) -> None:
    print(f"{'ok  ' if good else 'FAIL'} {what}{': ' if more else ''}{more}")


def parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--hone", type=Path, default=ROOT / "build/release/hone")
    add("--shared", type=Path, default=os.environ.get("HONE_SHARED"), metavar="DIR")
    add("--model", type=Path, help="a directory hone saved; else a few steps are trained")
    add("--work", type=Path, default=ROOT / "build/bench-peers")
    options = parser.parse_args(arguments)
    if options.shared is None or not (options.shared / "data").is_dir():
        parser.error("no data: give --shared DIR or set HONE_SHARED")
    options.work.mkdir(parents=True, exist_ok=True)
    return options


def main(arguments: list[str]) -> int:
    options = parse(arguments)
    data, work = options.shared.resolve() / "data", options.work.resolve()
    places = (data / "imdb/aclImdb_v1_labeled.tar.gz", data / "bert-base-uncased", work)
    hone = Hone(options.hone, *places, threads=2)
    context = Context(hone, *places, warm_up=0)
    folder = options.model or train_with_hone(context)
    texts = [context.reviews("train").texts[number] for number in SAMPLES]
    ids = hone.tokenize(folder, texts)
    model, loads_whole = check_tensors(folder)
    agrees = check_logits(model, ids, hone.predict(folder, texts))
    same_ids = check_tokenizer(folder, texts, ids)
    refused = check_quantized(hone, folder, work)
    return 0 if same_ids and loads_whole and agrees and refused else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
