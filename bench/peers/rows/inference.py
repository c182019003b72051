"""Inference in float32 over the test split, sorted by length: PyTorch eager and ONNX Runtime."""

from __future__ import annotations

import json
import time
from pathlib import Path

import numpy as np

from batches import sorted_batches
from context import Context
from flops import BertSize, forward_flops
from hone_program import HoneError
from imdb import Tokens, select, spread
from measurement import Comparison, Target, interleave
from torch_peer import classify, collate, export_onnx, load_model

BATCH = 20
COMPARED = 256  # reviews whose logits are compared


class Inference:
    """The three programs over the same reviews."""

    def __init__(self, context: Context) -> None:
        self.context = context
        self.model_dir = context.trained_model()
        self.model = load_model(self.model_dir)
        self.numbers = spread(len(context.tokens("test")), context.samples)
        self.tokens = select(context.tokens("test"), self.numbers)
        self.batches = sorted_batches(self.tokens.lengths(), BATCH)
        self.session = onnx_session(context, exported_model(context, self.model_dir))
        self.data = context.test_folder(self.numbers)
        self.logits: dict[str, np.ndarray] = {}
        self.hone_result: dict[str, float] = {}

    def run_torch(self, _round: int) -> float:
        start = time.perf_counter()
        self.logits["PyTorch"] = classify(self.model, self.tokens, self.batches)
        return len(self.tokens) / (time.perf_counter() - start)

    def run_onnx(self, _round: int) -> float:
        start = time.perf_counter()
        self.logits["ONNX Runtime"] = classify_onnx(self.session, self.tokens, self.batches)
        return len(self.tokens) / (time.perf_counter() - start)

    def run_hone(self, _round: int) -> float:
        assert self.context.hone is not None
        self.hone_result = self.context.hone.evaluate(self.model_dir, self.data)
        expected = int(self.tokens.lengths().sum())
        if int(self.hone_result["tokens"]) != expected:
            raise HoneError(
                f"hone evaluated {self.hone_result['tokens']} tokens, the peers {expected}: not the "
                "same work"
            )
        return float(self.hone_result["samples_per_second"])

    def hone_notes(self) -> list[str]:
        """Agreement of the logits, the accuracy, and the work done a second."""
        hone = self.context.hone
        if hone is None:
            return []
        chosen = spread(len(self.tokens), COMPARED)
        texts = [self.context.reviews("test").texts[n] for n in self.numbers[chosen]]
        ours = hone.predict(self.model_dir, texts)
        differences = {
            name: np.abs(ours - logits[chosen]).max() for name, logits in self.logits.items()
        }
        flops = forward_flops(self.tokens.lengths(), model_size(self.model_dir))
        rate = flops / float(self.hone_result["seconds"]) / 1e9
        return [
            "largest difference of a logit from hone's: "
            + ", ".join(f"{name} {value:.1e}" for name, value in differences.items()),
            f"accuracy of hone: {self.hone_result['accuracy']:.4f}",
            f"hone: {rate:.0f} GFLOP/s of the products the mathematics asks for",
        ]


def model_size(model_dir: Path) -> BertSize:
    config = json.loads((model_dir / "config.json").read_text())
    return BertSize(config["num_hidden_layers"], config["hidden_size"], config["intermediate_size"])


def exported_model(context: Context, model_dir: Path) -> Path:
    """The model as ONNX, exported anew."""
    path = context.work / "model.onnx"
    if path.exists():
        path.unlink()
    export_onnx(load_model(model_dir), path)
    return path


def onnx_session(context: Context, path: Path):  # noqa: ANN201 (onnxruntime has no types)
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = context.threads
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def classify_onnx(session, tokens: Tokens, batches: list[list[int]]) -> np.ndarray:  # noqa: ANN001
    logits = np.zeros((len(tokens), 2), dtype=np.float32)
    for batch in batches:
        inputs = {name: value.numpy() for name, value in collate(tokens, batch).items()}
        logits[batch] = session.run(["logits"], inputs)[0]
    return logits


def measure(context: Context) -> list[Comparison]:
    inference = Inference(context)
    collated = inference.batches[:: max(1, len(inference.batches) // 10)]
    classify(inference.model, inference.tokens, collated)  # both once, to warm up
    classify_onnx(inference.session, inference.tokens, collated)
    values = interleave(
        context.rounds,
        {
            "PyTorch": inference.run_torch,
            "ONNX Runtime": inference.run_onnx,
            "hone": inference.run_hone if context.hone is not None else None,
        },
    )
    notes = [f"batches of {BATCH} sorted by length, ids made beforehand", *inference.hone_notes()]
    logits = inference.logits
    gap = np.abs(logits["PyTorch"] - logits["ONNX Runtime"]).max()
    notes.append(f"largest difference of a logit, PyTorch from ONNX Runtime: {gap:.1e}")
    right = np.mean(logits["PyTorch"].argmax(1) == inference.tokens.labels)
    notes.append(f"accuracy of PyTorch: {right:.4f}")
    peers = {
        "PyTorch": ("PyTorch eager, SDPA", Target("ratio", 1.3)),
        "ONNX Runtime": ("ONNX Runtime, exported by torch.onnx", Target("ratio", 3.0)),
    }
    return [
        Comparison(
            what=f"inference, {len(inference.tokens):,} test reviews",
            peer=peer,
            unit="samples/s",
            hone_values=values["hone"],
            peer_values=values[name],
            target=target,
            notes=notes if name == "PyTorch" else [],
        )
        for name, (peer, target) in peers.items()
    ]
