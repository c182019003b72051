"""The rows of the table: each a function that measures and returns its comparisons.

They are named here and imported when they run: PyTorch must not be loaded before the process is
bound to its cores.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from context import Context
    from measurement import Comparison


@dataclass(frozen=True)
class Row:
    name: str
    title: str
    module: str
    function: str = "measure"

    def measure(self, context: Context) -> list[Comparison]:
        return getattr(import_module(f"rows.{self.module}"), self.function)(context)


ROWS = {
    row.name: row
    for row in (
        Row("training", "Training, dropout 0.1 everywhere", "training", "full_dropout"),
        Row("hidden-dropout", "Training, no attention dropout", "training", "hidden_dropout"),
        Row("no-dropout", "Training, no dropout at all", "training", "no_dropout"),
        Row("inference", "Inference, float32, IMDb test", "inference"),
        Row("predict", "`hone predict` of one review, whole process", "predict"),
        Row("tokenizing", "Tokenizing 25,000 reviews", "tokenizing"),
        Row("memory", "Peak memory of training", "memory"),
        Row("scaling", "Training on 1 and on 2 threads", "scaling"),
        Row("busy", "Training on 1 and on 2 threads, one core busy", "scaling", "busy"),
        Row("peak", "Training against the float32 peak of the machine", "peak"),
        Row("qat-step", "Quantization-aware training against the float step", "qat", "step"),
        Row("qat-usual", "Quantization-aware training, against PyTorch's usual way", "qat", "usual"),
        Row("qat-mase", "Quantization-aware training, against MASE's quantizers", "qat", "mase"),
        Row("masks-step", "Training with masks against the float step", "transforms", "masks_step"),
        Row("masks-peer", "Training pruned as MASE prunes", "transforms", "masks_peer"),
        Row("lora-step", "Training an adapter against the float step", "transforms", "lora_step"),
        Row("lora-peer", "Training an adapter, against peft", "transforms", "lora_peer"),
        Row("int8", "Inference in 8 bits, IMDb test", "int8"),
        Row("size", "Size on disk in 8 bits", "int8", "size"),
    )
}
