"""Trains a ResNet18 on pictures of 3 x 32 x 32 in hone and in PyTorch (channels last), in turn.

    python train_resnet.py --hone build/release/hone --batch 128 --steps 8 --rounds 3 --threads 2

Both start from the same weights and see the same batches: SGD with Nesterov's momentum, no change of
the pictures. Prints the largest difference of the losses, the median of the steps' seconds (the
first --warm-up of each run are left out) and their ratio; exits with 1 where losses differ by more
than --tolerance.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
import torchvision
from safetensors.torch import save_file

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
CLASSES = 10
RATE, MOMENTUM, DECAY = 0.02, 0.9, 5e-4


def make_model(name: str) -> torch.nn.Module:
    torch.manual_seed(1)
    model = torchvision.models.get_model(name, weights=None, num_classes=CLASSES)
    if name.startswith("resnet"):
        model.conv1 = torch.nn.Conv2d(3, 64, 3, 1, 1, bias=False)
        model.maxpool = torch.nn.Identity()
    return model


def write_pictures(folder: Path, count: int) -> tuple[np.ndarray, np.ndarray]:
    """CIFAR-10's files with blurred noise that depends on the class."""
    random = np.random.default_rng(2)
    labels = random.integers(0, CLASSES, count)
    bases = random.integers(0, 256, (CLASSES, 3, 8, 8)).repeat(4, axis=2).repeat(4, axis=3)
    pixels = np.clip(bases[labels] * 0.5 + random.normal(64, 40, (count, 3, 32, 32)), 0, 255)
    pixels = pixels.astype(np.uint8)
    records = np.concatenate([labels[:, None].astype(np.uint8), pixels.reshape(count, -1)], axis=1)
    for i, part in enumerate(np.array_split(records, 5)):
        (folder / f"data_batch_{i + 1}.bin").write_bytes(part.tobytes())
    return pixels, labels


def run_hone(program: Path, folder: Path, arguments: argparse.Namespace, count: int) -> list[dict]:
    order = folder / "order.json"
    order.write_text(json.dumps(list(range(count))))
    out = folder / "run"
    command = [
        program, "train", folder / "model", "--data", f"cifar10:{folder}", "--order", order,
        "--batch", arguments.batch, "--steps", arguments.steps, "--lr", RATE, "--clip", 0,
        "--schedule", "constant", "--out", out, "--overwrite",
        "--set", "optimizer=sgd", "--set", f"momentum={MOMENTUM}", "--set", "nesterov=true",
        "--set", f"weight_decay={DECAY}", "--set", "decay_all=true",
        "--set", f"threads={arguments.threads}",
    ]  # fmt: skip
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise SystemExit(done.stderr)
    events = [json.loads(line) for line in (out / "record.jsonl").read_text().splitlines()]
    if arguments.kernels:
        for event in events:
            if event["event"] == "timing":
                rate = event["flop"] / max(event["seconds"], 1e-9) / 1e9
                print(f"  {event['kernel']:34} {event['seconds']:8.3f} s {rate:7.1f} GFLOP/s")
    return [event for event in events if event["event"] == "step"]


def run_torch(pixels: np.ndarray, labels: np.ndarray, arguments: argparse.Namespace) -> list[dict]:
    model = make_model(arguments.model).to(memory_format=torch.channels_last).train()
    optimizer = torch.optim.SGD(
        model.parameters(), lr=RATE, momentum=MOMENTUM, weight_decay=DECAY, nesterov=True
    )
    mean, std = (torch.tensor(v).view(1, 3, 1, 1) for v in (MEAN, STD))
    steps = []
    for step in range(arguments.steps):
        part = slice(step * arguments.batch, (step + 1) * arguments.batch)
        begin = time.perf_counter()
        x = (torch.from_numpy(pixels[part]).float() / 255 - mean) / std
        x = x.contiguous(memory_format=torch.channels_last)
        loss = torch.nn.functional.cross_entropy(model(x), torch.from_numpy(labels[part]))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        steps.append({"loss": loss.item(), "seconds": time.perf_counter() - begin})
    return steps


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hone", type=Path, default=Path("build/release/hone"))
    parser.add_argument("--model", default="resnet18", help="of torchvision")
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--steps", type=int, default=8)
    parser.add_argument("--warm-up", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--tolerance", type=float, default=2e-3)
    parser.add_argument("--kernels", action="store_true", help="what hone's kernels took")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        count = arguments.batch * arguments.steps
        pixels, labels = write_pictures(folder, count)
        (folder / "model").mkdir()
        save_file(make_model(arguments.model).state_dict(), folder / "model/model.safetensors")
        prepared = {"input_size": [3, 32, 32], "mean": MEAN, "std": STD, "crop_pct": 1.0}
        config = {"architecture": arguments.model, "num_classes": CLASSES, "pretrained_cfg": prepared}
        (folder / "model/config.json").write_text(json.dumps(config))
        ours: list[float] = []
        theirs: list[float] = []
        worst = 0.0
        for _ in range(arguments.rounds):
            hone = run_hone(arguments.hone, folder, arguments, count)
            torch_steps = run_torch(pixels, labels, arguments)
            worst = max(abs(a["loss"] - b["loss"]) for a, b in zip(hone, torch_steps, strict=True))
            ours += [step["seconds"] for step in hone[arguments.warm_up :]]
            theirs += [step["seconds"] for step in torch_steps[arguments.warm_up :]]
    mine, other = statistics.median(ours), statistics.median(theirs)
    print(f"losses of hone    {[round(step['loss'], 4) for step in hone]}")
    print(f"losses of PyTorch {[round(step['loss'], 4) for step in torch_steps]}")
    print(f"largest difference {worst:.1e}")
    print(f"hone {mine * 1e3:.1f} ms, PyTorch {other * 1e3:.1f} ms a step: {other / mine:.2f} x")
    return 0 if worst < arguments.tolerance else 1


if __name__ == "__main__":
    sys.exit(main())
