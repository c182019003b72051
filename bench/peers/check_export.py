"""Checks that ONNX Runtime computes what hone does for the files that `hone export` writes.

BERT with random weights, networks of check_networks.py (exported by torch.onnx, imported by hone,
written again) and quantized models. Each file passes onnx.checker with shape inference; its outputs
equal hone's within --tolerance of the largest; where data is rounded within --step-tolerance, since a
number that lies between two of a format may go to either. Prints a line a file and exits with 1 if one is wrong.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from check_networks import NETWORKS, Inputs, export

ROOT = Path(__file__).resolve().parent.parent.parent
Arrays = dict[str, np.ndarray]
# What is quantized of BERT: a name, how, and whether it has a meaning as QuantizeLinear.
FORMATS = {
    "integer 8": (["--format", "integer", "--set", "width=8", "--set", "frac_width=6"], True),
    "integer 6": (["--format", "integer", "--set", "width=6", "--set", "frac_width=4"], True),
    "integer 16": (["--format", "integer", "--set", "width=16", "--set", "frac_width=10"], True),
    "affine 8, calibrated": (["--format", "affine", "--calibrate", "reviews"], True),
    "affine 8, unsigned": (
        ["--format", "affine", "--set", "symmetric=false", "--calibrate", "reviews"],
        True,
    ),
    "affine 4, groups of 32": (
        ["--format", "affine", "--set", "width=4", "--set", "granularity=group"]
        + ["--set", "group_size=32", "--set", "data_in_format=none"],
        True,
    ),
    "affine 8, steps of the data": (["--format", "affine"], False),
    "mxint weights": (["--format", "mxint", "--set", "data_in_format=none"], False),
}


class Check:
    def __init__(self, arguments: argparse.Namespace, folder: Path) -> None:
        self.arguments = arguments
        self.folder = folder
        self.wrong: list[str] = []
        self.equal = 0

    def hone(self, *words: object) -> subprocess.CompletedProcess[str]:
        command = [str(word) for word in (self.arguments.hone, *words)]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    def must(self, *words: object) -> None:
        done = self.hone(*words)
        if done.returncode != 0:
            raise RuntimeError(f"hone {' '.join(map(str, words))}: {done.stderr.strip()}")

    def infer(self, model: object, arrays: Arrays) -> Arrays:
        np.savez(self.folder / "in.npz", **arrays)
        self.must("infer", model, "--in", self.folder / "in.npz", "--out", self.folder / "out.npz")
        with np.load(self.folder / "out.npz") as results:
            return dict(results)

    def say(self, name: str, good: bool, what: str) -> None:
        print(f"{name}: {'equal' if good else 'WRONG'}: {what}", flush=True)
        self.equal += good
        if not good:
            self.wrong.append(name)

    def compare(
        self,
        name: str,
        model: object,
        arrays: Arrays,
        expected: Arrays,
        flags: list[str],
        is_rounded: bool = False,
    ) -> None:
        """Exports a model, checks the file and runs it beside what hone gives."""
        file = self.folder / "exported.onnx"
        done = self.hone("export", model, "-o", file, *flags)
        if done.returncode != 0:
            return self.say(name, False, done.stderr.strip().splitlines()[0][:300])
        try:
            onnx.checker.check_model(str(file), full_check=True)
            options = onnxruntime.SessionOptions()
            options.log_severity_level = 3
            session = onnxruntime.InferenceSession(str(file), options, ["CPUExecutionProvider"])
            names = [output.name for output in session.get_outputs()]
            inputs = {i.name for i in session.get_inputs()}
            got = session.run(names, {k: v for k, v in arrays.items() if k in inputs})
        except Exception as error:
            return self.say(name, False, str(error)[:400])
        limit = self.arguments.step_tolerance if is_rounded else self.arguments.tolerance
        worst = max(
            float(np.abs(a - expected[n]).max() / max(np.abs(expected[n]).max(), 1e-30))
            for n, a in zip(names, got, strict=True)
        )
        types = [node.op_type for node in onnx.load(file, load_external_data=False).graph.node]
        what = f"{worst:.1e} relative, {len(types)} nodes"
        if "--qdq" in flags:
            what += f", {types.count('QuantizeLinear')} QuantizeLinear"
            what += f", {types.count('DequantizeLinear')} DequantizeLinear"
        return self.say(name, worst <= limit, what)


def texts(length: int = 17) -> tuple[Arrays, Arrays]:
    """The same sequences as a padded batch, and packed."""
    random = np.random.default_rng(0)
    ids = random.integers(5, 30000, (3, length))
    lengths = [length, 12, 5]
    mask = (np.arange(length) < np.array(lengths)[:, None]).astype(np.int64)
    types = np.zeros_like(ids)
    types[0, 9:] = 1
    dense = {"input_ids": ids, "attention_mask": mask, "token_type_ids": types}
    kept = mask.astype(bool)
    packed = {
        "ids": ids[kept].astype(np.int32),
        "type_ids": types[kept].astype(np.int32),
        "positions": np.concatenate([np.arange(n) for n in lengths]).astype(np.int32),
        "offsets": np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32),
        "rng": np.zeros(3, np.uint32),
    }
    return dense, packed


def check_bert(check: Check) -> None:
    dense, packed = texts()
    for opset in check.arguments.opsets:
        model: object = "bert-tiny"
        expected = check.infer(model, packed)
        name = f"bert-tiny, operator set {opset}"
        check.compare(name, model, dense, expected, ["--opset", str(opset)])
    for name, (flags, has_qdq) in FORMATS.items():
        model = check.folder / "quantized"
        check.must("quantize", "bert-tiny", *flags, "--overwrite", "--out", model)
        expected = check.infer(model, packed)
        rounds_data = "data_in_format=none" not in flags
        check.compare(f"bert-tiny, {name}", model, dense, expected, [], rounds_data)
        if has_qdq:
            own = f"bert-tiny, {name}, --qdq"
            check.compare(own, model, dense, expected, ["--qdq"], rounds_data)


def check_network(check: Check, name: str, make: Callable[[], object]) -> None:
    torch.manual_seed(1)
    file = check.folder / "torch.onnx"
    made = make()
    export(made, file, dynamo=False)
    inputs: Inputs = made[1]  # type: ignore[index]
    arrays = {key: value.numpy() for key, value in inputs.items()}
    model = check.folder / "imported"
    check.must("import", file, "--overwrite", "--out", model)
    expected = check.infer(model, arrays)
    check.compare(name, model, arrays, expected, [])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hone", type=Path, default=ROOT / "build/release/hone")
    parser.add_argument("--only", default="", help="files whose name has this in it")
    parser.add_argument("--tolerance", type=float, default=1e-5)
    parser.add_argument("--step-tolerance", type=float, default=2e-2)
    parser.add_argument("--opsets", type=int, nargs="*", default=[13, 17, 21, 27])
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        check = Check(arguments, Path(temporary))
        if arguments.only in "bert-tiny":
            check_bert(check)
        for name, make in NETWORKS.items():
            if arguments.only in name:
                try:
                    check_network(check, name, make)
                except Exception as error:
                    check.say(name, False, str(error)[:300])
    print(f"{check.equal} files equal, {len(check.wrong)} wrong: {', '.join(check.wrong)}")
    return 1 if check.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
