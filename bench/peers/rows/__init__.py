"""The rows of the table: each a function that measures and returns its comparisons."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from context import Context
from measurement import Comparison

from . import inference, memory, peak, predict, scaling, tokenizing, training


@dataclass(frozen=True)
class Row:
    name: str
    title: str
    measure: Callable[[Context], list[Comparison]]


ROWS = {
    row.name: row
    for row in (
        Row("training", "Training, dropout 0.1 everywhere", training.full_dropout),
        Row("hidden-dropout", "Training, no attention dropout", training.hidden_dropout),
        Row("no-dropout", "Training, no dropout at all", training.no_dropout),
        Row("inference", "Inference, float32, IMDb test", inference.measure),
        Row("predict", "`hone predict` of one review, whole process", predict.measure),
        Row("tokenizing", "Tokenizing 25,000 reviews", tokenizing.measure),
        Row("memory", "Peak memory of training", memory.measure),
        Row("scaling", "Training on 1 and on 2 threads", scaling.measure),
        Row("peak", "Training against the float32 peak of the machine", peak.measure),
    )
}
