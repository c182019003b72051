"""Tokenizing the 25,000 reviews of the train split, against Hugging Face tokenizers."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from context import Context
from imdb import MAX_LENGTH, Tokens, write_jsonl
from measurement import Comparison, Target, interleave
from rows.predict import WORKER

PEERS = {"encode_batch": "encode_batch", "encode_batch_fast": "encode_batch_fast (no offsets)"}


class Tokenizing:
    def __init__(self, context: Context) -> None:
        self.context = context
        self.source = context.work / "reviews.jsonl"
        self.megabytes = 0.0
        self.whole_seconds: list[float] = []
        self.peer_whole_seconds: dict[str, list[float]] = {name: [] for name in PEERS}
        texts = context.reviews("train").texts
        self.megabytes = sum(len(text.encode()) for text in texts) / 1e6
        write_jsonl(self.source, texts)

    def run_peer(self, method: str) -> float:
        start = time.perf_counter()
        tokenizer = str(self.context.tokenizer / "tokenizer.json")
        result = run_worker(
            ["tokenize", tokenizer, str(self.source), method],
            {"RAYON_NUM_THREADS": str(self.context.threads), "TOKENIZERS_PARALLELISM": "true"},
        )
        self.peer_whole_seconds[method].append(time.perf_counter() - start)
        return result["seconds"]

    def run_hone(self) -> float:
        hone = self.context.hone
        assert hone is not None
        report = self.context.work / "tokenize.json"
        whole = hone.run(
            *("tokenize", self.context.tokenizer, "--input", self.source),
            *("--max-length", str(MAX_LENGTH), "--json", report),
            stdout=self.context.work / "hone-ids.jsonl",
            private_cache=True,
        )
        self.whole_seconds.append(whole)
        return float(json.loads(report.read_text())["seconds"])

    def difference_note(self) -> str:
        wrong = differing(self.context.work / "hone-ids.jsonl", self.context.tokens("train"))
        return "the ids of all reviews are equal" if not wrong else f"{wrong} reviews differ in ids"


def run_worker(arguments: list[str], environment: dict[str, str]) -> dict[str, Any]:
    """Runs a command of worker.py in its own process and returns the JSON it prints."""
    done = subprocess.run(
        [sys.executable, str(WORKER), *arguments],
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        check=True,
    )
    return json.loads(done.stdout)


def differing(ids_file: Path, expected: Tokens) -> int:
    """Reviews whose ids in hone's output are not the expected ones."""
    wrong = seen = 0
    with ids_file.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines):
            seen += 1
            ours = np.asarray(json.loads(line)["ids"], dtype=np.int32)
            wrong += number >= len(expected) or not np.array_equal(ours, expected.sample(number))
    return wrong + max(0, len(expected) - seen)


def measure(context: Context) -> list[Comparison]:
    tokenizing = Tokenizing(context)
    values = interleave(
        context.rounds,
        {
            **{name: lambda _round, name=name: tokenizing.run_peer(name) for name in PEERS},
            "hone": (lambda _round: tokenizing.run_hone()) if context.hone is not None else None,
        },
    )
    target = Target("ratio", 10.0, 20.0)
    notes = [
        f"{tokenizing.megabytes:.1f} MB, cut at {MAX_LENGTH} ids; seconds of tokenizing alone, "
        "texts in memory; hone starts with an empty cache"
    ]
    if context.hone is not None:
        notes.append(tokenizing.difference_note())
    comparisons = [
        Comparison(
            what="tokenizing 25,000 reviews",
            peer=f"HF tokenizers, {peer}",
            unit="s",
            hone_values=values["hone"],
            peer_values=values[name],
            higher_is_better=False,
            target=target,
            notes=notes if name == "encode_batch" else [],
        )
        for name, peer in PEERS.items()
    ]
    return [*comparisons, _whole_process(tokenizing)]


def _whole_process(tokenizing: Tokenizing) -> Comparison:
    return Comparison(
        what="the same, whole process",
        peer="HF tokenizers, encode_batch_fast",
        unit="s",
        hone_values=tokenizing.whole_seconds,
        peer_values=tokenizing.peer_whole_seconds["encode_batch_fast"],
        higher_is_better=False,
        notes=["hone writes all ids as JSON lines, the peer's process drops them"],
    )
