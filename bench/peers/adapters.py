"""The peer with an adapter of low rank: peft on top of transformers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, PeftModel, get_peft_model

from settings import TrainSetting
from torch_peer import Trainer, load_model

RANK, ALPHA = 8, 16


def make_adapter(base: Path, folder: Path, **options: Any) -> None:  # noqa: ANN401
    """A fresh adapter in peft's layout, for both programs to start from."""
    torch.manual_seed(1)
    options = {"target_modules": ["query", "value"], **options}
    adapter = LoraConfig(r=RANK, lora_alpha=ALPHA, lora_dropout=0.0, **options)
    get_peft_model(load_model(base), adapter).save_pretrained(folder)


class PeftTrainer(Trainer):
    """The trainer of the peer, with an adapter on its model."""

    def __init__(self, base: Path, setting: TrainSetting, adapter: Path) -> None:
        super().__init__(base, setting)
        self.model = PeftModel.from_pretrained(self.model, adapter, is_trainable=True)
        self.initial = {k: v.clone() for k, v in self.model.state_dict().items()}
        self.step_model = self.model
