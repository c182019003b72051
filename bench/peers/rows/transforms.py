"""Training what was pruned, and adapters of low rank: beside hone's own float step, and beside
PyTorch as MASE prunes and as peft adapts."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from functools import partial
from math import prod
from pathlib import Path
from statistics import mean

from context import Context
from hone_program import tensor_shapes
from measurement import Comparison, Target, interleave
from rows.training import random_order
from settings import TrainSetting
from torch_peer import Trainer

SETTING = TrainSetting(hidden_dropout=0.1, attention_dropout=0.1)
SPARSITY = 0.5
STATES = (".m", ".v", ".last")  # AdamW's moments, and when a row of a table was last updated
Side = Callable[[int], float]


class Sides:
    """The programs of one row over the same batches, and the losses of their steps."""

    def __init__(self, context: Context) -> None:
        self.context = context
        self.losses: dict[str, list[float]] = {}
        self.state_bytes: dict[str, list[float]] = {}

    def hone(self, name: str, model: Path, *extra: str) -> Side | None:
        """`hone train MODEL` with `extra` words."""
        if self.context.hone is None:
            return None

        def measure(round_number: int) -> float:
            batches = random_order(self.context, round_number)
            result = self.context.train_hone(batches, SETTING, model=model, extra=extra)
            self.losses.setdefault(name, []).extend(result.losses)
            state = self.context.work / "hone-train/last/hone_state.safetensors"
            shapes = tensor_shapes(state).items()
            numbers = sum(prod(shape) for key, shape in shapes if key.endswith(STATES))
            self.state_bytes.setdefault(name, []).append(4 * numbers)
            return result.samples_per_second

        return measure

    def torch(self, name: str, trainer: Trainer) -> Side:
        def measure(round_number: int) -> float:
            context = self.context
            batches = random_order(context, round_number)
            result = trainer.run(context.tokens("train"), batches, context.warm_up)
            self.losses.setdefault(name, []).extend(result.losses)
            self.state_bytes.setdefault(name, []).append(trainer.optimizer_bytes())
            return result.samples_per_second

        return measure

    def conditions(self) -> str:
        return (
            f"{self.context.steps} steps of 8 reviews a round after {self.context.warm_up} to warm "
            "up, dropout 0.1, the same batches and initial weights in all programs"
        )

    def loss_note(self) -> str:
        means = [f"{name} {mean(losses):.4f}" for name, losses in self.losses.items()]
        return "mean loss of all steps: " + ", ".join(means)


def pruned_model(context: Context, *flags: str) -> Path:
    """The initial model, half of the weights of every linear layer masked, by hone."""
    assert context.hone is not None
    folder = context.work / "pruned"
    shutil.rmtree(folder, ignore_errors=True)
    context.hone.run(
        *("prune", context.initial_model(), "--method", "l1", "--sparsity", str(SPARSITY)),
        *("--nodes", "linear", *flags, "--no-measure", "--out", folder),
    )
    return folder


def masks_step(context: Context) -> list[Comparison]:
    """hone against itself: what masks add to a float step."""
    if context.hone is None:
        return []
    sides = Sides(context)
    values = interleave(
        context.rounds,
        {
            "float": sides.hone("float", context.initial_model()),
            "masks": sides.hone("masks", pruned_model(context)),
        },
    )
    return [
        Comparison(
            what="training step, masks on all linear layers (half of the weights)",
            peer="hone, float32 step",
            unit="samples/s",
            hone_values=values["masks"],
            peer_values=values["float"],
            target=Target("time", 1.05, 1.02),
            notes=[sides.conditions(), sides.loss_note()],
        )
    ]


def masks_peer(context: Context) -> list[Comparison]:
    """Weights and activations pruned by MASE's rule: a quantile of each tensor in each call."""
    from pruners import check, prune_linears

    cases = check(context.golden) if context.golden is not None else 0
    sides = Sides(context)
    prune = partial(prune_linears, weights=SPARSITY, activations=SPARSITY)
    model = None
    if context.hone is not None:
        model = pruned_model(context, "--activations", str(SPARSITY), "--rule", "mase")
    values = interleave(
        context.rounds,
        {
            "PyTorch": sides.torch("PyTorch", Trainer(context.initial_model(), SETTING, prune)),
            "hone": sides.hone("hone", model) if model is not None else None,
        },
    )
    agree = f", which gives the masks of {cases} vectors that MASE made" if cases else ""
    return [
        Comparison(
            what="training step, half of the weights and activations of all linear layers pruned "
            "by MASE's rule",
            peer="PyTorch, SDPA, pruned as MASE does",
            unit="samples/s",
            hone_values=values["hone"],
            peer_values=values["PyTorch"],
            target=Target("ratio", 8.0, 12.0),
            notes=[
                f"{sides.conditions()}; PyTorch: weights by torch.nn.utils.parametrize, activations "
                f"by a hook with torch.quantile over the tensor of each call{agree}; padded to the "
                "longest of a batch (its pads are in the quantile), hone without pads",
                sides.loss_note(),
            ],
        )
    ]


def new_adapter(context: Context) -> Path:
    from adapters import make_adapter

    folder = context.work / "adapter"
    shutil.rmtree(folder, ignore_errors=True)
    make_adapter(context.initial_model(), folder)
    return folder


def trained_bytes(adapter: Path) -> int:
    """Two float32 moments of each number of the adapter."""
    return 8 * sum(map(prod, tensor_shapes(adapter / "adapter_model.safetensors").values()))


def adapter_words(adapter: Path) -> tuple[str, str]:
    return "--lora", f"adapter={adapter}"


def lora_step(context: Context) -> list[Comparison]:
    """hone against itself: what is saved where only an adapter is trained."""
    if context.hone is None:
        return []
    sides, adapter, model = Sides(context), new_adapter(context), context.initial_model()
    values = interleave(
        context.rounds,
        {
            "float": sides.hone("float", model),
            "LoRA": sides.hone("LoRA", model, *adapter_words(adapter)),
        },
    )
    megabytes = {name: [b / 1e6 for b in values] for name, values in sides.state_bytes.items()}
    return [
        Comparison(
            what="training step, LoRA of rank 8 on query and value",
            peer="hone, float32 step",
            unit="samples/s",
            hone_values=values["LoRA"],
            peer_values=values["float"],
            target=Target("time", 0.85, 0.7),
            notes=[
                f"{sides.conditions()}; no dropout before the adapter, the classifier frozen",
                sides.loss_note(),
            ],
        ),
        Comparison(
            what="optimizer states, LoRA of rank 8 on query and value",
            peer="hone, all parameters",
            unit="MB",
            hone_values=megabytes["LoRA"],
            peer_values=megabytes["float"],
            higher_is_better=False,
            target=Target("value", trained_bytes(adapter) / 1e6, unit="MB"),
            notes=[
                "optimizer states: what a checkpoint holds of them, MB of 10^6 bytes; demanded are "
                "those of the numbers that are trained alone, two of float32 each"
            ],
        ),
    ]


def lora_peer(context: Context) -> list[Comparison]:
    """peft's adapter, trained by both programs."""
    from adapters import PeftTrainer

    sides, adapter, model = Sides(context), new_adapter(context), context.initial_model()
    values = interleave(
        context.rounds,
        {
            "PyTorch": sides.torch("PyTorch", PeftTrainer(model, SETTING, adapter)),
            "hone": sides.hone("hone", model, *adapter_words(adapter)),
        },
    )
    sizes = [f"{name} {held[0]:,.0f}" for name, held in sides.state_bytes.items()]
    return [
        Comparison(
            what="training step, LoRA of rank 8 on query and value",
            peer="PyTorch, SDPA, peft",
            unit="samples/s",
            hone_values=values["hone"],
            peer_values=values["PyTorch"],
            target=Target("ratio", 5.0, 8.0),
            notes=[
                f"{sides.conditions()}, from the same adapter, which peft made; no dropout before "
                "the adapter, the classifier frozen; PyTorch: random order padded to the longest "
                "of a batch, fused AdamW",
                sides.loss_note(),
                f"bytes of optimizer states: {', '.join(sizes)}",
            ],
        )
    ]
