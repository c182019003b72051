"""Attention of (B,H,S,D): hone beside its peers in turn, in each type numbers are stored in.

    python attention.py --hone build/release/hone --shape 32,8,128,64 --rounds 6 --threads 2
    python attention.py --hone build/release/hone --shape 1,8,4096,64 --backward

prints medians of single runs and the peers' time over hone's. PyTorch runs scaled_dot_product_attention
(fused), the same written out (naive), and that compiled (--compile); of the forward pass alone, ONNX
Runtime its MultiHeadAttention (float32) and OpenVINO its ScaledDotProductAttention (--runtimes). Each
program is timed alone, hone by `hone bench attention`.
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

import numpy as np
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


def onnx_runtime(shape, threads):
    """MultiHeadAttention, whose inputs have heads behind places: a function that runs it."""
    import onnx
    import onnxruntime
    from onnx import TensorProto, helper

    batch, heads, length, size = shape
    dims = [batch, length, heads * size]
    values = [helper.make_tensor_value_info(n, TensorProto.FLOAT, dims) for n in ("q", "k", "v", "o")]
    node = helper.make_node(
        "MultiHeadAttention", ["q", "k", "v"], ["o"], domain="com.microsoft", num_heads=heads
    )
    graph = helper.make_graph([node], "attention", values[:3], values[3:])
    versions = [helper.make_opsetid("", 20), helper.make_opsetid("com.microsoft", 1)]
    model = helper.make_model(graph, opset_imports=versions, ir_version=9)
    onnx.checker.check_model(model)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    random = np.random.default_rng(1)
    inputs = {name: random.standard_normal(dims, np.float32) for name in ("q", "k", "v")}
    return lambda: session.run(None, inputs)


def open_vino(shape, dtype, threads):
    """ScaledDotProductAttention, computed in the type: a function that runs it."""
    import openvino as ov
    from openvino import opset13

    stored = np.float16 if dtype == "f16" else np.float32  # (numpy has no bfloat16)
    inputs = [opset13.parameter(shape, stored, name) for name in ("q", "k", "v")]
    model = ov.Model([opset13.scaled_dot_product_attention(*inputs)], inputs, "attention")
    options = {
        "INFERENCE_NUM_THREADS": threads,
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_PRECISION_HINT": dtype,
    }
    request = ov.Core().compile_model(model, "CPU", options).create_infer_request()
    random = np.random.default_rng(1)
    arrays = [random.standard_normal(shape, np.float32).astype(stored) for _ in inputs]
    return lambda: request.infer(arrays, share_inputs=True, share_outputs=True)


def timed_runs(run, runs):
    """The median of `runs` runs after two."""
    seconds = []
    for _ in range(runs + 2):
        begin = time.perf_counter()
        run()
        seconds.append(time.perf_counter() - begin)
    return statistics.median(seconds[2:]), 0.0


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
    parser.add_argument("--compile", action="store_true", help="PyTorch's naive form compiled too")
    parser.add_argument("--runtimes", action="store_true", help="ONNX Runtime and OpenVINO too")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    shape = [int(size) for size in args.shape.split(",")]
    with tempfile.TemporaryDirectory() as folder:
        for name in args.dtypes.split(","):
            values: dict[str, list[tuple[float, float]]] = {"hone": []}
            memory, peaks = 0, []
            forms = {"torch_fused": fused}
            if not args.no_naive:
                forms["torch_naive"] = naive
            if args.compile:
                forms["torch_compile"] = torch.compile(naive)
            runtimes = {}
            if args.runtimes and not (args.backward or args.causal):
                runtimes["openvino"] = open_vino(shape, name, args.threads)
                if name == "f32":
                    runtimes["onnxruntime"] = onnx_runtime(shape, args.threads)
            for _ in range(args.rounds):
                forward, backward, memory, peak = hone(args, name, "fused", Path(folder))
                values["hone"].append((forward, backward))
                peaks.append(peak)
                for who, form in forms.items():
                    pair = timed(form, shape, DTYPES[name], args.causal, args.backward, args.runs)
                    values.setdefault(who, []).append(pair)
                for who, run in runtimes.items():
                    values.setdefault(who, []).append(timed_runs(run, args.runs))
            row = {"shape": args.shape, "dtype": name, "threads": args.threads}
            row["causal"] = args.causal
            medians = {}
            for who, pairs in values.items():
                row[f"{who}_forward_ms"] = round(1e3 * statistics.median(p[0] for p in pairs), 3)
                if args.backward:
                    row[f"{who}_backward_ms"] = round(
                        1e3 * statistics.median(p[1] for p in pairs), 3
                    )
                medians[who] = statistics.median(sum(p) for p in pairs)
            for who, median in medians.items():
                if who != "hone":
                    row[f"ratio_to_{who}"] = round(median / medians["hone"], 3)
            row["hone_memory_bytes"] = memory
            row["peak_gflops"] = round(statistics.median(peaks) / 1e9)
            row["torch"] = torch.__version__
            print(json.dumps(row), flush=True)


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "2")
    main()
