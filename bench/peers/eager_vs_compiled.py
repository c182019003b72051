"""Experiment 7 beside its peers: ResNet18, n runs of one batch, compilation included and apart.

    python eager_vs_compiled.py --hone build/release/hone --batch 128 --runs 5 --rounds 2 --threads 2

In turn, each in a process of its own: hone eager and compiled, PyTorch eager and torch.compile, ONNX
Runtime, OpenVINO; all from one .onnx file or the module that it was exported from. Prints a row each:
seconds of making the network ready (compiling it, or what the first run takes longer), median of a
run, and a run's share of everything. ONNX Runtime and OpenVINO read the file in that time.
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
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnxruntime
import openvino as ov
import torch
from resnet import export, randomize, resnet18

SEED = 1


def torch_eager(_: Path, batch: np.ndarray, threads: int) -> Callable[[], object]:
    torch.set_num_threads(threads)
    model = randomize(resnet18(), SEED)
    x = torch.from_numpy(batch)

    def run():
        with torch.inference_mode():
            return model(x)

    return run


def torch_compile(_: Path, batch: np.ndarray, threads: int) -> Callable[[], object]:
    torch.set_num_threads(threads)
    model = torch.compile(randomize(resnet18(), SEED))
    x = torch.from_numpy(batch)

    def run():
        with torch.no_grad():
            return model(x)

    return run


def onnx_runtime(model: Path, batch: np.ndarray, threads: int) -> Callable[[], object]:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
    return lambda: session.run(None, {"x": batch})


def openvino(model: Path, batch: np.ndarray, threads: int) -> Callable[[], object]:
    core = ov.Core()
    network = core.read_model(model)
    network.reshape({"x": list(batch.shape)})
    compiled = core.compile_model(
        network,
        "CPU",
        {
            "INFERENCE_NUM_THREADS": threads,
            "PERFORMANCE_HINT": "LATENCY",
            # float32, as the others compute.
            "INFERENCE_PRECISION_HINT": "f32",
        },
    )
    request = compiled.create_infer_request()
    return lambda: request.infer({"x": batch}, share_inputs=True, share_outputs=True)


PEERS = {
    "PyTorch eager": torch_eager,
    "torch.compile": torch_compile,
    "ONNX Runtime": onnx_runtime,
    "OpenVINO": openvino,
}


def measure_peer(name: str, model: Path, batch: int, runs: int, threads: int) -> dict:
    """What one peer takes, in this process: seconds until it is ready, seconds of each run."""
    x = np.random.default_rng(SEED).standard_normal((batch, 3, 224, 224), np.float32)
    prepare = PEERS[name]
    of_torch = prepare in (torch_eager, torch_compile)
    begin = time.perf_counter()
    run = prepare(model, x, threads)
    ready = time.perf_counter() - begin
    seconds = []
    for _ in range(runs):
        begin = time.perf_counter()
        run()
        seconds.append(time.perf_counter() - begin)
    if of_torch:
        # What it makes of the module, it makes in the first run.
        ready = max(0.0, seconds[0] - statistics.median(seconds[1:]))
        seconds[0] -= ready
    return {"ready": ready, "seconds": seconds}


def measure_hone(program: str, mode: str, model: Path, args: argparse.Namespace, out: Path) -> dict:
    command = [program, "bench", str(model), "--shape", f"x={args.batch},3,224,224"]
    # (The run before those that are counted is one of them: what it takes longer is compile_seconds.)
    command += ["--mode", mode, "--runs", str(args.runs - 1), "--warmup", "1"]
    command += ["--threads", str(args.threads), "--json", str(out)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    report = json.loads(out.read_text())["modes"][mode]
    first = report["seconds"]["median"]
    return {"ready": report["compile_seconds"], "seconds": [first, *report["all_seconds"]]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hone")
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--runs", type=int, default=5, help="at least 2")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--peer", choices=PEERS, help="measures this one alone; prints JSON")
    parser.add_argument("--model", help="an .onnx file of resnet.py to use, made if not there")
    args = parser.parse_args()
    if args.peer:
        row = measure_peer(args.peer, Path(args.model), args.batch, args.runs, args.threads)
        print(json.dumps(row))
        return
    if not args.hone:
        parser.error("name the program by --hone")
    with tempfile.TemporaryDirectory() as folder:
        model = Path(args.model) if args.model else Path(folder) / "resnet18.onnx"
        if not model.exists():
            export(model, SEED)
        rows: dict[str, list[dict]] = {}
        for _ in range(args.rounds):
            for mode in ("eager", "compiled"):
                row = measure_hone(args.hone, mode, model, args, Path(folder) / "bench.json")
                rows.setdefault(f"hone {mode}", []).append(row)
            for peer in PEERS:
                command = [sys.executable, __file__, "--peer", peer, "--model", str(model)]
                command += ["--batch", str(args.batch), "--runs", str(args.runs)]
                command += ["--threads", str(args.threads)]
                environment = dict(os.environ, OMP_NUM_THREADS=str(args.threads))
                done = subprocess.run(
                    command, check=True, stdout=subprocess.PIPE, text=True, env=environment
                )
                rows.setdefault(peer, []).append(json.loads(done.stdout.splitlines()[-1]))
    for name, rounds in rows.items():
        shares = [(r["ready"] + sum(r["seconds"])) / len(r["seconds"]) for r in rounds]
        row = {"who": name, "batch": args.batch, "runs": args.runs, "threads": args.threads}
        row["ready_s"] = round(statistics.median(r["ready"] for r in rounds), 3)
        row["run_s"] = round(statistics.median(s for r in rounds for s in r["seconds"]), 3)
        row["run_with_share_s"] = round(statistics.median(shares), 3)
        print(json.dumps(row), flush=True)


if __name__ == "__main__":
    main()
