#!/usr/bin/env python3
"""Writes tests/numerics/fixtures/mx.safetensors: what OCP MX v1.0 makes of awkward numbers.

Every result is computed twice: by exact fractions from the rules of the specification, and (for the
elements) by ml_dtypes; the script fails where they differ.

    python3 -m venv build/mx && build/mx/bin/pip install ml_dtypes numpy
    build/mx/bin/python scripts/make_mx_vectors.py
"""
import json
import math
import pathlib
import struct
from fractions import Fraction

import ml_dtypes
import numpy as np

# name: exponent bits, fraction bits, largest number, ml_dtypes' type
ELEMENTS = {
    "e4m3": (4, 3, 448, ml_dtypes.float8_e4m3fn),
    "e5m2": (5, 2, 57344, ml_dtypes.float8_e5m2),
    "e3m2": (3, 2, 28, ml_dtypes.float6_e3m2fn),
    "e2m3": (2, 3, Fraction(15, 2), ml_dtypes.float6_e2m3fn),
    "e2m1": (2, 1, 6, ml_dtypes.float4_e2m1fn),
}


def magnitudes(exponent_bits, fraction_bits, largest):
    """The non-negative numbers of an element, in the order of their codes."""
    bias = 2 ** (exponent_bits - 1) - 1
    values = []
    for code in range(2 ** (exponent_bits + fraction_bits)):
        exponent, fraction = divmod(code, 2**fraction_bits)
        part = Fraction(fraction, 2**fraction_bits)
        if exponent == 0:
            value = part * Fraction(2) ** (1 - bias)
        else:
            value = (1 + part) * Fraction(2) ** (exponent - bias)
        if value > largest:
            break
        values.append(value)
    return values


def nearest_code(values, x):
    """The code of the number nearest to |x|, ties to the even code, saturating."""
    x = abs(x)
    if x >= values[-1]:
        return len(values) - 1
    above = next(i for i, value in enumerate(values) if value >= x)
    if values[above] == x:
        return above
    low, high = x - values[above - 1], values[above] - x
    if low == high:
        return above if above % 2 == 0 else above - 1
    return above - 1 if low < high else above


def floor_log2(x):
    """Of a positive fraction."""
    e = x.numerator.bit_length() - x.denominator.bit_length()
    return e if Fraction(2) ** e <= x else e - 1


def element_inputs(values):
    """Every number, every midpoint, their neighbours in float32, and numbers above the largest."""
    points = []
    for low, high in zip(values, values[1:]):
        points += [float(low), float((low + high) / 2)]
    points += [float(values[-1])]
    numbers = set()
    for point in np.array(points, np.float32):
        numbers.update([point, np.nextafter(point, np.float32(0)), np.nextafter(point, np.float32("inf"))])
    # All of them keep a block whose other number is 2^emax at scale 1.
    limit = 2 * 2.0 ** floor_log2(values[-1])
    numbers.add(np.nextafter(np.float32(limit), np.float32(0)))
    numbers.update(np.float32(values[-1] + (Fraction(limit) - values[-1]) * k / 8) for k in range(1, 8))
    ordered = sorted(float(n) for n in numbers if n < limit)
    return np.array(ordered + [-n for n in ordered], np.float32)


def element_vectors(name):
    exponent_bits, fraction_bits, largest, dtype = ELEMENTS[name]
    values = magnitudes(exponent_bits, fraction_bits, largest)
    sign = 1 << (exponent_bits + fraction_bits)
    x = element_inputs(values)
    codes = []
    for number in x:
        code = nearest_code(values, Fraction(float(number)))
        codes.append(code | (sign if math.copysign(1, number) < 0 else 0))
    y = np.array([math.copysign(float(values[c & (sign - 1)]), n) for c, n in zip(codes, x)], np.float32)
    # ml_dtypes does not saturate everywhere, so it gets numbers within the range.
    theirs = np.clip(x, -np.float32(values[-1]), np.float32(values[-1])).astype(dtype)
    assert np.array_equal(theirs.astype(np.float32).view(np.uint32), y.view(np.uint32)), name
    assert np.array_equal(theirs.view(np.uint8), np.array(codes, np.uint8)), name
    return x, y, np.array(codes, np.uint8)


def block_inputs():
    random = np.random.default_rng(4)
    blocks = random.standard_normal((56, 32)) * 10.0 ** random.uniform(-6, 6, (56, 1))
    blocks[3] *= 2.0 ** random.integers(-12, 12, 32)
    blocks[4, 5:] = 0
    blocks[5] = 0
    blocks[6] = np.where(np.arange(32) % 2 == 0, 0.0, -0.0)
    blocks[7] = random.integers(-8, 8, 32)
    blocks[8, 0] = 2.0**10
    blocks[9] = random.standard_normal(32) * 2.0**-127  # subnormal float32
    blocks[10] = random.standard_normal(32) * 2.0**-140
    blocks[11] = random.uniform(-1, 1, 32) * 3.4e38
    blocks[12] = 1 + random.integers(0, 512, 32) / 256
    blocks[13] = np.nextafter(np.float32(2), np.float32(0))
    blocks[14] = 2.0 ** -np.arange(32.0)
    blocks[15] = random.uniform(-1, 1, 32) * 1e-37
    return blocks.astype(np.float32)


def convert_block(x, largest_exponent, code_of):
    """Shared exponent byte and numbers of one block; code_of gives the number for a scaled one."""
    fractions = [Fraction(float(v)) for v in x]
    most = max(abs(f) for f in fractions)
    e = -127 if most == 0 else min(127, max(-127, floor_log2(most) - largest_exponent))
    scale = Fraction(2) ** e
    return e + 127, [math.copysign(float(code_of(f / scale) * scale), v) for f, v in zip(fractions, x)]


def block_vectors(name, x):
    if name == "int8":
        def code_of(v):
            return Fraction(min(127, round(abs(v) * 64)), 64)  # round() takes ties to even
        top = 0
    else:
        exponent_bits, fraction_bits, largest, _ = ELEMENTS[name]
        values = magnitudes(exponent_bits, fraction_bits, largest)
        top = floor_log2(values[-1])

        def code_of(v):
            return values[nearest_code(values, v)]

    converted = [convert_block(block, top, code_of) for block in x]
    y = np.array([numbers for _, numbers in converted], np.float64).astype(np.float32)
    return y, np.array([byte for byte, _ in converted], np.uint8)


def write_safetensors(path, tensors):
    header, data = {}, b""
    for name, array in tensors.items():
        kind = {"float32": "F32", "uint8": "U8"}[array.dtype.name]
        begin = len(data)
        data += array.tobytes()
        header[name] = {"dtype": kind, "shape": list(array.shape), "data_offsets": [begin, len(data)]}
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)


def main():
    tensors = {}
    for name in ELEMENTS:
        for part, array in zip(("x", "y", "codes"), element_vectors(name)):
            tensors[f"{name}.{part}"] = array
    blocks = block_inputs()
    tensors["blocks.x"] = blocks
    for name in [*ELEMENTS, "int8"]:
        y, scales = block_vectors(name, blocks)
        tensors[f"blocks.{name}.y"] = y
        tensors[f"blocks.{name}.scales"] = scales
    path = pathlib.Path(__file__).parent.parent / "tests/numerics/fixtures/mx.safetensors"
    path.parent.mkdir(exist_ok=True)
    write_safetensors(path, tensors)
    print(f"{path}: {len(tensors)} tensors, {path.stat().st_size} bytes")


if __name__ == "__main__":
    main()
