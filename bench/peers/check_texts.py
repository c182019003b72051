"""Checks encoders of texts that torch.onnx exported and hone took as packed sequences.

Classifiers of transformers with random weights are exported with open batch and length, imported by
`hone import --task text_classification`, and run on a padded and masked batch: equal to PyTorch
within --tolerance, or refused saying why. Exits with 1 if one is wrong.

With --bench NAME (bert-base, bert-tiny) that encoder is timed beside ONNX Runtime in turn: one text
of 128 tokens, and batches of 8 real reviews in the order of the archive, padded and masked.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers

ROOT = Path(__file__).resolve().parent.parent.parent
SIZES = {
    "hidden_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 128,
    "vocab_size": 500,
    "num_labels": 3,
}
KINDS: dict[str, dict[str, Any]] = {
    "Bert": {},
    "Electra": {"embedding_size": 32},
    "DistilBert": {"dim": 64, "n_layers": 2, "n_heads": 4, "hidden_dim": 128},
    "Albert": {"embedding_size": 32},
    "MobileBert": {"embedding_size": 32, "intra_bottleneck_size": 32, "true_hidden_size": 32},
    "Roberta": {"pad_token_id": 1},
    "Camembert": {"pad_token_id": 1},
    "MPNet": {},
    "DebertaV2": {},
    "ConvBert": {"embedding_size": 32, "head_ratio": 2},
}
BENCHED = {
    "bert-tiny": {
        "hidden_size": 128, "num_hidden_layers": 2, "num_attention_heads": 2,
        "intermediate_size": 512,
    },
    "bert-base": {},
}


class Logits(torch.nn.Module):
    def __init__(self, model: torch.nn.Module, names: list[str]) -> None:
        super().__init__()
        self.model = model
        self.names = names

    def forward(self, *inputs: torch.Tensor) -> torch.Tensor:
        return self.model(**dict(zip(self.names, inputs, strict=True))).logits


def padded(lengths: list[int], vocabulary: int) -> dict[str, torch.Tensor]:
    longest = max(lengths)
    ids = torch.randint(5, vocabulary, (len(lengths), longest))
    mask = torch.zeros(len(lengths), longest, dtype=torch.long)
    for row, length in enumerate(lengths):
        mask[row, :length] = 1
    return {"input_ids": ids * mask, "attention_mask": mask}


def export(model: torch.nn.Module, inputs: dict[str, torch.Tensor], file: Path, dynamo: bool) -> None:
    names = list(inputs)
    wrapped = Logits(model.eval(), names).eval()
    arguments = tuple(inputs.values())
    options: dict[str, Any] = {"input_names": names, "output_names": ["logits"], "dynamo": dynamo}
    if dynamo:
        batch, length = torch.export.Dim("batch", min=2), torch.export.Dim("length", min=2, max=512)
        options["dynamic_shapes"] = (({0: batch, 1: length},) * len(names),)
    else:
        options["dynamic_axes"] = {name: {0: "batch", 1: "length"} for name in names}
        options["dynamic_axes"]["logits"] = {0: "batch"}
        options["opset_version"] = 17
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        torch.onnx.export(wrapped, arguments, str(file), **options)


def hone(program: Path, *arguments: object) -> str:
    """What it says on failure; "" where it ran."""
    line = [str(program), *map(str, arguments)]
    done = subprocess.run(line, capture_output=True, text=True, check=False)
    return "" if done.returncode == 0 else done.stderr.strip() or f"ended with {done.returncode}"


def compare(options: argparse.Namespace) -> int:
    wrong = equal = 0
    for kind, sizes in KINDS.items():
        for dynamo in (False, True):
            label = f"{kind}, {'dynamo' if dynamo else 'script'}"
            if options.only.lower() not in label.lower():
                continue
            torch.manual_seed(1)
            with tempfile.TemporaryDirectory() as temporary:
                folder = Path(temporary)
                config = getattr(transformers, kind + "Config")(**{**SIZES, **sizes})
                model = getattr(transformers, kind + "ForSequenceClassification")(config)
                for parameter in model.parameters():
                    if parameter.dim() == 1:  # biases start at zero
                        torch.nn.init.normal_(parameter, 0.5, 0.1)
                inputs = padded([12, 3, 8], 400)
                if "pad_token_id" in sizes:
                    inputs["input_ids"] += (1 - inputs["attention_mask"]) * sizes["pad_token_id"]
                file = (options.keep or folder) / f"{kind}_{dynamo}.onnx"
                try:
                    export(model, inputs, file, dynamo)
                except Exception as error:  # the exporter's own failures are not hone's
                    print(f"{label}: not exported: {str(error).splitlines()[0][:120]}", flush=True)
                    continue
                other = padded([2, 17, 9, 17], 400)
                with torch.no_grad():
                    expected = model(**other).logits.numpy()
                refused = hone(
                    options.hone, "import", file, "--task", "text_classification", "--out",
                    folder / "model",
                )
                if refused:
                    print(f"{label}: refused: {refused.replace(str(file), '...')[:260]}", flush=True)
                    continue
                np.savez(folder / "in.npz", **{name: x.numpy() for name, x in other.items()})
                failed = hone(
                    options.hone, "infer", folder / "model", "--in", folder / "in.npz", "--out",
                    folder / "out.npz",
                )
                worst = float("inf")
                if not failed:
                    got = np.load(folder / "out.npz")["logits"]
                    worst = float(np.abs(got - expected).max() / np.abs(expected).max())
                good = worst <= options.tolerance
                equal += good
                wrong += not good
                said = failed or f"{worst:.1e} relative"
                print(f"{label}: {'equal' if good else 'WRONG'}: {said}", flush=True)
    print(f"{equal} equal, {wrong} wrong")
    return 1 if wrong else 0


def real_batches(options: argparse.Namespace) -> list[dict[str, np.ndarray]]:
    from imdb import read_reviews
    from transformers import AutoTokenizer

    reviews = read_reviews(options.shared / "data/imdb/aclImdb_v1_labeled.tar.gz", "test")
    tokenizer = AutoTokenizer.from_pretrained(options.shared / "data/bert-base-uncased")
    batches = []
    for at in range(0, 8 * options.batches, 8):
        texts = reviews.texts[at : at + 8]
        made = tokenizer(texts, truncation=True, max_length=512, padding=True, return_tensors="np")
        batches.append({name: made[name] for name in ("input_ids", "attention_mask")})
    return batches


def time_hone(options: argparse.Namespace, model: Path, file: Path) -> list[float]:
    failed = hone(
        options.hone, "bench", model, "--in", file, "--mode", "compiled", "--runs", options.runs,
        "--warmup", 2, "--threads", options.threads, "--json", file.with_suffix(".json"),
    )
    if failed:
        raise SystemExit(failed)
    made = json.loads(file.with_suffix(".json").read_text())["modes"]["compiled"]
    return list(made["all_seconds"])


def bench(options: argparse.Namespace) -> int:
    import onnxruntime

    torch.manual_seed(0)
    config = transformers.BertConfig(num_labels=2, **BENCHED[options.bench])
    model = transformers.BertForSequenceClassification(config)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        export(model, padded([7, 5], 400), folder / "m.onnx", False)
        refused = hone(
            options.hone, "import", folder / "m.onnx", "--task", "text_classification", "--out",
            folder / "model",
        )
        if refused:
            raise SystemExit(refused)
        settings = onnxruntime.SessionOptions()
        settings.intra_op_num_threads = options.threads
        session = onnxruntime.InferenceSession(
            str(folder / "m.onnx"), settings, providers=["CPUExecutionProvider"]
        )
        one = {name: x.numpy() for name, x in padded([128], 30000).items()}
        cases = {"one text of 128 tokens": [one], "batches of 8 reviews": real_batches(options)}
        for name, batches in cases.items():
            tokens = sum(int(batch["attention_mask"].sum()) for batch in batches)
            places = sum(batch["attention_mask"].size for batch in batches)
            ratios, ours, theirs = [], [], []
            for _ in range(options.rounds):
                own = other = 0.0
                for number, batch in enumerate(batches):
                    file = folder / f"{number}.npz"
                    np.savez(file, **batch)
                    own += statistics.median(time_hone(options, folder / "model", file))
                    times = []
                    for run in range(options.runs + 2):
                        start = time.perf_counter()
                        expected = session.run(["logits"], batch)[0]
                        if run > 1:
                            times.append(time.perf_counter() - start)
                    other += statistics.median(times)
                    hone(
                        options.hone, "infer", folder / "model", "--in", file, "--out",
                        folder / "out.npz",
                    )
                    got = np.load(folder / "out.npz")["logits"]
                    if np.abs(got - expected).max() > 1e-3 * np.abs(expected).max():
                        raise SystemExit(f"{name}: the two answer differently")
                ours.append(own)
                theirs.append(other)
                ratios.append(other / own)
            print(
                f"{options.bench}, {name} ({tokens} tokens in {places} places): hone "
                f"{statistics.median(ours) * 1e3:.1f} ms, ONNX Runtime "
                f"{statistics.median(theirs) * 1e3:.1f} ms: {statistics.median(ratios):.2f} x "
                f"({min(ratios):.2f} to {max(ratios):.2f})",
                flush=True,
            )
    return 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hone", type=Path, default=ROOT / "build/release/hone")
    parser.add_argument("--only", default="", help="kinds whose name has this in it")
    parser.add_argument("--tolerance", type=float, default=1e-4)
    parser.add_argument("--keep", type=Path, help="folder for the exported files")
    parser.add_argument("--bench", choices=list(BENCHED), help="time this one instead")
    parser.add_argument("--batches", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument(
        "--shared", type=Path, default=Path(os.environ.get("HONE_SHARED", ROOT.parent / "shared"))
    )
    options = parser.parse_args()
    if options.keep:
        options.keep.mkdir(parents=True, exist_ok=True)
    return bench(options) if options.bench else compare(options)


if __name__ == "__main__":
    sys.exit(main())
