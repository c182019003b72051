"""Runs the hone program and reads back what it measured."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from batches import BATCH
from imdb import MAX_LENGTH, write_jsonl
from settings import TrainSetting


class HoneError(SystemExit):
    """hone is absent, failed, or wrote something other than what it promises."""

    def __init__(self, message: str) -> None:
        super().__init__(f"bench/peers: {message}")
        self.reason = " ".join(message.split())


@dataclass
class HoneSlice:
    """The trace of a training run: seconds of the steps after warm-up, losses of all of them."""

    samples_per_second: float
    tokens: list[int]
    losses: list[float]
    grad_norms: list[float]
    seconds: float
    results: dict[str, Any]


@dataclass(frozen=True)
class Format:
    """A number format as `hone quantize` is given it."""

    name: str
    settings: tuple[str, ...] = ()
    nodes: str = ""  # "": hone's own choice, every linear node

    def flags(self) -> list[str]:
        flags = ["--format", self.name, *(["--nodes", self.nodes] if self.nodes else [])]
        return flags + [word for setting in self.settings for word in ("--set", setting)]


@dataclass
class Hone:
    """The program, the data it is given, and the commands it ran (for the report)."""

    program: Path
    imdb: Path
    tokenizer: Path
    work: Path
    threads: int
    hidden_prefixes: dict[str, str] = field(default_factory=dict)
    commands: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.program = self.program.resolve()
        if not (self.program.is_file() and os.access(self.program, os.X_OK)):
            raise HoneError(
                f"{self.program}: the hone program is not there; build it (make build), name it "
                "with --hone, or measure only the peers with --peers-only"
            )

    def shown(self, command: list[str]) -> str:
        """The command as a reader would type it: paths of this machine become $NAMES."""
        line = shlex.join(command)
        for prefix, name in self.hidden_prefixes.items():
            line = line.replace(prefix, name)
        return line.replace(str(self.program), "hone")

    def run(
        self, *arguments: str | Path, stdout: Path | None = None, private_cache: bool = False
    ) -> float:
        """Runs a command, raises HoneError with its last words if it fails; seconds it took.

        With `private_cache` it starts from an empty cache, so nothing it kept earlier can help.
        """
        command = [str(self.program), *map(str, arguments)]
        shown = self.shown(command)
        if shown not in self.commands:
            self.commands.append(shown)
        with self._environment(private_cache) as environment, _sink(stdout) as out:
            start = time.perf_counter()
            done = subprocess.run(
                command, stdout=out, stderr=subprocess.PIPE, env=environment, check=False
            )
            seconds = time.perf_counter() - start
        if done.returncode != 0:
            last = done.stderr.decode(errors="replace").strip()[-2000:]
            raise HoneError(f"`{shown}` exited with {done.returncode}:\n{last}")
        return seconds

    @contextmanager
    def _environment(self, private_cache: bool) -> Iterator[dict[str, str]]:
        if not private_cache:
            yield dict(os.environ)
            return
        with tempfile.TemporaryDirectory(dir=self.work) as empty:
            yield {**os.environ, "XDG_CACHE_HOME": empty}

    def train_arguments(
        self,
        model: Path | str,
        batches: list[list[int]],
        setting: TrainSetting,
        threads: int,
        number_format: Format | None = None,
        extra: tuple[str, ...] = (),
    ) -> list[str | Path]:
        """`hone train` over the given batches, or `hone quantize --qat` with a format, and `extra`
        words; its files lie in work/hone-train."""
        folder = self.work / "hone-train"
        shutil.rmtree(folder, ignore_errors=True)
        order, trace = self.work / "order.json", self.work / "trace.jsonl"
        trace.unlink(missing_ok=True)
        order.write_text(json.dumps([number for batch in batches for number in batch]))
        if number_format is None:
            command, files = ["train", model], ["--order", order, "--trace", trace]
        else:
            command = ["quantize", model, *number_format.flags(), "--qat"]
            files = ["--set", f"order={order}", "--set", f"trace={trace}"]
        return [
            *(*command, "--data", f"imdb:{self.imdb}", "--tokenizer", self.tokenizer),
            *("--out", folder, "--steps", str(len(batches)), "--batch", str(BATCH)),
            *setting.hone_flags(),
            *("--max-length", str(MAX_LENGTH), "--threads", str(threads), *files),
            *("--json", self.work / "train.json"),
            *extra,
        ]

    def quantize(self, model: Path, number_format: Format, folder: Path) -> dict[str, Any]:
        """The packed model in `folder`, and what hone says of it."""
        shutil.rmtree(folder, ignore_errors=True)
        target = self.work / "quantize.json"
        self.run("quantize", model, *number_format.flags(), "--out", folder, "--json", target)
        return json.loads(target.read_text())

    def train(
        self,
        model: Path | str,
        batches: list[list[int]],
        setting: TrainSetting,
        warm_up: int,
        threads: int | None = None,
        number_format: Format | None = None,
        extra: tuple[str, ...] = (),
    ) -> HoneSlice:
        arguments = self.train_arguments(
            model, batches, setting, threads or self.threads, number_format, extra
        )
        wall = self.run(*arguments)
        trace = read_trace(self.work / "trace.jsonl", len(batches))
        step_seconds = [step["seconds"] for step in trace]
        if sum(step_seconds) > wall:
            raise HoneError(
                f"the steps of the trace take {sum(step_seconds):.1f} s, the process {wall:.1f} s: "
                "`seconds` must be the time of one step"
            )
        seconds = sum(step_seconds[warm_up:])
        results = json.loads((self.work / "train.json").read_text())
        return HoneSlice(
            BATCH * (len(batches) - warm_up) / seconds,
            [int(step["tokens"]) for step in trace],
            [step["loss"] for step in trace],
            [step["grad_norm"] for step in trace],
            seconds,
            results if number_format is None else results["training"],
        )

    def saved_model(self) -> Path:
        """The Hugging Face directory of the last checkpoint `train` wrote."""
        return find_model(self.work / "hone-train")

    def predict(self, model: Path, texts: list[str], mode: str | None = None) -> np.ndarray:
        """Logits of the texts."""
        source, target = self.work / "predict-in.jsonl", self.work / "predict-out.jsonl"
        write_jsonl(source, texts)
        arguments = ["predict", model, "--input", source, "--output", target]
        arguments += ["--mode", mode] if mode else []
        if not (model / "tokenizer.json").exists() and not (model / "vocab.txt").exists():
            arguments += ["--tokenizer", self.tokenizer]
        self.run(*arguments)
        lines = target.read_text(encoding="utf-8").splitlines()
        if len(lines) != len(texts):
            raise HoneError(f"predict answered {len(lines)} of {len(texts)} texts")
        return np.asarray([json.loads(line)["logits"] for line in lines], dtype=np.float64)

    def tokenize(self, model: Path, texts: list[str]) -> list[list[int]]:
        """Ids of the texts, cut at 512."""
        source, target = self.work / "tokenize-in.jsonl", self.work / "tokenize-out.jsonl"
        write_jsonl(source, texts)
        arguments = ("tokenize", model, "--input", source, "--max-length", str(MAX_LENGTH))
        self.run(*arguments, stdout=target)
        lines = target.read_text(encoding="utf-8").splitlines()
        return [json.loads(line)["ids"] for line in lines]

    def evaluate(self, model: Path, data: Path, split: str = "test") -> dict[str, Any]:
        target = self.work / "eval.json"
        self.run(
            *("eval", model, "--data", f"imdb:{data}", "--split", split),
            *("--threads", str(self.threads), "--json", target),
        )
        return json.loads(target.read_text())


def read_trace(path: Path, steps: int) -> list[dict[str, float]]:
    trace = [json.loads(line) for line in path.read_text().splitlines()]
    if len(trace) != steps:
        raise HoneError(f"{path.name} has {len(trace)} lines, {steps} steps were asked for")
    return trace


def tensor_shapes(file: Path) -> dict[str, list[int]]:
    """Names and shapes in a safetensors file."""
    with file.open("rb") as source:
        header = json.loads(source.read(int.from_bytes(source.read(8), "little")))
    return {name: entry["shape"] for name, entry in header.items() if name != "__metadata__"}


def find_model(folder: Path) -> Path:
    """The model directory inside a run's folder: `last` wins over any other."""
    found = [config.parent for config in sorted(folder.rglob("config.json"))]
    if not found:
        raise HoneError(f"{folder.name}: no model was saved (no config.json)")
    last = [path for path in found if path.name.startswith("last")]
    return (last or found)[0]


@contextmanager
def _sink(path: Path | None) -> Iterator[Any]:
    if path is None:
        yield subprocess.DEVNULL
        return
    with path.open("wb") as out:
        yield out
