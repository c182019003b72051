#!/usr/bin/env python3
"""Checks that transformers computes the same logits from a model directory and from hone's copy of it.

Not part of the tests (it needs PyTorch): python -m venv venv; venv/bin/pip install torch transformers;
venv/bin/python scripts/check_hf_roundtrip.py ORIGINAL SAVED
Prints the largest difference of the logits and exits with 1 unless it is zero.
"""
import sys

import torch
import transformers


def logits(directory):
    model = transformers.AutoModelForSequenceClassification.from_pretrained(directory, dtype=torch.float32)
    model.eval()
    generator = torch.Generator().manual_seed(1)
    length = min(32, model.config.max_position_embeddings)
    ids = torch.randint(0, model.config.vocab_size, (4, length), generator=generator)
    with torch.no_grad():
        return type(model).__name__, model.config, model(ids).logits


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    name, config, before = logits(sys.argv[1])
    saved_name, saved_config, after = logits(sys.argv[2])
    # As a user loads it: without saying a type.
    plain = transformers.AutoModelForSequenceClassification.from_pretrained(sys.argv[2])
    difference = (before - after).abs().max().item()
    print(f"{name} -> {saved_name}: largest difference {difference:g}, loads as {plain.dtype}, "
          f"labels {saved_config.id2label}")
    same = difference == 0.0 and name == saved_name and plain.dtype == torch.float32
    sys.exit(0 if same and config.id2label == saved_config.id2label else 1)


main()
