#!/usr/bin/env python3
"""Writes tests/numerics/fixtures/mase_widths.safetensors: what MASE's formulas give at widths that
its own published vectors do not have.

Written from the formulas alone, in float32 NumPy, one rounding an operation. Needs numpy and
safetensors.
"""

from __future__ import annotations

import pathlib

import numpy as np
from safetensors.numpy import save_file

F = np.float32
TINY = F(1e-9)
PASSED = F(1e-8)


def power(e: np.ndarray) -> np.ndarray:
    """2^e as float32: 0 below the subnormal numbers, infinity above."""
    with np.errstate(over="ignore", under="ignore"):
        return np.ldexp(np.float64(1), np.clip(e, -400, 400).astype(np.int64)).astype(F)


def log2(v: np.ndarray) -> np.ndarray:
    with np.errstate(divide="ignore"):
        return np.log2(v.astype(np.float64)).astype(F)


def clamp(v: np.ndarray, low: float, high: float) -> np.ndarray:
    low, high = F(low), F(high)
    return np.where(v < low, low, np.where(v > high, high, v)).astype(F)


def clamp_exponent(v: np.ndarray, low: int, high: int) -> np.ndarray:
    return np.clip(v.astype(np.float64), low, high).astype(np.int64)


def sign(v: np.ndarray) -> np.ndarray:
    return np.sign(v).astype(F)


def keep(x: np.ndarray, q: np.ndarray) -> np.ndarray:
    c = (np.abs(x) <= PASSED).astype(F)
    return (F(1) - c) * q + c * x


def integer(x: np.ndarray, width: int, frac_width: int, signed: bool = True) -> np.ndarray:
    low = -(2.0 ** (width - 1)) if signed else 0.0
    high = 2.0 ** (width - 1) - 1 if signed else 2.0**width - 1
    scale = F(2.0**frac_width)
    return clamp(np.rint(x * scale), low, high) / scale


def scale_integer(x: np.ndarray, width: int, signed: bool = True) -> np.ndarray:
    most = np.abs(x).max(axis=-1, keepdims=True).astype(F) + TINY
    scale = (F(1) / most) * F(2.0 ** (width - 1 if signed else width))
    low = -(2.0 ** (width - 1)) if signed else 0.0
    high = 2.0 ** (width - 1) - 1 if signed else 2.0**width - 1
    return clamp(np.rint(x * scale), low, high) / scale


def log(x: np.ndarray, width: int, bias: int | None = None) -> np.ndarray:
    bias = 2 ** (width - 2) - 1 if bias is None else bias
    offset = F(0.1 * (2.0**-bias if bias < 1100 else 0.0))
    e = clamp_exponent(np.rint(log2(np.abs(x) + offset)), -bias, 2 ** (width - 1) - 1 - bias)
    return sign(x + offset) * power(e)


def minifloat_ieee(x: np.ndarray, width: int, ew: int, bias: int | None = None) -> np.ndarray:
    bias = 2 ** (ew - 1) - 1 if bias is None else bias
    m = width - ew - 1
    steps, high = F(2.0**m), 2.0**m - 1
    e = clamp_exponent(np.floor(log2(np.abs(x) + TINY)), -bias, 2**ew - 1 - bias)
    t = np.abs(x) / power(e)
    normal = F(1) + clamp(np.rint(t * steps - steps), 0, high) / steps
    small = clamp(np.rint(t * steps / F(2)), 0, high) / steps * F(2)
    return keep(x, sign(x + TINY) * power(e) * np.where(e != -bias, normal, small))


def minifloat_denorm(x: np.ndarray, width: int, ew: int, bias: int | None = None) -> np.ndarray:
    bias = 2 ** (ew - 1) - 1 if bias is None else bias
    m = width - ew - 1
    steps = F(2.0**m)
    e = clamp_exponent(np.ceil(log2(np.abs(x) + TINY)), -bias, 2**ew - 1 - bias)
    k = clamp(np.rint(np.abs(x) / power(e) * steps), 0, 2.0**m - 1)
    return keep(x, sign(x + TINY) * power(e) * (k / steps))


def runs(x: np.ndarray, size: int) -> np.ndarray:
    return x.reshape(-1, size)


def block_fp(x: np.ndarray, width: int, ew: int, block: int = 16) -> np.ndarray:
    bias = 2 ** (ew - 1) - 1
    m = width - 1
    steps = F(2.0**m)
    b = runs(x, block)
    most = np.abs(b).max(axis=1, keepdims=True)
    p = power(clamp_exponent(np.ceil(log2(most)), -bias, 2**ew - 1 - bias))
    k = clamp(np.rint((np.abs(b) + TINY) / p * steps), 0, 2.0**m - 1)
    return keep(b, sign(b + TINY) * p * (k / steps)).reshape(x.shape)


def block_log(x: np.ndarray, width: int, bw: int, block: int = 16) -> np.ndarray:
    b = runs(x, block)
    top = 2 ** (width - 1) - 1
    ceiling = np.ceil(log2(np.abs(b).max(axis=1, keepdims=True))).astype(np.int64)
    bias = np.clip(top - ceiling, 0, 2**bw - 1)
    offset = power(-bias) * F(0.1)
    e = np.clip(np.rint(log2(np.abs(b) + offset)).astype(np.int64), -bias, top - bias)
    return (sign(b + offset) * power(e)).reshape(x.shape)


def mxint(x: np.ndarray, width: int, block: int = 32) -> np.ndarray:
    b = runs(x, block)
    most = np.maximum(np.abs(b).max(axis=1, keepdims=True), F(2.0**-126))
    e = np.ceil(log2(most)).astype(np.int64)
    steps = F(2.0 ** (width - 1))
    k = clamp(np.rint(b / power(e) * steps), -(2.0 ** (width - 1)), 2.0 ** (width - 1) - 1)
    scale = np.clip(e + 127, 0, 255) - 127
    return (k / steps * power(scale)).reshape(x.shape)


def inputs() -> np.ndarray:
    random = np.random.default_rng(13)
    x = random.standard_normal((10, 32)).astype(F)
    x[1] *= np.ldexp(F(1), random.integers(-20, 20, 32)).astype(F)
    x[2] = np.ldexp(F(1), random.integers(-30, 30, 32)).astype(F)  # powers of two
    x[3] = np.nextafter(x[2], F(0))
    x[4] = np.nextafter(x[2], F(1e30))
    x[5] *= F(1e-9)
    x[6] *= F(1e20)
    x[7] *= F(1e-30)
    x[8] = np.rint(x[8] * 8) / 8 + F(0.0625)  # ties
    return x


def main() -> None:
    x = inputs()
    tensors = {"x": x}

    def add(name: str, options: str, y: np.ndarray) -> None:
        assert y.dtype == F, (name, y.dtype)
        tensors[f"{name} {options}"] = np.ascontiguousarray(y)

    for width, frac in ((33, 16), (40, 20), (48, 30), (64, 32), (64, 60)):
        add("integer", f"width={width} frac_width={frac}", integer(x, width, frac))
        unsigned = integer(x, width, frac, False)
        add("integer", f"width={width} frac_width={frac} is_signed=false", unsigned)
    for width in (9, 12, 16, 24, 32):
        add("affine", f"width={width}", scale_integer(x, width))
        add("affine", f"width={width} symmetric=false", scale_integer(x, width, False))
    for width in (9, 10, 16, 17, 20, 24, 31, 32):
        add("log", f"width={width}", log(x, width))
    for width, bias in ((17, 100), (24, 3), (32, 127), (32, 1023), (12, -20)):
        add("log", f"width={width} exponent_bias={bias}", log(x, width, bias))
    for width, ew in ((12, 9), (16, 10), (20, 11), (32, 12), (32, 20), (32, 31), (32, 3), (2, 1)):
        options = f"width={width} exponent_width={ew}"
        add("minifloat_ieee", options, minifloat_ieee(x, width, ew))
        add("minifloat_denorm", options, minifloat_denorm(x, width, ew))
    biased = minifloat_ieee(x, 20, 10, 700)
    add("minifloat_ieee", "width=20 exponent_width=10 exponent_bias=700", biased)
    blocks = "block_size=1,16 skip_first_dim=true"
    for width, ew in ((25, 8), (30, 8), (32, 8), (12, 9), (16, 12), (32, 31)):
        add("block_fp", f"width={width} exponent_width={ew} {blocks}", block_fp(x, width, ew))
    for width, bw in ((10, 12), (17, 18), (24, 24), (32, 32), (32, 8)):
        options = f"width={width} exponent_bias_width={bw} {blocks}"
        add("block_log", options, block_log(x, width, bw))
    for width in (25, 28, 32):
        add("mxint", f"width={width}", mxint(x, width))
    path = pathlib.Path(__file__).parent.parent / "tests/numerics/fixtures/mase_widths.safetensors"
    save_file(tensors, path)
    print(f"{path}: {len(tensors) - 1} tensors, {path.stat().st_size} bytes")


if __name__ == "__main__":
    main()
