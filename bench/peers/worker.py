"""Peers that need a process of their own: for their environment, their memory or their start-up."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path


def tokenize(tokenizer_file: str, source: str, method: str) -> None:
    """Prints the seconds `method` of Hugging Face tokenizers takes for the texts of a file."""
    from imdb import load_tokenizer

    with Path(source).open(encoding="utf-8") as lines:
        texts = [json.loads(line)["text"] for line in lines]
    tokenizer = load_tokenizer(Path(tokenizer_file))
    start = time.perf_counter()
    encodings = getattr(tokenizer, method)(texts)
    seconds = time.perf_counter() - start
    assert len(encodings) == len(texts)
    print(json.dumps({"seconds": seconds}))


def train(model: str, tokens_file: str, order: str, threads: str) -> None:
    """Trains the batches of `order` with dropout 0.1, as the training row does."""
    import torch

    from imdb import read_tokens
    from settings import TrainSetting
    from torch_peer import Trainer

    torch.set_num_threads(int(threads))
    tokens = read_tokens(Path(tokens_file))
    result = Trainer(Path(model), TrainSetting()).run(
        tokens, json.loads(Path(order).read_text()), 0
    )
    print(json.dumps({"samples_per_second": result.samples_per_second}))


def imports() -> None:
    """Only what every training script imports: the floor of its memory."""
    import torch  # noqa: F401
    from transformers import BertForSequenceClassification  # noqa: F401


def predict(model: str, text: str) -> None:
    """Label and logits of one text, as a short script with transformers computes them."""
    import torch
    from transformers import AutoTokenizer, BertForSequenceClassification

    tokenizer = AutoTokenizer.from_pretrained(model)
    classifier = BertForSequenceClassification.from_pretrained(model).eval()
    with torch.inference_mode():
        logits = classifier(**tokenizer(text, truncation=True, return_tensors="pt")).logits[0]
    print(json.dumps({"label": int(logits.argmax()), "logits": logits.tolist()}))


COMMANDS = {"tokenize": tokenize, "train": train, "imports": imports, "predict": predict}

if __name__ == "__main__":
    COMMANDS[sys.argv[1]](*sys.argv[2:])
