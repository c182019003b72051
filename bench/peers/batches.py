"""Orders of the samples: random, or grouped by length as Hugging Face's sampler groups them."""

from __future__ import annotations

import numpy as np

BATCH = 8


def random_batches(count: int, samples: int, seed: int) -> list[list[int]]:
    """`count` batches of a random order of all samples."""
    order = np.random.default_rng(seed).permutation(samples)
    return _cut(order, count, BATCH)


def grouped_batches(count: int, lengths: np.ndarray, seed: int) -> list[list[int]]:
    """`count` batches of samples of similar length.

    The batches are those of one epoch of transformers' LengthGroupedSampler, in an order drawn
    anew: the sampler descends in length within 50 batches, so a short run would not see the
    epoch's mix.
    """
    import torch
    from transformers.trainer_pt_utils import get_length_grouped_indices

    generator = torch.Generator().manual_seed(seed)
    order = np.asarray(get_length_grouped_indices(lengths.tolist(), BATCH, generator=generator))
    whole = len(order) // BATCH
    batches = order[: whole * BATCH].reshape(whole, BATCH)
    batches = batches[np.random.default_rng(seed).permutation(whole)]
    return _cut(batches.reshape(-1), count, BATCH)


def sorted_batches(lengths: np.ndarray, batch: int) -> list[list[int]]:
    """All samples, longest first, in batches of `batch`."""
    order = np.argsort(-lengths, kind="stable")
    return [order[i : i + batch].tolist() for i in range(0, len(order), batch)]


def _cut(order: np.ndarray, count: int, batch: int) -> list[list[int]]:
    if count * batch > len(order):
        raise SystemExit(
            f"bench/peers: {count} batches of {batch} need more than {len(order)} samples"
        )
    return order[: count * batch].reshape(count, batch).tolist()
