"""What one comparison measured, and the figures drawn from it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median
from typing import Any, Literal

from hone_program import HoneError


@dataclass
class Target:
    """What is demanded: a ratio to the peer of at least so much, a value of at most so much, or
    at most so many times the peer's time."""

    of: Literal["ratio", "value", "time"] = "ratio"
    required: float | None = None
    aim: float | None = None
    unit: str = "x"

    def show(self, bound: float | None) -> str:
        if bound is None:
            return ""
        if self.of == "time":
            return f"at most {bound:g} {self.unit} the time"
        return f"{'under ' if self.of == 'value' else ''}{bound:g} {self.unit}"


@dataclass
class Comparison:
    """One line of the table: values of hone and of a peer, one a round, in the same order."""

    what: str
    peer: str
    unit: str
    hone_values: list[float]
    peer_values: list[float]
    higher_is_better: bool = True
    target: Target = field(default_factory=Target)
    notes: list[str] = field(default_factory=list)

    def ratios(self) -> list[float]:
        """How many times better hone is, round by round (empty without both sides)."""
        pairs = zip(self.hone_values, self.peer_values, strict=False)
        return [h / p if self.higher_is_better else p / h for h, p in pairs]

    def ratio(self) -> float | None:
        """Ratio of the medians, above 1 where hone is better."""
        if not self.hone_values or not self.peer_values:
            return None
        hone, peer = median(self.hone_values), median(self.peer_values)
        return hone / peer if self.higher_is_better else peer / hone

    def judged(self) -> float | None:
        """The figure the target speaks of."""
        ratio = self.ratio()
        if self.target.of == "time":
            return 1 / ratio if ratio is not None else None
        if self.target.of == "ratio":
            return ratio
        return median(self.hone_values) if self.hone_values else None

    def reaches(self, bound: float | None) -> bool | None:
        figure = self.judged()
        if bound is None or figure is None:
            return None
        return figure >= bound if self.target.of == "ratio" else figure <= bound


@dataclass
class RowResult:
    """Everything one row of the bench measured in one run."""

    name: str
    title: str
    comparisons: list[Comparison]
    commands: list[str] = field(default_factory=list)
    date: str = ""
    machine: dict[str, Any] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    rounds: int = 0
    others_busy: float = 0.0  # share of the measured cores that other processes used, 0..1

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @staticmethod
    def from_json(data: Mapping[str, Any]) -> RowResult:
        comparisons = [
            Comparison(**{**c, "target": Target(**c["target"])}) for c in data["comparisons"]
        ]
        return RowResult(**{**data, "comparisons": comparisons})


def interleave(
    rounds: int,
    sides: Mapping[str, Callable[[int], float] | None],
    refused: dict[str, str] | None = None,
) -> dict[str, list[float]]:
    """Calls every side once a round, in turn: a drifting machine drifts for all of them alike.

    With `refused`, a side in which hone fails is left out from then on, and what hone said is put
    there; without, the failure ends the program.
    """
    values: dict[str, list[float]] = {name: [] for name in sides}
    for round_number in range(rounds):
        for name, measure in sides.items():
            if measure is None or (refused and name in refused):
                continue
            try:
                values[name].append(measure(round_number))
            except HoneError as error:
                if refused is None:
                    raise
                refused[name], values[name] = error.reason, []
                print(f"  {name}: {error}", flush=True)
                continue
            print(f"  round {round_number + 1}/{rounds} {name}: {values[name][-1]:.4g}", flush=True)
    return values


def load_results(path: Path) -> dict[str, RowResult]:
    if not path.exists():
        return {}
    try:
        stored = json.loads(path.read_text())
        return {name: RowResult.from_json(result) for name, result in stored.items()}
    except (ValueError, KeyError, TypeError) as error:
        raise SystemExit(
            f"bench/peers: {path} is not what this version writes ({error}); delete it"
        ) from error


def save_results(path: Path, results: Mapping[str, RowResult]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_suffix(".partial")
    aside.write_text(json.dumps({k: r.to_json() for k, r in results.items()}, indent=1))
    aside.replace(path)
