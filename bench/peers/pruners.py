"""Pruning in PyTorch as MASE does it: masked weights by a parametrization, activations by a hook.

Written from MASE's rule (l1-norm, scope local): kept is what lies strictly above a quantile of the
magnitudes of one tensor. `check` compares the weights' masks with vectors that MASE made.
"""

from __future__ import annotations

import json
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize


def kept(x: Tensor, sparsity: float) -> Tensor:
    magnitudes = x.abs()
    return magnitudes > torch.quantile(magnitudes, sparsity)


class Masked(nn.Module):
    """Parametrization of a weight: its mask stays as it was drawn."""

    def __init__(self, mask: Tensor) -> None:
        super().__init__()
        self.register_buffer("mask", mask)

    def forward(self, weight: Tensor) -> Tensor:
        return self.mask * weight


def prune_linears(model: nn.Module, weights: float, activations: float) -> int:
    """Prunes every nn.Linear of the model and what it reads in each call; how many there are."""

    def prune_input(_module: nn.Module, arguments: tuple[Tensor]) -> Tensor:
        (x,) = arguments
        return x * kept(x.detach(), activations)

    linears = [module for module in model.modules() if type(module) is nn.Linear]
    for module in linears:
        mask = kept(module.weight.detach(), weights)
        parametrize.register_parametrization(module, "weight", Masked(mask))
        module.register_forward_pre_hook(prune_input)
    return len(linears)


def check(golden: Path) -> int:
    """How many vectors of MASE's masks agree; the program ends where one does not."""
    from safetensors.torch import load_file

    manifest = json.loads((golden / "manifest.json").read_text())
    inputs = load_file(golden / "inputs.safetensors")
    outputs = load_file(golden / "outputs.safetensors")
    cases = [case for case in manifest["cases"] if case["format"] == "prune_l1_local"]
    wrong = [
        case["id"]
        for case in cases
        if not torch.equal(
            kept(inputs[case["input"]], case["params"]["sparsity"]).float(),
            outputs[case["output"]],
        )
    ]
    if wrong or not cases:
        raise SystemExit(
            f"bench/peers: {len(wrong)} of {len(cases)} masks of {golden} differ from the peer's: "
            f"{', '.join(wrong[:5])}"
        )
    return len(cases)
