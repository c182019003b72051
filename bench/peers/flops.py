"""Floating-point operations of BERT's matrix products, counted from the shapes.

Only what the mathematics asks for: no padding, nothing computed twice. A multiply-add counts as
two.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class BertSize:
    layers: int = 2
    hidden: int = 128
    feed_forward: int = 512


BERT_TINY = BertSize()


def forward_flops(lengths: np.ndarray, size: BertSize = BERT_TINY) -> float:
    """Operations of one forward pass over sequences of these lengths, pooler and head left out."""
    linear = 2.0 * (4 * size.hidden**2 + 2 * size.hidden * size.feed_forward)  # a token
    tokens, squares = float(lengths.sum()), float((lengths.astype(np.float64) ** 2).sum())
    attention = 2.0 * 2.0 * size.hidden * squares  # scores, and their product with the values
    return size.layers * (linear * tokens + attention)


def training_flops(lengths: np.ndarray, size: BertSize = BERT_TINY) -> float:
    """Forward and backward: every product has two products as its gradient."""
    return 3.0 * forward_flops(lengths, size)
