"""MASE's quantizers in PyTorch, and fake quantization the usual way, for quantization-aware training.

Written from the formulas of MASE's `chop`; `check` compares them with vectors that MASE made. Every
quantizer is float32 in, float32 out: the output is the value the narrow format would hold. The
gradient passes unchanged (straight through).
"""

from __future__ import annotations

import importlib
import inspect
import json
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

Quantizer = Callable[[Tensor], Tensor]

TINY = 1e-9  # added before a logarithm
PASSED = 1e-8  # magnitudes up to here are kept as they are
BLOCK = [1, 16]


def default_bias(exponent_width: int) -> int:
    return 2 ** (exponent_width - 1) - 1


def integer(
    x: Tensor, width: int = 8, frac_width: int | None = 4, is_signed: bool = True
) -> Tensor:
    frac_width = width // 2 if frac_width is None else frac_width
    scale = 2.0**frac_width
    low, high = (-(2 ** (width - 1)), 2 ** (width - 1) - 1) if is_signed else (0, 2**width - 1)
    return torch.clamp(torch.round(x * scale), float(low), float(high)) / scale


def log(x: Tensor, width: int = 8, exponent_bias: int | None = None) -> Tensor:
    bias = default_bias(width - 1) if exponent_bias is None else exponent_bias
    return power_of_two(x, width, bias, 0.1 * 2.0**-bias)


def power_of_two(x: Tensor, width: int, bias: int | Tensor, offset: float | Tensor) -> Tensor:
    exponent = torch.round(torch.log2(x.abs() + offset))
    exponent = torch.clamp(exponent, -bias, 2 ** (width - 1) - 1 - bias)
    return torch.sign(x + offset) * torch.exp2(exponent)


def minifloat_denorm(
    x: Tensor, width: int = 8, exponent_width: int = 4, exponent_bias: int | None = None
) -> Tensor:
    bias = default_bias(exponent_width) if exponent_bias is None else exponent_bias
    steps = 2.0 ** (width - exponent_width - 1)
    exponent = torch.ceil(torch.log2(x.abs() + TINY))
    scale = torch.exp2(torch.clamp(exponent, -bias, 2**exponent_width - 1 - bias))
    mantissa = torch.clamp(torch.round(x.abs() / scale * steps), 0, steps - 1)
    return keep(x, torch.sign(x + TINY) * scale * (mantissa / steps))


def minifloat_ieee(
    x: Tensor, width: int = 8, exponent_width: int = 4, exponent_bias: int | None = None
) -> Tensor:
    bias = default_bias(exponent_width) if exponent_bias is None else exponent_bias
    return small_float(x, width, exponent_width, bias)


def small_float(x: Tensor, width: int, exponent_width: int, bias: int | Tensor) -> Tensor:
    steps = 2.0 ** (width - exponent_width - 1)
    exponent = torch.floor(torch.log2(x.abs() + TINY))
    exponent = torch.clamp(exponent, -bias, 2**exponent_width - 1 - bias)
    scale = torch.exp2(exponent)
    mantissa = x.abs() / scale * steps
    normal = 1 + torch.clamp(torch.round(mantissa - steps), 0, steps - 1) / steps
    subnormal = torch.clamp(torch.round(mantissa / 2), 0, steps - 1) / steps * 2
    mantissa = torch.where(exponent != -bias, normal, subnormal)
    return keep(x, torch.sign(x + TINY) * scale * mantissa)


def keep(x: Tensor, quantized: Tensor) -> Tensor:
    """Very small numbers pass as they are; an infinity becomes NaN by the product with zero."""
    small = x.abs() <= PASSED
    return ~small * quantized + small * x


class Blocks:
    """A view of a tensor as blocks, padded with zeros: batch, rows, their part, columns, theirs."""

    def __init__(self, x: Tensor, block_size: list[int], skip_first_dim: bool) -> None:
        self.shape = x.shape
        lead = x.dim() - 1 if skip_first_dim else x.dim()
        if not 1 <= lead <= 2:
            raise ValueError(f"no blocks over {lead} axes")
        plane = x if lead == 2 else x.unsqueeze(-2)
        plane = plane if plane.dim() == 3 else plane.unsqueeze(0)
        _, self.rows, self.columns = plane.shape
        sizes = [-1, *block_size][-2:] if lead == 2 else [1, block_size[-1]]
        high, wide = map(fit, sizes, (self.rows, self.columns))
        down, right = -self.rows % high, -self.columns % wide
        if down or right:
            plane = functional.pad(plane, (0, right, 0, down))
        self.padded = plane.shape
        self.values = plane.reshape(
            plane.shape[0], plane.shape[1] // high, high, plane.shape[2] // wide, wide
        )

    def largest(self) -> Tensor:
        """The largest magnitude of each block; blocks of zeros take the smallest of the others."""
        largest = self.values.abs().amax(dim=(2, 4), keepdim=True)
        some = largest > 0
        if not some.any():
            return torch.ones_like(largest)
        return torch.where(some, largest, largest[some].min())

    def back(self, values: Tensor) -> Tensor:
        """Values in blocks, as a tensor of the original shape."""
        plane = values.reshape(self.padded)
        return plane[:, : self.rows, : self.columns].reshape(self.shape)


def fit(size: int, axis: int) -> int:
    return axis if size == -1 or size > axis else size


def block_fp(
    x: Tensor,
    width: int = 8,
    exponent_width: int = 8,
    exponent_bias: int | None = None,
    block_size: list[int] = BLOCK,
    skip_first_dim: bool = True,
) -> Tensor:
    bias = default_bias(exponent_width) if exponent_bias is None else exponent_bias
    blocks, steps = Blocks(x, block_size, skip_first_dim), 2.0 ** (width - 1)
    exponent = torch.ceil(torch.log2(blocks.largest()))
    scale = torch.exp2(torch.clamp(exponent, -bias, 2**exponent_width - 1 - bias))
    values = blocks.values
    mantissa = torch.round((values.abs() + TINY) / scale * steps)
    mantissa = torch.clamp(mantissa, 0, steps - 1)
    return keep(x, blocks.back(torch.sign(values + TINY) * scale * (mantissa / steps)))


def block_minifloat(
    x: Tensor,
    width: int = 8,
    exponent_width: int = 4,
    exponent_bias_width: int = 8,
    block_size: list[int] = BLOCK,
    skip_first_dim: bool = True,
) -> Tensor:
    blocks = Blocks(x, block_size, skip_first_dim)
    bias = torch.floor(torch.log2(blocks.largest()))
    bias = torch.clamp(bias, 0, 2**exponent_bias_width - 1)
    return blocks.back(small_float(blocks.values, width, exponent_width, bias))


def block_log(
    x: Tensor,
    width: int = 8,
    exponent_bias_width: int = 8,
    block_size: list[int] = BLOCK,
    skip_first_dim: bool = True,
) -> Tensor:
    blocks = Blocks(x, block_size, skip_first_dim)
    bias = 2 ** (width - 1) - 1 - torch.ceil(torch.log2(blocks.largest()))
    bias = torch.clamp(bias, 0, 2**exponent_bias_width - 1)
    return blocks.back(power_of_two(blocks.values, width, bias, torch.exp2(-bias) * 0.1))


ELEMENTS = {
    "integer": integer,
    "log": log,
    "minifloat_denorm": minifloat_denorm,
    "minifloat_ieee": minifloat_ieee,
}
BLOCKED = {"block_fp": block_fp, "block_minifloat": block_minifloat, "block_log": block_log}
QUANTIZERS: dict[str, Callable[..., Tensor]] = {**ELEMENTS, **BLOCKED}


class StraightThrough(torch.autograd.Function):
    """A quantizer forwards, the identity backwards."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, quantizer: Quantizer) -> Tensor:  # noqa: ANN401
        return quantizer(x)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:  # noqa: ANN401
        return gradient, None


class QuantizedLinear(nn.Linear):
    """nn.Linear with input, weight and bias quantized in every forward pass."""

    def __init__(self, linear: nn.Linear, of_input: Quantizer, of_parameters: Quantizer) -> None:
        super().__init__(linear.in_features, linear.out_features, bias=linear.bias is not None)
        self.weight, self.bias = linear.weight, linear.bias
        self.of_input, self.of_parameters = of_input, of_parameters

    def forward(self, x: Tensor) -> Tensor:
        bias = None if self.bias is None else self.of_parameters(self.bias)
        return functional.linear(self.of_input(x), self.of_parameters(self.weight), bias)


def straight_through(quantizer: Quantizer) -> Quantizer:
    return lambda x: StraightThrough.apply(x, quantizer)


def mase_quantizer(folder: Path, name: str) -> Quantizer:
    """MASE's own function of that name, with the options that QUANTIZERS have by default.

    Its modules are loaded one by one from the checkout: they need PyTorch only, the package around
    them much more.
    """
    package = "mase_quantizers"
    if package not in sys.modules:
        source = folder / "src" / "chop" / "nn" / "quantizers"
        if not source.is_dir():
            raise SystemExit(f"bench/peers: {source} is missing: --mase takes a checkout of MASE")
        module = ModuleType(package)
        module.__path__ = [str(source)]
        sys.modules[package] = module
    file = "minifloat" if name.startswith("minifloat_") else name
    function = getattr(importlib.import_module(f"{package}.{file}"), f"{name}_quantizer")
    parameters = inspect.signature(QUANTIZERS[name]).parameters.values()
    defaults = {p.name: p.default for p in parameters if p.default is not inspect.Parameter.empty}
    return partial(function, **defaults)


def quantize_linears(model: nn.Module, name: str, mase: Path | None = None) -> int:
    """Replaces every nn.Linear by a quantized one with the same parameters; how many there were."""
    quantizer = QUANTIZERS[name] if mase is None else mase_quantizer(mase, name)
    parts = [quantizer, partial(quantizer, skip_first_dim=False) if name in BLOCKED else quantizer]
    # MASE's own gradients are the same, but that of block_minifloat raises an error.
    of_input, of_parameters = map(straight_through, parts)
    count = 0
    for module in list(model.modules()):
        for child_name, child in list(module.named_children()):
            if type(child) is nn.Linear:
                setattr(module, child_name, QuantizedLinear(child, of_input, of_parameters))
                count += 1
    return count


def check(golden: Path, names: list[str], mase: Path | None = None) -> int:
    """Compares with the vectors of MASE; how many cases agree, or an end of the program.

    Every value must be equal, NaN to NaN. The sign of a zero is not compared: MASE's depends on the
    path a tensor takes.
    """
    from safetensors.torch import load_file

    manifest = json.loads((golden / "manifest.json").read_text())
    inputs = load_file(golden / "inputs.safetensors")
    outputs = load_file(golden / "outputs.safetensors")
    quantizers = {n: QUANTIZERS[n] if mase is None else mase_quantizer(mase, n) for n in names}
    cases = [case for case in manifest["cases"] if case["format"] in names]
    wrong = [
        case["id"]
        for case in cases
        if not torch.allclose(
            quantizers[case["format"]](inputs[case["input"]], **case["params"]),
            outputs[case["output"]],
            rtol=0,
            atol=0,
            equal_nan=True,
        )
    ]
    if wrong or not cases:
        raise SystemExit(
            f"bench/peers: {len(wrong)} of {len(cases)} cases of {golden} differ from the peer's "
            f"quantizers: {', '.join(wrong[:5])}"
        )
    return len(cases)
