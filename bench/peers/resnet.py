"""ResNet18 as .onnx with random weights and batch-norm statistics: hone and ONNX Runtime in turn.

    python resnet.py --hone build/release/hone --batch 32 --rounds 6 --threads 2

prints the largest difference of the logits (relative to the largest logit), medians of single runs
and their ratio, and the largest memory of each program: all of hone's process, and of one that runs
ONNX Runtime what comes on top of Python with both libraries loaded. Both read the same file; hone
runs compiled.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import onnxruntime
import torch
from torch import nn


class Block(nn.Module):
    """Two 3 x 3 convolutions beside a short cut (He et al. 2015, figure 2)."""

    def __init__(self, channels: int, filters: int, stride: int):
        super().__init__()
        self.conv1 = nn.Conv2d(channels, filters, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(filters)
        self.conv2 = nn.Conv2d(filters, filters, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(filters)
        self.relu = nn.ReLU()
        self.short = None
        if stride != 1 or channels != filters:
            self.short = nn.Sequential(
                nn.Conv2d(channels, filters, 1, stride, bias=False), nn.BatchNorm2d(filters)
            )

    def forward(self, x):
        y = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
        return self.relu(y + (x if self.short is None else self.short(x)))


def resnet18(classes: int = 1000) -> nn.Module:
    layers = [
        nn.Conv2d(3, 64, 7, 2, 3, bias=False),
        nn.BatchNorm2d(64),
        nn.ReLU(),
        nn.MaxPool2d(3, 2, 1),
    ]
    channels = 64
    for filters, stride in ((64, 1), (128, 2), (256, 2), (512, 2)):
        layers += [Block(channels, filters, stride), Block(filters, filters, 1)]
        channels = filters
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(512, classes))


def randomize(model: nn.Module, seed: int) -> nn.Module:
    """He's initial weights, and batch-norm statistics as a trained network might have them."""
    generator = torch.Generator().manual_seed(seed)
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            fan_in = module.weight[0].numel()
            nn.init.normal_(module.weight, std=(2 / fan_in) ** 0.5, generator=generator)
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.0, generator=generator)
            nn.init.normal_(module.bias, std=0.1, generator=generator)
            nn.init.normal_(module.running_mean, std=0.2, generator=generator)
            nn.init.uniform_(module.running_var, 0.6, 1.4, generator=generator)
    return model.eval()


def export(path: Path, seed: int) -> None:
    torch.onnx.export(
        randomize(resnet18(), seed),
        (torch.zeros(1, 3, 224, 224),),
        path,
        input_names=["x"],
        output_names=["logits"],
        dynamic_axes={"x": {0: "N"}, "logits": {0: "N"}},
        dynamo=False,
        # (As it is trained: folding is the work of who runs it.)
        do_constant_folding=False,
        training=torch.onnx.TrainingMode.PRESERVE,
    )


# Bytes before the model is read, and the most.
PEAK = """
import re, sys
import numpy, onnxruntime
# (ru_maxrss would be at least that of the process that started this one.)
peak = lambda: int(re.search(r"VmHWM:\\s*(\\d+)", open("/proc/self/status").read())[1]) * 1024
before = peak()
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = int(sys.argv[3])
session = onnxruntime.InferenceSession(sys.argv[1], options, providers=["CPUExecutionProvider"])
x = numpy.zeros((int(sys.argv[2]), 3, 224, 224), numpy.float32) + 1
for _ in range(3):
    session.run(None, {"x": x})
print(before, peak())
"""


def onnxruntime_peak(model: Path, batch: int, threads: int) -> int:
    command = [sys.executable, "-c", PEAK, str(model), str(batch), str(threads)]
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    before, peak = (int(number) for number in printed.split())
    return peak - before


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hone", required=True)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--runs", type=int, default=3, help="of each program in a round")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--model", help="an .onnx file to use, made if it is not there")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        model = Path(args.model) if args.model else folder / "resnet18.onnx"
        if not model.exists():
            export(model, args.seed)
        x = np.random.default_rng(args.seed).standard_normal((args.batch, 3, 224, 224), np.float32)
        np.savez(folder / "x.npz", x=x)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = args.threads
        begin = time.perf_counter()
        session = onnxruntime.InferenceSession(
            str(model), options, providers=["CPUExecutionProvider"]
        )
        load = time.perf_counter() - begin
        expected = session.run(None, {"x": x})[0]
        infer = [args.hone, "infer", str(model), "--in", str(folder / "x.npz")]
        infer += ["--out", str(folder / "y.npz"), "--threads", str(args.threads)]
        subprocess.run(infer, check=True, stdout=subprocess.DEVNULL)
        logits = np.load(folder / "y.npz")["logits"]
        difference = float(np.abs(logits - expected).max() / np.abs(expected).max())
        ours, theirs, compiles = [], [], []
        report = {}
        for _ in range(args.rounds):
            bench = [args.hone, "bench", str(model), "--shape", f"x={args.batch},3,224,224"]
            bench += ["--mode", "compiled", "--runs", str(args.runs), "--warmup", "1"]
            bench += ["--threads", str(args.threads), "--json", str(folder / "bench.json")]
            subprocess.run(bench, check=True, stdout=subprocess.DEVNULL)
            report = json.loads((folder / "bench.json").read_text())
            ours.append(report["modes"]["compiled"]["seconds"]["median"])
            compiles.append(report["modes"]["compiled"]["compile_seconds"])
            session.run(None, {"x": x})
            for _ in range(args.runs):
                begin = time.perf_counter()
                session.run(None, {"x": x})
                theirs.append(time.perf_counter() - begin)
        memory = onnxruntime_peak(model, args.batch, args.threads)
    ours, theirs = statistics.median(ours), statistics.median(theirs)
    print(
        json.dumps(
            {
                "batch": args.batch,
                "threads": args.threads,
                "relative_difference": difference,
                "hone_ms": round(1e3 * ours, 1),
                "onnxruntime_ms": round(1e3 * theirs, 1),
                "ratio": round(theirs / ours, 3),
                "hone_compile_seconds": round(statistics.median(compiles), 3),
                "onnxruntime_load_seconds": round(load, 3),
                "hone_peak_bytes": report["peak_bytes"],
                "onnxruntime_peak_bytes": memory,
                "memory_ratio": round(report["peak_bytes"] / memory, 3),
            }
        )
    )
    if not difference < 1e-4:
        raise SystemExit(f"the logits differ by {difference:.2e}")


if __name__ == "__main__":
    main()
