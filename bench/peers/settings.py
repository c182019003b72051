"""What a training run is asked to do, said once for both programs."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class TrainSetting:
    hidden_dropout: float = 0.1
    attention_dropout: float = 0.1
    compiled: bool = False  # PyTorch only: torch.compile(dynamic=True)
    lr: float = 5e-4
    weight_decay: float = 0.01
    decay_all: bool = False
    schedule: str = "linear"
    clip: float = 1.0

    def hone_flags(self) -> list[str]:
        flags = ["--lr", f"{self.lr:g}", "--schedule", self.schedule, "--warmup", "0"]
        flags += ["--clip", f"{self.clip:g}", "--weight-decay", f"{self.weight_decay:g}"]
        flags += ["--dropout", f"{self.hidden_dropout:g}"]
        if self.attention_dropout != self.hidden_dropout:
            flags += ["--set", f"attention_dropout={self.attention_dropout:g}"]
        if self.decay_all:
            flags += ["--set", "decay_all=true"]
        return flags
