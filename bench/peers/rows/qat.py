"""Quantization-aware training: beside hone's own float step, and beside quantizers in PyTorch."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from statistics import mean, median
from subprocess import run

from context import Context
from hone_program import Format
from measurement import Comparison, Target, interleave
from quantizers import check, quantize_linears
from rows.training import random_order
from settings import TrainSetting
from torch_peer import Trainer

SETTING = TrainSetting(hidden_dropout=0.1, attention_dropout=0.1)
INTEGER = Format("integer", ("width=8", "frac_width=4"))
OTHERS = (
    "block_fp",
    "block_minifloat",
    "block_log",
    "minifloat_ieee",
    "log",
    "binary_residual_sign",
)
# The options of each format that the peer's quantizers compute with; both programs' own defaults.
MASE = {
    "minifloat_denorm": ("width=8", "exponent_width=4"),
    "minifloat_ieee": ("width=8", "exponent_width=4"),
    "block_fp": ("width=8", "exponent_width=8", "block_size=1,16"),
    "block_minifloat": ("width=8", "exponent_width=4", "exponent_bias_width=8", "block_size=1,16"),
    "block_log": ("width=8", "exponent_bias_width=8", "block_size=1,16"),
    "log": ("width=8",),
}


class Sides:
    """The programs of one row over the same batches from the same trained model."""

    def __init__(self, context: Context, mase: Path | None = None) -> None:
        """`mase`: a checkout, whose quantizers are the peer's instead of those written here."""
        self.context, self.model, self.mase = context, context.trained_model(), mase
        self.trainers: dict[str, Trainer] = {}
        self.losses: dict[str, list[float]] = {}
        self.refused: dict[str, str] = {}

    def run_hone(self, name: str, number_format: Format | None, round_number: int) -> float:
        result = self.context.train_hone(
            random_order(self.context, round_number),
            SETTING,
            model=self.model,
            number_format=number_format,
        )
        self.losses.setdefault(name, []).extend(result.losses)
        return result.samples_per_second

    def run_torch(self, name: str, quantizer: str | None, round_number: int) -> float:
        """A model of its own for every quantizer, made when it first runs."""
        if name not in self.trainers:
            prepare = partial(quantize_linears, name=quantizer, mase=self.mase)
            self.trainers[name] = Trainer(self.model, SETTING, prepare if quantizer else None)
        context = self.context
        result = self.trainers[name].run(
            context.tokens("train"), random_order(context, round_number), context.warm_up
        )
        self.losses.setdefault(name, []).extend(result.losses)
        return result.samples_per_second

    def measure(
        self, torch: dict[str, str | None], hone: dict[str, Format | None]
    ) -> dict[str, list[float]]:
        sides = {name: partial(self.run_torch, name, what) for name, what in torch.items()}
        for name, what in hone.items():
            has_hone = self.context.hone is not None
            sides[name] = partial(self.run_hone, name, what) if has_hone else None
        return interleave(self.context.rounds, sides, self.refused)

    def conditions(self) -> str:
        return (
            f"{self.context.steps} steps of 8 reviews a round after {self.context.warm_up} to warm "
            "up, dropout 0.1, the same batches and trained model to start from in all programs; "
            "input, weight and bias of all linear layers rounded in every step"
        )

    def loss_note(self, names: dict[str, str]) -> str:
        """Mean loss of all steps, for each name under which it is shown."""
        means = [
            f"{shown} {mean(self.losses[name]):.4f}"
            for name, shown in names.items()
            if self.losses.get(name)
        ]
        return "mean loss of all steps: " + ", ".join(means)

    def refusals(self) -> list[str]:
        return [f"hone refused {name}: {reason}" for name, reason in self.refused.items()]


def step(context: Context) -> list[Comparison]:
    """hone against itself: what rounding adds to a float step."""
    if context.hone is None:
        return []
    side = Sides(context)
    formats = {"integer": INTEGER, **{name: Format(name) for name in OTHERS}}
    values = side.measure({}, {"float": None, **formats})
    notes = [
        f"{side.conditions()}; hone's own defaults where no width is named",
        side.loss_note({name: name for name in values}),
        *side.refusals(),
    ]
    return [
        Comparison(
            what="training step, "
            + (f"{name}, width 8, fraction 4" if name == "integer" else name),
            peer="hone, float32 step",
            unit="samples/s",
            hone_values=values[name],
            peer_values=values["float"],
            target=Target("time", 1.3 if name == "integer" else 1.6, 1.1),
            notes=notes if name == "integer" else [],
        )
        for name in formats
    ]


def usual(context: Context) -> list[Comparison]:
    """Round, clamp and divide in an autograd function: how it is usually written in PyTorch."""
    side = Sides(context)
    values = side.measure({"PyTorch": "integer"}, {"hone": INTEGER})
    return [
        Comparison(
            what="quantization-aware training, integer, width 8, fraction 4",
            peer="PyTorch, SDPA, fake quantization by an autograd function",
            unit="samples/s",
            hone_values=values["hone"],
            peer_values=values["PyTorch"],
            target=Target("ratio", 4.5, 6.0),
            notes=[
                f"{side.conditions()}; PyTorch: random order padded to the longest of a batch, "
                "fused AdamW, straight-through gradient",
                side.loss_note({"hone": "hone", "PyTorch": "PyTorch"}),
                *side.refusals(),
            ],
        )
    ]


def mase(context: Context) -> list[Comparison]:
    """MASE's quantizers; hone once by the format's own mathematics, once with MASE's rule."""
    cases = check(context.golden, list(MASE), context.mase) if context.golden is not None else 0
    peer_note = (
        "the peer is PyTorch with MASE's own quantizers (https://github.com/DeepWok/mase, commit "
        f"{git_commit(context.mase)})"
        if context.mase is not None
        else "the peer is written in PyTorch from MASE's formulas"
    )
    if cases:
        peer_note += f", which give the values of {cases:,} vectors that MASE made"
    comparisons = []
    for name, options in MASE.items():
        print(f"  {name}", flush=True)
        side = Sides(context, context.mase)
        values = side.measure(
            {"PyTorch": name},
            {"hone": Format(name, options), "rule mase": Format(name, (*options, "rule=mase"))},
        )
        notes = [
            f"{side.conditions()}; {peer_note}, with blocks of 1 x 16 and its straight-through "
            "gradient; hone rounds by its rule exact",
            f"{name}: {rule_note(values)}"
            + side.loss_note({"hone": "hone", "rule mase": "hone, rule mase", "PyTorch": "peer"}),
            *(f"{name}: {text}" for text in side.refusals()),
        ]
        comparisons.append(
            Comparison(
                what=f"quantization-aware training, {name}, 8 bits",
                peer=f"PyTorch, SDPA, MASE's {name}",
                unit="samples/s",
                hone_values=values["hone"],
                peer_values=values["PyTorch"],
                target=Target("ratio", 8.0, 12.0),
                notes=notes,
            )
        )
    return comparisons


def git_commit(folder: Path) -> str:
    command = ["git", "-C", str(folder), "rev-parse", "--short=10", "HEAD"]
    return run(command, check=True, capture_output=True, text=True).stdout.strip()


def rule_note(values: dict[str, list[float]]) -> str:
    """The same figure with the peer's arithmetic in hone."""
    if not values["rule mase"]:
        return ""
    rate = median(values["rule mase"])
    times = rate / median(values["PyTorch"])
    return f"with rule mase, the peer's arithmetic, hone reaches {rate:.0f} samples/s, {times:.3g} x; "
