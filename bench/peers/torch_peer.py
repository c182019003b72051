"""The peer: BERT-tiny of Hugging Face transformers in PyTorch, trained and run as users do it."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import transformers
from transformers import BertConfig, BertForSequenceClassification, get_scheduler

from imdb import Tokens
from settings import TrainSetting

transformers.utils.logging.disable_progress_bar()

TOKENIZER_FILES = (
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "vocab.txt",
)


@dataclass
class TrainSlice:
    """Steps after warm-up: how fast, and what every step (warm-up included) reported."""

    samples_per_second: float
    losses: list[float]
    grad_norms: list[float]
    lengths: np.ndarray  # of the samples of the timed steps
    seconds: float


def save_initial_model(folder: Path, config_file: Path, tokenizer_dir: Path, seed: int) -> Path:
    """A freshly initialised classifier with its tokenizer, for both programs to start from."""
    torch.manual_seed(seed)
    config = BertConfig(**json.loads(config_file.read_text()))
    save_model(BertForSequenceClassification(config).float(), folder, tokenizer_dir)
    return folder


def save_model(model: torch.nn.Module, folder: Path, tokenizer_dir: Path) -> None:
    model.save_pretrained(folder)
    for name in TOKENIZER_FILES:
        if (tokenizer_dir / name).exists():
            shutil.copyfile(tokenizer_dir / name, folder / name)


def load_model(
    folder: Path, hidden_dropout: float = 0.0, attention_dropout: float = 0.0
) -> BertForSequenceClassification:
    return BertForSequenceClassification.from_pretrained(
        folder,
        dtype=torch.float32,
        attn_implementation="sdpa",
        hidden_dropout_prob=hidden_dropout,
        attention_probs_dropout_prob=attention_dropout,
    )


def collate(tokens: Tokens, batch: list[int]) -> dict[str, torch.Tensor]:
    """Pads the samples to the longest of the batch."""
    samples = [tokens.sample(number) for number in batch]
    width = max(map(len, samples))
    ids = np.zeros((len(batch), width), dtype=np.int64)
    mask = np.zeros((len(batch), width), dtype=np.int64)
    for row, sample in enumerate(samples):
        ids[row, : len(sample)] = sample
        mask[row, : len(sample)] = 1
    return {"input_ids": torch.from_numpy(ids), "attention_mask": torch.from_numpy(mask)}


def parameter_groups(model: torch.nn.Module, weight_decay: float, decay_all: bool) -> list[dict]:
    """AdamW's groups: biases and layer norms are not decayed unless asked for."""
    decayed, kept = [], []
    for name, parameter in model.named_parameters():
        spared = not decay_all and (name.endswith("bias") or "LayerNorm" in name)
        (kept if spared else decayed).append(parameter)
    groups = [{"params": decayed, "weight_decay": weight_decay}]
    return groups + ([{"params": kept, "weight_decay": 0.0}] if kept else [])


class Trainer:
    """Trains slices of steps, each from the same initial weights with a fresh optimizer."""

    def __init__(
        self,
        model_dir: Path,
        setting: TrainSetting,
        prepare: Callable[[torch.nn.Module], object] | None = None,
    ) -> None:
        """`prepare` changes the model before anything is trained."""
        self.setting = setting
        self.model = load_model(model_dir, setting.hidden_dropout, setting.attention_dropout)
        if prepare is not None:
            prepare(self.model)
        self.initial = {k: v.clone() for k, v in self.model.state_dict().items()}
        self.step_model = (
            torch.compile(self.model, dynamic=True) if setting.compiled else self.model
        )

    def run(self, tokens: Tokens, batches: list[list[int]], warm_up: int) -> TrainSlice:
        """Trains all batches; the clock starts after `warm_up` of them."""
        self.model.load_state_dict(self.initial)
        self.model.train()
        optimizer = self.optimizer = torch.optim.AdamW(
            parameter_groups(self.model, self.setting.weight_decay, self.setting.decay_all),
            lr=self.setting.lr,
            fused=True,
        )
        schedule = get_scheduler(
            self.setting.schedule, optimizer, num_warmup_steps=0, num_training_steps=len(batches)
        )
        losses, norms, start = [], [], time.perf_counter()
        for number, batch in enumerate(batches):
            if number == warm_up:
                start = time.perf_counter()
            loss, norm = self._step(tokens, batch, optimizer)
            schedule.step()
            losses.append(loss)
            norms.append(norm)
        seconds = time.perf_counter() - start
        timed = [n for batch in batches[warm_up:] for n in batch]
        return TrainSlice(len(timed) / seconds, losses, norms, tokens.lengths()[timed], seconds)

    def optimizer_bytes(self) -> int:
        """What the optimizer of the last run keeps of each number, its counts of steps aside."""
        states = [state.values() for state in self.optimizer.state.values()]
        return sum(t.nbytes for values in states for t in values if t.dim() > 0)

    def _step(
        self, tokens: Tokens, batch: list[int], optimizer: torch.optim.Optimizer
    ) -> tuple[float, float]:
        inputs = collate(tokens, batch)
        labels = torch.from_numpy(tokens.labels[batch])
        loss = self.step_model(**inputs, labels=labels).loss
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.setting.clip)
        optimizer.step()
        optimizer.zero_grad()
        return loss.item(), norm.item()


def classify(
    model: BertForSequenceClassification, tokens: Tokens, batches: Iterable[list[int]]
) -> np.ndarray:
    """Logits of all samples, in the order of the samples."""
    logits = np.zeros((len(tokens), model.config.num_labels), dtype=np.float32)
    model.eval()
    with torch.inference_mode():
        for batch in batches:
            logits[batch] = model(**collate(tokens, batch)).logits.numpy()
    return logits


def export_onnx(model: BertForSequenceClassification, path: Path) -> None:
    """The classifier as ONNX with a free batch size and length."""

    class Logits(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
            return self.model(input_ids=input_ids, attention_mask=attention_mask).logits

    ids = torch.randint(1, 1000, (4, 37))
    mask = torch.ones_like(ids)
    mask[1, 20:] = 0
    free = {0: torch.export.Dim("batch"), 1: torch.export.Dim("length", max=512)}
    torch.onnx.export(
        Logits().eval(),
        (ids, mask),
        path,
        input_names=["input_ids", "attention_mask"],
        output_names=["logits"],
        dynamic_shapes={"input_ids": free, "attention_mask": free},
        dynamo=True,
    )
