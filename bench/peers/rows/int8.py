"""Inference and size in 8 bits: hone's packed models, its float32, and ONNX Runtime's int8."""

from __future__ import annotations

import time
from functools import partial
from pathlib import Path

import numpy as np

from batches import sorted_batches
from context import Context
from hone_program import Format, HoneError
from imdb import select, spread
from measurement import Comparison, Target, interleave
from rows.inference import BATCH, classify_onnx, exported_model, onnx_session

COMPARED = 1000  # reviews whose logits are compared
INTEGER = ("width=8", "frac_width=4")
# Probabilities count from the largest of their row, so they lie between 0 and 1.
PROBABILITIES = tuple(
    f"probabilities_{key}"
    for key in ("format=integer", "width=8", "frac_width=8", "is_signed=false")
)
FORMATS = {
    "attention": Format("integer", (*INTEGER, *PROBABILITIES), "linear,attention"),
    "integer": Format("integer", INTEGER),
    "mxint": Format("mxint"),
}
SHOWN = {
    "attention": "integer, linear and attention",
    "integer": "integer, linear only",
    "mxint": "mxint, linear only",
}
SIZES = {"integer": "integer, width 8, fraction 4", "mxint": "mxint"}


class Int8:
    """The programs over the same test reviews, and what they said while running."""

    def __init__(self, context: Context) -> None:
        self.context, self.model = context, context.trained_model()
        self.numbers = spread(len(context.tokens("test")), context.samples)
        self.tokens = select(context.tokens("test"), self.numbers)
        self.batches = sorted_batches(self.tokens.lengths(), BATCH)
        self.data = context.test_folder(self.numbers)
        self.session = onnx_session(context, quantized_onnx(context, self.model))
        self.accuracy: dict[str, float] = {}
        self.refused: dict[str, str] = {}

    def packed(self, name: str) -> Path:
        return self.context.work / f"int8-{name}"

    def pack(self) -> None:
        """The packed models, made before anything is timed."""
        hone = self.context.hone
        for name, number_format in FORMATS.items() if hone is not None else ():
            try:
                hone.quantize(self.model, number_format, self.packed(name))
            except HoneError as error:
                self.refused[name] = error.reason

    def run_onnx(self, _round: int) -> float:
        start = time.perf_counter()
        logits = classify_onnx(self.session, self.tokens, self.batches)
        seconds = time.perf_counter() - start
        self.accuracy["ONNX Runtime int8"] = float(np.mean(logits.argmax(1) == self.tokens.labels))
        return len(self.tokens) / seconds

    def run_hone(self, name: str, model: Path, _round: int) -> float:
        assert self.context.hone is not None
        result = self.context.hone.evaluate(model, self.data)
        expected = int(self.tokens.lengths().sum())
        if int(result["tokens"]) != expected:
            raise HoneError(
                f"hone evaluated {result['tokens']} tokens, the peer {expected}: not the same work "
            )
        self.accuracy[f"hone {name}"] = float(result["accuracy"])
        return float(result["samples_per_second"])

    def sides(self) -> dict[str, partial[float] | None]:
        models = {"float32": self.model, **{name: self.packed(name) for name in FORMATS}}
        hone = {name: partial(self.run_hone, name, model) for name, model in models.items()}
        if self.context.hone is None:
            hone = dict.fromkeys(models)
        return {"ONNX Runtime": self.run_onnx, **hone}

    def logit_notes(self) -> list[str]:
        """How far the packed model is from the simulation, and from float32."""
        hone = self.context.hone
        if hone is None:
            return []
        chosen = spread(len(self.tokens), COMPARED)
        texts = [self.context.reviews("test").texts[n] for n in self.numbers[chosen]]
        exact = hone.predict(self.model, texts)
        notes = []
        for name in FORMATS:
            if name in self.refused:
                continue
            try:
                ours = hone.predict(self.packed(name), texts)
                simulated = hone.predict(self.packed(name), texts, mode="eager")
            except HoneError as error:
                self.refused[name] = error.reason
                continue
            notes.append(
                f"hone {name}: largest difference of a logit of {len(texts):,} reviews, packed from "
                f"simulated (`--mode eager`): {np.abs(ours - simulated).max():.1e}, from float32: "
                f"{np.abs(ours - exact).max():.2g}"
            )
        return notes


def quantized_onnx(context: Context, model_dir: Path) -> Path:
    """ONNX Runtime's dynamic int8 of the exported model, its matrix products only."""
    from onnxruntime.quantization import QuantType, quantize_dynamic

    target = context.work / "model-int8.onnx"
    quantize_dynamic(
        exported_model(context, model_dir),
        target,
        op_types_to_quantize=["MatMul", "Gemm"],
        weight_type=QuantType.QInt8,
    )
    return target


def measure(context: Context) -> list[Comparison]:
    int8 = Int8(context)
    int8.pack()
    collated = int8.batches[:: max(1, len(int8.batches) // 10)]
    classify_onnx(int8.session, int8.tokens, collated)  # once, to warm up
    values = interleave(context.rounds, int8.sides(), int8.refused)
    logit_notes = int8.logit_notes()
    accuracies = ", ".join(f"{name} {value:.4f}" for name, value in int8.accuracy.items())
    notes = [
        f"batches of {BATCH} sorted by length; 8 bits, fraction 4 of integer; ids made "
        "beforehand; ONNX Runtime: quantize_dynamic of the model exported by torch.onnx, weights "
        "QInt8",
        f"accuracy: {accuracies}",
        *logit_notes,
        *(f"hone refused {name}: {reason}" for name, reason in int8.refused.items()),
    ]
    peers = {
        "float32": ("hone, float32", Target("ratio", 1.7, 2.5)),
        "ONNX Runtime": ("ONNX Runtime, dynamic int8", Target("ratio", 3.0)),
    }
    return [
        Comparison(
            what=f"inference in 8 bits (AVX-512 VNNI), {SHOWN[name]}, "
            f"{len(int8.tokens):,} test reviews",
            peer=peer,
            unit="samples/s",
            hone_values=values[name],
            peer_values=values[peer_name],
            target=target if name == "attention" else Target(),
            notes=notes if name == "attention" else [],
        )
        for name in FORMATS
        for peer_name, (peer, target) in peers.items()
    ]


def size(context: Context) -> list[Comparison]:
    """What `ls` says of the weights, the embeddings in 8 bits like the linear layers."""
    hone, model = context.hone, context.trained_model()
    if hone is None:
        return []
    comparisons = []
    for name in SIZES:
        number_format = FORMATS[name]
        embedded = Format(number_format.name, number_format.settings, "linear,embedding")
        folder = context.work / f"size-{name}"
        notes = ["bytes of the file of weights, MB of 10^6"]
        try:
            hone.quantize(model, embedded, folder)
            values = [megabytes(folder / "hone_model.safetensors")]
            every = sum(megabytes(file) for file in folder.iterdir() if file.is_file())
            notes.append(f"{name}: the folder with config and tokenizer {every:.2f} MB")
        except HoneError as error:
            values = []
            notes.append(f"hone refused {name}: {error.reason}")
        comparisons.append(
            Comparison(
                what=f"size of BERT-tiny on disk, {SIZES[name]}, embeddings too",
                peer="float32, as transformers saves it",
                unit="MB",
                hone_values=values,
                peer_values=[megabytes(model / "model.safetensors")],
                higher_is_better=False,
                target=Target("value", 4.5, unit="MB") if name == "integer" else Target(),
                notes=notes,
            )
        )
    return comparisons


def megabytes(file: Path) -> float:
    return file.stat().st_size / 1e6
