"""Checks that hone computes what PyTorch does for networks that torch.onnx exports.

Networks of torchvision, timm and transformers, small where their configuration allows, with random
weights (and random statistics of batch norm); each is exported, run by `hone infer` and compared:
equal within --tolerance of the largest output, or refused by name. Prints a line a network and
exits with 1 if one is wrong, or if fewer than --least are equal.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

ROOT = Path(__file__).resolve().parent.parent.parent
Inputs = dict[str, torch.Tensor]
Made = tuple[torch.nn.Module, Inputs]
TEXT = {
    "hidden_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 128,
    "vocab_size": 500,
}


class Outputs(torch.nn.Module):
    """A model whose outputs are tensors alone, its inputs named."""

    def __init__(self, model: torch.nn.Module, names: list[str]) -> None:
        super().__init__()
        self.model = model
        self.names = names

    def forward(self, *inputs: torch.Tensor) -> torch.Tensor:
        result = self.model(**dict(zip(self.names, inputs, strict=True)))
        if isinstance(result, torch.Tensor):
            return result
        return result[0]


def with_statistics(model: torch.nn.Module) -> torch.nn.Module:
    for module in model.modules():
        if isinstance(module, torch.nn.modules.batchnorm._BatchNorm):
            module.running_mean.normal_(0, 0.2)
            module.running_var.uniform_(0.5, 1.5)
    for parameter in model.parameters():
        if parameter.dim() > 1 and not parameter.any():  # heads that start at zero
            torch.nn.init.normal_(parameter, 0, 0.02)
    return model


def image(size: int = 64) -> Inputs:
    return {"x": torch.randn(2, 3, size, size)}


def of_torchvision(name: str, size: int = 64) -> Made:
    import torchvision

    return torchvision.models.get_model(name, weights=None, num_classes=10), image(size)


def of_timm(name: str, size: int = 64, **options: object) -> Made:
    import timm

    return timm.create_model(name, pretrained=False, num_classes=10, **options), image(size)


def text(kind: str, length: int = 12, task: str = "", names: tuple[str, ...] = (), **config: object) -> Made:
    import transformers

    made = getattr(transformers, kind + "Config")(**{**TEXT, **config})
    model = getattr(transformers, kind + task)(made)
    ids = torch.randint(5, 400, (2, length))
    mask = torch.ones(2, length, dtype=torch.long)
    mask[1, length - 4 :] = 0
    all_inputs = {"input_ids": ids, "attention_mask": mask}
    return model, {name: all_inputs[name] for name in names or all_inputs}


def picture(kind: str, size: int = 64, **config: object) -> Made:
    import transformers

    made = getattr(transformers, kind + "Config")(num_labels=10, **config)
    model = getattr(transformers, kind + "ForImageClassification")(made)
    return model, {"pixel_values": torch.randn(2, 3, size, size)}


SMALL_PICTURE = {k: TEXT[k] for k in TEXT if k != "vocab_size"} | {"image_size": 64}
NETWORKS: dict[str, Callable[[], Made]] = {
    "torchvision resnet18": lambda: of_torchvision("resnet18"),
    "torchvision resnet50": lambda: of_torchvision("resnet50"),
    "torchvision mobilenet_v2": lambda: of_torchvision("mobilenet_v2"),
    "torchvision mobilenet_v3_small": lambda: of_torchvision("mobilenet_v3_small"),
    "torchvision densenet121": lambda: of_torchvision("densenet121"),
    "torchvision squeezenet1_1": lambda: of_torchvision("squeezenet1_1"),
    "torchvision shufflenet_v2_x0_5": lambda: of_torchvision("shufflenet_v2_x0_5"),
    "torchvision efficientnet_b0": lambda: of_torchvision("efficientnet_b0"),
    "torchvision regnet_y_400mf": lambda: of_torchvision("regnet_y_400mf"),
    "torchvision mnasnet0_5": lambda: of_torchvision("mnasnet0_5"),
    "timm convnext_atto": lambda: of_timm("convnext_atto"),
    "timm mixer_s32_224": lambda: of_timm("mixer_s32_224", img_size=64),
    "timm vit_tiny_patch16_224": lambda: of_timm("vit_tiny_patch16_224", img_size=64, depth=3),
    "timm levit_128s": lambda: of_timm("levit_128s", 224),
    "timm ghostnet_050": lambda: of_timm("ghostnet_050"),
    "timm res2net50_26w_4s": lambda: of_timm("res2net50_26w_4s"),
    "timm seresnet18": lambda: of_timm("seresnet18"),
    "timm mobileone_s0": lambda: of_timm("mobileone_s0"),
    "timm swin_tiny": lambda: of_timm(
        "swin_tiny_patch4_window7_224", 56, img_size=56, depths=(1, 1, 2, 1)
    ),
    "timm poolformer_s12": lambda: of_timm("poolformer_s12"),
    "transformers Bert": lambda: text("Bert", task="ForSequenceClassification"),
    "transformers Roberta": lambda: text("Roberta", task="ForSequenceClassification"),
    "transformers DistilBert": lambda: text(
        "DistilBert", task="ForSequenceClassification", dim=64, n_layers=2, n_heads=4, hidden_dim=128
    ),
    "transformers Albert": lambda: text("Albert", task="Model", embedding_size=32),
    "transformers Electra": lambda: text("Electra", task="Model", embedding_size=32),
    "transformers DebertaV2": lambda: text(
        "DebertaV2",
        task="ForSequenceClassification",
        relative_attention=True,
        pos_att_type=["p2c", "c2p"],
        position_buckets=16,
        max_relative_positions=16,
        norm_rel_ebd="layer_norm",
        share_att_key=True,
    ),
    "transformers MPNet": lambda: text("MPNet", task="Model"),
    "transformers GPT2": lambda: text(
        "GPT2", task="Model", n_embd=64, n_layer=2, n_head=4, use_cache=False
    ),
    "transformers ViT": lambda: picture("ViT", **SMALL_PICTURE),
    "transformers ResNet": lambda: picture("ResNet", depths=[1, 1, 1, 1], layer_type="basic"),
    "transformers MobileNetV2": lambda: picture("MobileNetV2", depth_multiplier=0.5),
    "transformers SegformerImage": lambda: picture("Segformer"),
}


def export(made: Made, path: Path, dynamo: bool) -> np.ndarray:
    model, inputs = made
    model = Outputs(with_statistics(model).eval(), list(inputs))
    with torch.inference_mode():
        expected = model(*inputs.values()).numpy()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            model,
            tuple(inputs.values()),
            str(path),
            input_names=list(inputs),
            output_names=["y"],
            dynamo=dynamo,
            verbose=False,
            external_data=False,
            **({} if dynamo else {"dynamic_axes": {name: {0: "batch"} for name in inputs}}),
        )
    return expected


def run_hone(program: Path, model: Path, inputs: Inputs, mode: str, folder: Path) -> np.ndarray | str:
    np.savez(folder / "in.npz", **{name: value.numpy() for name, value in inputs.items()})
    command = [program, "infer", model, "--in", folder / "in.npz", "--out", folder / "out.npz"]
    done = subprocess.run(
        [*map(str, command), "--mode", mode], capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        return done.stderr.strip() or f"exit code {done.returncode}"
    return np.load(folder / "out.npz")["y"]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hone", type=Path, default=ROOT / "build/release/hone")
    parser.add_argument("--only", default="", help="networks whose name has this in it")
    parser.add_argument("--exporter", choices=["dynamo", "script", "both"], default="both")
    parser.add_argument("--mode", choices=["compiled", "eager", "reference"], default="compiled")
    parser.add_argument("--tolerance", type=float, default=1e-4)
    parser.add_argument("--least", type=int, default=25)
    parser.add_argument("--keep", type=Path, help="folder for the exported files")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    exporters = ["dynamo", "script"] if arguments.exporter == "both" else [arguments.exporter]
    results: dict[str, dict[str, object]] = {}
    for name, make in NETWORKS.items():
        if arguments.only not in name:
            continue
        for exporter in exporters:
            with tempfile.TemporaryDirectory() as temporary:
                folder = Path(temporary)
                kept = arguments.keep or folder
                kept.mkdir(parents=True, exist_ok=True)
                model = kept / f"{name.replace(' ', '_')}_{exporter}.onnx"
                torch.manual_seed(1)
                started = time.perf_counter()
                try:
                    made = make()
                    expected = export(made, model, exporter == "dynamo")
                except Exception as error:  # the exporter's own failures are not hone's
                    results[f"{name}, {exporter}"] = {"status": "not exported"}
                    print(f"{name}, {exporter}: not exported: {str(error).splitlines()[0][:150]}")
                    continue
                exported = time.perf_counter() - started
                started = time.perf_counter()
                got = run_hone(arguments.hone, model, made[1], arguments.mode, folder)
                seconds = time.perf_counter() - started
                if isinstance(got, str):
                    status, said = "refused", got.splitlines()[0].replace(str(model), "...")[:230]
                    if not got.startswith("error:"):
                        status = "wrong"
                elif got.shape != expected.shape:
                    status, said = "wrong", f"{got.shape} instead of {expected.shape}"
                else:
                    worst = float(np.abs(got - expected).max() / np.abs(expected).max())
                    status = "equal" if worst <= arguments.tolerance else "wrong"
                    said = f"{worst:.1e} relative"
                results[f"{name}, {exporter}"] = {"status": status, "said": said}
                print(f"{name}, {exporter}: {status}: {said} ({exported:.1f} s, {seconds:.1f} s)")
                sys.stdout.flush()
    equal = {n.rsplit(", ", 1)[0] for n, r in results.items() if r["status"] == "equal"}
    wrong = [n for n, r in results.items() if r["status"] == "wrong"]
    print(f"{len(equal)} networks equal by one exporter or both, {len(wrong)} wrong")
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=1) + "\n")
    return 1 if wrong or (not arguments.only and len(equal) < arguments.least) else 0


if __name__ == "__main__":
    sys.exit(main())
