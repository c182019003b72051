"""What every row of the bench is given: the programs, the data, how long to measure."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from hone_program import Hone
from imdb import Reviews, Tokens, load_tokens, read_reviews


@dataclass
class Context:
    hone: Hone | None  # None: only the peers are measured
    imdb: Path
    tokenizer: Path
    work: Path
    threads: int
    rounds: int
    steps: int  # timed steps of a round
    warm_up: int  # steps before them
    samples: int  # test reviews of the inference row
    hone_peak: float | None  # GFLOP/s hone itself measured, if given
    checkpoint: Path | None  # trained model for the inference and predict rows
    seed: int = 1
    commands: list[str] = field(default_factory=list)  # of the peers, for the report
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
        from settings import TrainSetting
        from torch_peer import Trainer, save_model

        folder = self.work / "trained"
        if not (folder / "model.safetensors").exists():
            print("  training the model of the inference rows (300 steps, PyTorch)", flush=True)
            tokens = self.tokens("train")
            trainer = Trainer(self.initial_model(), TrainSetting(0.0, 0.0))
            trainer.run(tokens, grouped_batches(300, tokens.lengths(), self.seed), 0)
            save_model(trainer.model, folder, self.tokenizer)
        return folder
