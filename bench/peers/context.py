"""What every row of the bench is given: the programs, the data, how long to measure."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from hone_program import Format, Hone, HoneError, HoneSlice
from imdb import Reviews, Tokens, load_tokens, read_reviews, write_folder
from settings import TrainSetting


@dataclass
class Context:
    hone: Hone | None  # None: only the peers are measured
    imdb: Path
    tokenizer: Path
    work: Path
    threads: int = 2
    rounds: int = 5
    steps: int = 100  # timed steps of a round
    warm_up: int = 15  # steps before them
    samples: int = 25_000  # test reviews of the inference row
    hone_peak: float | None = None  # GFLOP/s hone itself measured, if given
    checkpoint: Path | None = None  # trained model for the rows that need one
    golden: Path | None = None  # vectors of MASE's quantizers
    mase: Path | None = None  # a checkout of MASE
    seed: int = 1
    _tokens: dict[str, Tokens] = field(default_factory=dict)
    _reviews: dict[str, Reviews] = field(default_factory=dict)

    def tokens(self, split: str) -> Tokens:
        if split not in self._tokens:
            self._tokens[split] = load_tokens(self.imdb, split, self.tokenizer, self.work)
        return self._tokens[split]

    def reviews(self, split: str) -> Reviews:
        if split not in self._reviews:
            self._reviews[split] = read_reviews(self.imdb, split)
        return self._reviews[split]

    def train_hone(
        self,
        batches: list[list[int]],
        setting: TrainSetting,
        threads: int | None = None,
        model: Path | None = None,
        number_format: Format | None = None,
        extra: tuple[str, ...] = (),
    ) -> HoneSlice:
        """`hone train`, or quantization-aware training, from the common initial model or another;
        the tokens it counts must be the peer's."""
        assert self.hone is not None
        model = model or self.initial_model()
        result = self.hone.train(
            model, batches, setting, self.warm_up, threads, number_format, extra
        )
        lengths = self.tokens("train").lengths()
        expected = [int(lengths[batch].sum()) for batch in batches]
        if result.tokens != expected:
            step = next(i for i, n in enumerate(expected) if result.tokens[i] != n)
            raise HoneError(
                f"step {step} of hone's trace has {result.tokens[step]} tokens, the peer's batch "
                f"{expected[step]}: not the same work (see the order of the samples)"
            )
        return result

    def test_folder(self, numbers: np.ndarray) -> Path:
        """What hone reads: the whole archive, or a folder with the chosen test reviews."""
        if len(numbers) == len(self.tokens("test")):
            return self.imdb
        folder = self.work / f"imdb-{len(numbers)}"
        if not folder.exists():
            aside = folder.with_suffix(".partial")
            write_folder(aside, "test", self.reviews("test"), numbers)
            aside.rename(folder)
        return folder

    def initial_model(self) -> Path:
        """The untrained BERT-tiny both programs start from."""
        from torch_peer import save_initial_model

        folder = self.work / "initial"
        if not (folder / "model.safetensors").exists():
            save_initial_model(folder, self.tokenizer / "config.json", self.tokenizer, self.seed)
        return folder

    def trained_model(self) -> Path:
        """The given checkpoint, or BERT-tiny after a few hundred steps in PyTorch."""
        if self.checkpoint is not None:
            return self.checkpoint
        from batches import grouped_batches
        from torch_peer import Trainer, save_model

        folder = self.work / "trained"
        if not (folder / "model.safetensors").exists():
            print("  training the model of the trained rows (300 steps, PyTorch)", flush=True)
            tokens = self.tokens("train")
            trainer = Trainer(self.initial_model(), TrainSetting(0.0, 0.0))
            trainer.run(tokens, grouped_batches(300, tokens.lengths(), self.seed), 0)
            save_model(trainer.model, folder, self.tokenizer)
        return folder
