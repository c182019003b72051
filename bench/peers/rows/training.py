"""Training speed: samples a second of BERT-tiny on IMDb, batch 8, length 512."""

from __future__ import annotations

from collections.abc import Callable
from statistics import mean

import numpy as np

from batches import grouped_batches, random_batches
from context import Context
from measurement import Comparison, Target, interleave
from settings import TrainSetting
from torch_peer import Trainer, TrainSlice

Batches = Callable[[Context, int], list[list[int]]]


def random_order(context: Context, round_number: int) -> list[list[int]]:
    """The steps of a round: its own random batches."""
    count = context.warm_up + context.steps
    seed = context.seed + round_number
    return random_batches(count, len(context.tokens("train")), seed)


def grouped_order(context: Context, round_number: int) -> list[list[int]]:
    """The steps of a round, samples of similar length together."""
    count = context.warm_up + context.steps
    return grouped_batches(count, context.tokens("train").lengths(), context.seed + round_number)


def full_dropout(context: Context) -> list[Comparison]:
    setting = TrainSetting(hidden_dropout=0.1, attention_dropout=0.1)
    side = Sides(context, random_order)
    side.add_torch("PyTorch", setting)
    peers = {"PyTorch": "PyTorch, SDPA, random order"}
    return side.compare(setting, peers, Target("ratio", 5.0, 6.0))


def hidden_dropout(context: Context) -> list[Comparison]:
    setting = TrainSetting(hidden_dropout=0.1, attention_dropout=0.0)
    side = Sides(context, grouped_order)
    side.add_torch("PyTorch", setting)
    peers = {"PyTorch": "PyTorch, SDPA, grouped by length"}
    return side.compare(setting, peers, Target("ratio", 2.0, 2.4))


def no_dropout(context: Context) -> list[Comparison]:
    setting = TrainSetting(hidden_dropout=0.0, attention_dropout=0.0)
    side = Sides(context, grouped_order)
    side.add_torch("PyTorch eager", setting)
    side.add_torch("PyTorch compiled", TrainSetting(0.0, 0.0, compiled=True))
    peers = {
        "PyTorch eager": "PyTorch, SDPA, grouped by length",
        "PyTorch compiled": "the same, torch.compile(dynamic=True)",
    }
    return side.compare(setting, peers, Target("ratio", 2.0, 2.4))


class Sides:
    """The programs of one row, run over the same batches, and what they said while running."""

    def __init__(self, context: Context, order: Batches) -> None:
        self.context, self.order = context, order
        self.trainers: dict[str, Trainer] = {}
        self.torch_losses: dict[str, list[list[float]]] = {}
        self.hone_losses: list[list[float]] = []
        self.compile_seconds: float | None = None

    def add_torch(self, name: str, setting: TrainSetting) -> None:
        """A PyTorch trainer, run long enough beforehand that nothing is compiled while timed."""
        trainer = Trainer(self.context.initial_model(), setting)
        self.trainers[name] = trainer
        self.torch_losses[name] = []
        if setting.compiled:
            self.compile_seconds = self._compile(trainer)

    def _compile(self, trainer: Trainer) -> float:
        """Seconds of steps in which the compiler sees short, long and unpadded batches."""
        tokens = self.context.tokens("train")
        by_length = np.argsort(tokens.lengths(), kind="stable")
        picks = np.linspace(0, len(by_length) - 8, num=12).astype(int)
        batches = [by_length[p : p + 8].tolist() for p in picks]
        return trainer.run(tokens, batches, 0).seconds

    def run_torch(self, name: str, round_number: int) -> float:
        batches = self.order(self.context, round_number)
        result: TrainSlice = self.trainers[name].run(
            self.context.tokens("train"), batches, self.context.warm_up
        )
        self.torch_losses[name].append(result.losses)
        return result.samples_per_second

    def run_hone(self, setting: TrainSetting, round_number: int) -> float:
        batches = self.order(self.context, round_number)
        result = self.context.train_hone(batches, setting)
        self.hone_losses.append(result.losses)
        return result.samples_per_second

    def compare(
        self, setting: TrainSetting, peers: dict[str, str], target: Target
    ) -> list[Comparison]:
        sides: dict[str, Callable[[int], float] | None] = {
            name: lambda r, name=name: self.run_torch(name, r) for name in peers
        }
        has_hone = self.context.hone is not None
        sides["hone"] = (lambda r: self.run_hone(setting, r)) if has_hone else None
        values = interleave(self.context.rounds, sides)
        what = f"dropout {setting.hidden_dropout:g}, in attention {setting.attention_dropout:g}"
        return [
            Comparison(
                what=f"training, {what}",
                peer=peer,
                unit="samples/s",
                hone_values=values["hone"],
                peer_values=values[name],
                target=target,
                notes=self._notes(name, setting),
            )
            for name, peer in peers.items()
        ]

    def _notes(self, name: str, setting: TrainSetting) -> list[str]:
        context = self.context
        notes = [
            f"{context.steps} steps of 8 reviews a round after {context.warm_up} to warm up, the "
            "same batches and initial weights in both programs; fused AdamW, linear schedule, "
            "clip 1; PyTorch's batches are padded to their longest review, its ids made beforehand"
        ]
        if self.trainers[name].setting.compiled:
            notes.append(f"compiling took {self.compile_seconds:.0f} s and is not counted")
        if self.hone_losses:
            notes.append(self._loss_note(name, setting))
        return notes

    def _loss_note(self, name: str, setting: TrainSetting) -> str:
        ours, theirs = np.asarray(self.hone_losses), np.asarray(self.torch_losses[name])
        if setting.hidden_dropout == 0 and setting.attention_dropout == 0:
            return f"largest difference of a step's loss: {np.abs(ours - theirs).max():.1e}"
        return (
            f"mean loss of all steps: hone {mean(ours.flat):.4f}, PyTorch {mean(theirs.flat):.4f}"
        )
