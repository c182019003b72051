"""Attention of (B,H,S,D): hone beside PyTorch in turn, in each type numbers are stored in.

    python attention.py --hone build/release/hone --shape 32,8,128,64 --rounds 6 --threads 2
    python attention.py --hone build/release/hone --shape 1,8,4096,64 --backward

prints medians of single runs and PyTorch's time over hone's. PyTorch runs scaled_dot_product_attention
(fused) and the same written out (naive); each program is timed alone, hone by `hone bench attention`.
"""

import argparse
import json
import math
import os
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

import torch
from torch.nn import functional

DTYPES = {"f32": torch.float32, "f16": torch.float16, "bf16": torch.bfloat16}


def fused(q, k, v, causal):
    return functional.scaled_dot_product_attention(q, k, v, is_causal=causal)


def naive(q, k, v, causal):
    scores = q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1])
    if causal:
        hidden = torch.ones(scores.shape[-2:], dtype=torch.bool).triu(1)
        scores = scores.masked_fill(hidden, -math.inf)
    return torch.softmax(scores, -1) @ v


def timed(form, shape, dtype, causal, backward, runs):
    """Medians of the forward and the backward pass, seconds."""
    generator = torch.Generator().manual_seed(1)
    q, k, v, grad = (torch.randn(shape, generator=generator).to(dtype) for _ in range(4))
    for x in (q, k, v):
        x.requires_grad_(backward)
    forwards, backwards = [], []
    for run in range(runs + 2):
        with torch.set_grad_enabled(backward):
            begin = time.perf_counter()
            y = form(q, k, v, causal)
            end = time.perf_counter()
        if run >= 2:
            forwards.append(end - begin)
        if backward:
            begin = time.perf_counter()
            torch.autograd.grad(y, (q, k, v), grad)
            if run >= 2:
                backwards.append(time.perf_counter() - begin)
    return statistics.median(forwards), statistics.median(backwards) if backward else 0.0


def hone(args, dtype, mode, folder):
    out = folder / "bench.json"
    command = [args.hone, "bench", "attention", "--shape", args.shape, "--dtype", dtype]
    command += ["--mode", mode, "--runs", str(args.runs), "--warmup", "2"]
    command += ["--threads", str(args.threads), "--json", str(out)]
    command += ["--backward"] * args.backward + ["--causal"] * args.causal
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    report = json.loads(out.read_text())
    times = report["modes"][mode]
    memory = max(part["arena_bytes"] for part in times.values())
    back = times["backward"]["seconds"]["median"] if args.backward else 0.0
    return times["forward"]["seconds"]["median"], back, memory, report["peak_flops"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hone", required=True)
    parser.add_argument("--shape", default="32,8,128,64", help="B,H,S,D")
    parser.add_argument("--dtypes", default="f32,f16,bf16")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--runs", type=int, default=10, help="of each program in a round")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--backward", action="store_true", help="the gradients too")
    parser.add_argument("--causal", action="store_true")
    parser.add_argument("--no-naive", action="store_true", help="leave PyTorch's naive form out")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    shape = [int(size) for size in args.shape.split(",")]
    with tempfile.TemporaryDirectory() as folder:
        for name in args.dtypes.split(","):
            values: dict[str, list[tuple[float, float]]] = {"hone": [], "fused": [], "naive": []}
            memory, peaks = 0, []
            for _ in range(args.rounds):
                forward, backward, memory, peak = hone(args, name, "fused", Path(folder))
                values["hone"].append((forward, backward))
                peaks.append(peak)
                for form in (fused,) if args.no_naive else (fused, naive):
                    values[form.__name__].append(
                        timed(form, shape, DTYPES[name], args.causal, args.backward, args.runs)
                    )
            row = {"shape": args.shape, "dtype": name, "threads": args.threads}
            row["causal"] = args.causal
            medians = {}
            for who, pairs in values.items():
                if not pairs:
                    continue
                label = who if who == "hone" else f"torch_{who}"
                row[f"{label}_forward_ms"] = round(1e3 * statistics.median(p[0] for p in pairs), 3)
                if args.backward:
                    row[f"{label}_backward_ms"] = round(
                        1e3 * statistics.median(p[1] for p in pairs), 3
                    )
                medians[who] = statistics.median(sum(p) for p in pairs)
            row["ratio_to_fused"] = round(medians["fused"] / medians["hone"], 3)
            if "naive" in medians:
                row["ratio_to_naive"] = round(medians["naive"] / medians["hone"], 3)
            row["hone_memory_bytes"] = memory
            row["peak_gflops"] = round(statistics.median(peaks) / 1e9)
            row["torch"] = torch.__version__
            print(json.dumps(row), flush=True)


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "2")
    main()
