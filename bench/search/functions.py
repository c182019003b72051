"""Twelve objectives for comparing samplers: mixed, conditional, noisy, with several objectives.

Each has dimensions, known optima (or a reference point and the best hypervolume known) and a function of the values
that exist. A function with noise adds it apart, so that regret is that of the true value.
"""

import math
from dataclasses import dataclass, field
from functools import cache
from collections.abc import Callable


@dataclass
class Real:
    name: str
    low: float
    high: float
    log: bool = False
    when: dict = field(default_factory=dict)


@dataclass
class Integer:
    name: str
    low: int
    high: int
    step: int = 1
    log: bool = False
    when: dict = field(default_factory=dict)


@dataclass
class Choice:
    name: str
    choices: list
    when: dict = field(default_factory=dict)


@dataclass
class Function:
    name: str
    dimensions: list
    value: Callable[[dict], list]
    best: float = 0.0  # the least value there is; of several objectives 0
    noise: float = 0.0  # standard deviation
    reference: tuple = ()  # of the hypervolume

    @property
    def objectives(self):
        return max(1, len(self.reference))


def hartmann6(x):
    alpha = [1.0, 1.2, 3.0, 3.2]
    a = [[10, 3, 17, 3.5, 1.7, 8], [0.05, 10, 17, 0.1, 8, 14], [3, 3.5, 1.7, 10, 17, 8], [17, 8, 0.05, 10, 0.1, 14]]
    p = [
        [1312, 1696, 5569, 124, 8283, 5886],
        [2329, 4135, 8307, 3736, 1004, 9991],
        [2348, 1451, 3522, 2883, 3047, 6650],
        [4047, 8828, 8732, 5743, 1091, 381],
    ]
    return -sum(
        alpha[i] * math.exp(-sum(a[i][j] * (x[j] - p[i][j] * 1e-4) ** 2 for j in range(6))) for i in range(4)
    )


def reals(prefix, count, low, high):
    return [Real(f"{prefix}{i}", low, high) for i in range(count)]


def vector(values, prefix, count):
    return [values[f"{prefix}{i}"] for i in range(count)]


def rosenbrock(v):
    x = vector(v, "x", 4)
    return [math.log1p(sum(100 * (x[i + 1] - x[i] ** 2) ** 2 + (1 - x[i]) ** 2 for i in range(3)))]


def ackley_mixed(v):
    """Three choices whose order says nothing, two integers, three reals, all coupled by Ackley's exponentials."""
    order = [2, 4, 0, 3, 1]
    z = [(order[v[f"c{i}"]] - 1 - i) * 0.6 for i in range(3)]
    z += [(v[f"n{i}"] - (7, 13)[i]) / 5 for i in range(2)]
    z += [v[f"x{i}"] - (0.3, -0.7, 1.1)[i] for i in range(3)]
    d = len(z)
    square = math.sqrt(sum(a * a for a in z) / d)
    wave = sum(math.cos(2 * math.pi * a) for a in z[3:]) / d + 3 / d
    return [20 + math.e - 20 * math.exp(-0.2 * square) - math.exp(wave)]


def training(v):
    """The error of a trained network as it often looks: a valley in learning rate against batch and depth."""
    optimizer = v["optimizer"]
    best_rate = {"sgd": -1.0, "adam": -3.0, "adamw": -2.8, "lion": -3.9}[optimizer]
    floor = {"sgd": 0.03, "adam": 0.012, "adamw": 0.0, "lion": 0.006}[optimizer]
    rate = math.log10(v["lr"]) - best_rate - 0.5 * (math.log2(v["batch"]) - 5) * 0.30103 + 0.12 * (v["layers"] - 3)
    error = 0.08 * rate**2 if rate < 0 else min(0.5, 0.16 * rate**2 + 0.05 * rate**4)
    capacity = v["layers"] * math.log2(v["width"])
    error += 0.0006 * (capacity - 28 - 20 * v["dropout"]) ** 2
    error += 0.02 * (math.log10(v["decay"]) + 2.5) ** 2 * (0.3 if optimizer == "sgd" else 1)
    error += {"relu": 0.01, "gelu": 0.0, "tanh": 0.02}[v["activation"]]
    return [error + floor]


TRAINING = [
    Real("lr", 1e-6, 1.0, log=True),
    Integer("batch", 4, 256, log=True),
    Choice("optimizer", ["sgd", "adam", "adamw", "lion"]),
    Choice("activation", ["relu", "gelu", "tanh"]),
    Integer("layers", 1, 12),
    Integer("width", 16, 1024, step=16),
    Real("dropout", 0.0, 0.6),
    Real("decay", 1e-6, 1.0, log=True),
]

FORMATS = ["w4f2", "w4f4", "w8f2", "w8f4", "w8f6", "w16f4", "w16f8", "float"]
FORMAT_ERROR = [1.0, 0.8, 0.45, 0.12, 0.2, 0.05, 0.01, 0.0]
FORMAT_BITS = [4, 4, 8, 8, 8, 16, 16, 32]


def format_costs(v, count):
    """Error and bits of a network with a format for each of its layers: sensitivities differ, errors add up."""
    error = sum((0.2 + (i * 7 % 5)) * FORMAT_ERROR[FORMATS.index(v[f"f{i}"])] for i in range(count)) / count
    bits = sum((1 + i % 4) * FORMAT_BITS[FORMATS.index(v[f"f{i}"])] for i in range(count))
    bits /= 32 * sum(1 + i % 4 for i in range(count))
    # Neighbours whose formats differ cost a conversion.
    changes = sum(v[f"f{i}"] != v[f"f{i + 1}"] for i in range(count - 1)) / count
    return error, bits, changes


def formats(v):
    error, bits, changes = format_costs(v, 12)
    return [error + bits + 0.05 * changes]


@cache
def formats_best():
    """By dynamic programming over the chain of layers."""
    cost = {}
    total = 32 * sum(1 + i % 4 for i in range(12))
    for i in range(12):
        own = [
            (0.2 + (i * 7 % 5)) * FORMAT_ERROR[k] / 12 + (1 + i % 4) * FORMAT_BITS[k] / total for k in range(8)
        ]
        cost = {
            k: own[k] + (min(c + 0.05 / 12 * (j != k) for j, c in cost.items()) if cost else 0.0) for k in range(8)
        }
    return min(cost.values())


def tree(v):
    """Three kinds of model, each with parameters of its own, two shared by all."""
    kind = v["model"]
    shared = 0.3 * (v["s0"] - 0.6) ** 2 + 0.3 * (v["s1"] - 0.25) ** 2
    if kind == "svm":
        own = 0.10 + 0.05 * (math.log10(v["c"]) - 1) ** 2 + 0.05 * (math.log10(v["gamma"]) + 2) ** 2
    elif kind == "forest":
        own = 0.06 + 0.02 * (v["depth"] - 9) ** 2 / 9 + 0.1 * (v["features"] - 0.4) ** 2
    else:
        own = 0.09 * (math.log10(v["rate"]) + 2.2) ** 2 + 0.15 * (v["drop"] - 0.15) ** 2
        own += {"a": 0.04, "b": 0.0, "c": 0.08}[v["block"]] + 0.0 * v["s0"]
    return [own + shared]


TREE = [
    Choice("model", ["svm", "forest", "network"]),
    Real("s0", 0, 1),
    Real("s1", 0, 1),
    Real("c", 1e-3, 1e3, log=True, when={"model": ["svm"]}),
    Real("gamma", 1e-5, 10, log=True, when={"model": ["svm"]}),
    Integer("depth", 1, 30, when={"model": ["forest"]}),
    Real("features", 0, 1, when={"model": ["forest"]}),
    Real("rate", 1e-5, 1, log=True, when={"model": ["network"]}),
    Real("drop", 0, 0.7, when={"model": ["network"]}),
    Choice("block", ["a", "b", "c"], when={"model": ["network"]}),
]


def layers(v):
    """A network of one to six layers, each with a width and a dropout where it exists."""
    count = v["count"]
    wanted = [128, 96, 64, 48, 32, 16]
    loss = 0.05 * abs(count - 4)
    for i in range(count):
        loss += 0.03 * (math.log2(v[f"width{i}"]) - math.log2(wanted[i])) ** 2
        loss += 0.4 * (v[f"drop{i}"] - 0.1 * i) ** 2
    return [loss + 0.05 * (math.log10(v["rate"]) + 3) ** 2]


LAYERS = [Integer("count", 1, 6), Real("rate", 1e-5, 1e-1, log=True)]
for layer in range(6):
    counts = list(range(layer + 1, 7))
    LAYERS.append(Integer(f"width{layer}", 8, 256, log=True, when={"count": counts}))
    LAYERS.append(Real(f"drop{layer}", 0, 0.6, when={"count": counts}))


def nested(v):
    """Compression: a method, within it a format, within that its widths."""
    if v["method"] == "none":
        return [0.5 + 0.1 * (math.log10(v["lr"]) + 3) ** 2]
    loss = 0.04 * (math.log10(v["lr"]) + 3.5) ** 2
    if v["method"] == "prune":
        loss += 0.15 + 0.8 * (v["sparsity"] - 0.55) ** 2 + {"local": 0.05, "global": 0.0}[v["scope"]]
        return [loss]
    if v["format"] == "integer":
        loss += 0.1 + 0.004 * (v["width"] - 9) ** 2 + 0.006 * (v["fraction"] - 5) ** 2
    elif v["format"] == "minifloat":
        loss += 0.03 * (v["exponent"] - 4) ** 2 + 0.02 * (v["mantissa"] - 3) ** 2
    else:
        loss += 0.06 + 0.02 * (math.log2(v["block"]) - 5) ** 2 + 0.01 * (v["block_width"] - 6) ** 2
    return [loss + 0.2 * (v["clip"] - 0.95) ** 2 * 10]


NESTED = [
    Choice("method", ["none", "prune", "quantize"]),
    Real("lr", 1e-6, 1e-1, log=True),
    Real("sparsity", 0, 1, when={"method": ["prune"]}),
    Choice("scope", ["local", "global"], when={"method": ["prune"]}),
    Choice("format", ["integer", "minifloat", "block_fp"], when={"method": ["quantize"]}),
    Real("clip", 0.5, 1.0, when={"method": ["quantize"]}),
    Integer("width", 2, 32, when={"format": ["integer"]}),
    Integer("fraction", 0, 16, when={"format": ["integer"]}),
    Integer("exponent", 1, 8, when={"format": ["minifloat"]}),
    Integer("mantissa", 0, 10, when={"format": ["minifloat"]}),
    Integer("block", 2, 256, log=True, when={"format": ["block_fp"]}),
    Integer("block_width", 2, 16, when={"format": ["block_fp"]}),
]


def zdt2(v):
    x = vector(v, "x", 6)
    g = 1 + 9 * sum(x[1:]) / 5
    return [x[0], g * (1 - (x[0] / g) ** 2)]


def size_error(v):
    """Error against bits, with a transform before that exists where it was asked for."""
    error, bits, changes = format_costs(v, 8)
    if v["prune"]:
        error += 0.9 * v["sparsity"] ** 3 + (0.1 if v["criterion"] == "random" else 0.0)
        bits *= 1 - v["sparsity"]
    return [error + 0.02 * changes + 0.03 * (math.log10(v["lr"]) + 3) ** 2, bits]


SIZE_ERROR = [Choice(f"f{i}", FORMATS) for i in range(8)] + [
    Real("lr", 1e-5, 1e-1, log=True),
    Choice("prune", [False, True]),
    Real("sparsity", 0, 0.9, when={"prune": [True]}),
    Choice("criterion", ["random", "magnitude"], when={"prune": [True]}),
]

HARTMANN_BEST = -3.32237
FUNCTIONS = [
    Function("hartmann6", reals("x", 6, 0, 1), lambda v: [hartmann6(vector(v, "x", 6))], HARTMANN_BEST),
    Function("rosenbrock4", reals("x", 4, -2, 2), rosenbrock),
    Function(
        "ackley_mixed",
        [Choice(f"c{i}", list(range(5))) for i in range(3)]
        + [Integer(f"n{i}", 0, 30) for i in range(2)]
        + reals("x", 3, -3, 3),
        ackley_mixed,
    ),
    Function("training", TRAINING, training),
    Function("formats", [Choice(f"f{i}", FORMATS) for i in range(12)], formats, formats_best()),
    Function("tree", TREE, tree),
    Function("layers", LAYERS, layers),
    Function("nested", NESTED, nested),
    Function(
        "hartmann6_noisy", reals("x", 6, 0, 1), lambda v: [hartmann6(vector(v, "x", 6))], HARTMANN_BEST, noise=0.2
    ),
    Function("training_noisy", TRAINING, training, noise=0.02),
    Function("zdt2", reals("x", 6, 0, 1), zdt2, reference=(1.1, 8.0)),
    Function("size_error", SIZE_ERROR, size_error, reference=(2.0, 1.0)),
]
