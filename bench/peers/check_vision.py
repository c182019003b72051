"""Checks that hone reads networks of pictures as torchvision, timm and transformers save them, and
computes what they compute.

Weights are random, and so are the statistics of batch norm. Each network is saved (safetensors or
pytorch_model.bin), run by `hone infer` and compared: the largest difference over the largest logit
must be below --tolerance. Then a model that hone saved is read back by torchvision, decoding and
resizing of pictures is compared with Pillow's, and `hone predict` with the whole of torchvision.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

ROOT = Path(__file__).resolve().parent.parent.parent
CLASSES = 12


def with_statistics(model: torch.nn.Module) -> torch.nn.Module:
    for module in model.modules():
        if isinstance(module, torch.nn.modules.batchnorm._BatchNorm):
            module.running_mean.normal_(0, 0.2)
            module.running_var.uniform_(0.5, 1.5)
            torch.nn.init.uniform_(module.weight, 0.5, 1.5)
            torch.nn.init.normal_(module.bias, 0, 0.1)
    return model.eval()


def save(model: torch.nn.Module, config: dict, folder: Path, form: str) -> None:
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(config))
    state = {name: tensor.contiguous() for name, tensor in model.state_dict().items()}
    if form == "bin":
        torch.save(state, folder / "pytorch_model.bin")
    else:
        save_file(state, folder / "model.safetensors")


def of_torchvision(name: str, folder: Path, form: str) -> torch.nn.Module:
    import torchvision

    model = with_statistics(torchvision.models.get_model(name, weights=None, num_classes=CLASSES))
    save(model, {"architecture": name, "num_classes": CLASSES}, folder, form)
    return model


def of_timm(name: str, folder: Path, form: str) -> torch.nn.Module:
    import timm

    model = with_statistics(timm.create_model(name, pretrained=False, num_classes=CLASSES))
    prepared = {key: model.pretrained_cfg[key] for key in ("input_size", "mean", "std", "crop_pct")}
    config = {"architecture": name, "num_classes": CLASSES, "pretrained_cfg": prepared}
    save(model, config, folder, form)
    return model


class Logits(torch.nn.Module):
    def __init__(self, model: torch.nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.model(pixel_values=x).logits


def of_transformers(name: str, folder: Path, form: str) -> torch.nn.Module:
    import transformers

    if name == "mobilenet_v2":
        config = transformers.MobileNetV2Config(num_labels=CLASSES)
        model = transformers.MobileNetV2ForImageClassification(config)
    else:
        basic = name in ("resnet18", "resnet34")
        config = transformers.ResNetConfig(
            num_labels=CLASSES,
            layer_type="basic" if basic else "bottleneck",
            hidden_sizes=[64, 128, 256, 512] if basic else [256, 512, 1024, 2048],
            depths=[2, 2, 2, 2] if name == "resnet18" else [3, 4, 6, 3],
        )
        model = transformers.ResNetForImageClassification(config)
    with_statistics(model).save_pretrained(folder, safe_serialization=form != "bin")
    if form == "bin" and not (folder / "pytorch_model.bin").exists():
        torch.save(model.state_dict(), folder / "pytorch_model.bin")
        (folder / "model.safetensors").unlink()
    return Logits(model)


CASES: list[tuple[str, Callable[[str, Path, str], torch.nn.Module], str, str]] = [
    ("torchvision resnet18", of_torchvision, "resnet18", "safetensors"),
    ("torchvision resnet34", of_torchvision, "resnet34", "bin"),
    ("torchvision resnet50", of_torchvision, "resnet50", "safetensors"),
    ("torchvision mobilenet_v2", of_torchvision, "mobilenet_v2", "safetensors"),
    ("timm resnet18", of_timm, "resnet18", "safetensors"),
    ("timm resnet50", of_timm, "resnet50", "bin"),
    ("timm mobilenetv2_100", of_timm, "mobilenetv2_100", "safetensors"),
    ("transformers resnet18", of_transformers, "resnet18", "safetensors"),
    ("transformers resnet50", of_transformers, "resnet50", "bin"),
    ("transformers mobilenet_v2", of_transformers, "mobilenet_v2", "safetensors"),
]


def hone(program: Path, *arguments: object) -> str:
    done = subprocess.run(
        [str(program), *map(str, arguments)], capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise SystemExit(f"hone {arguments[0]}: {done.stderr.strip()}")
    return done.stdout


def difference(ours: np.ndarray, theirs: np.ndarray) -> float:
    return float(np.abs(ours - theirs).max() / np.abs(theirs).max())


def check_logits(program: Path, folder: Path) -> float:
    worst = 0.0
    for title, make, name, form in CASES:
        torch.manual_seed(3)
        place = folder / title.replace(" ", "-")
        model = make(name, place, form)
        x = torch.randn(3, 3, 224, 224)
        save_file({"pixel_values": x}, folder / "in.safetensors")
        hone(program, "infer", place, "--in", folder / "in.safetensors", "--out", folder / "out.safetensors")
        with torch.no_grad():
            theirs = model(x).numpy()
        found = difference(load_file(folder / "out.safetensors")["logits"].numpy(), theirs)
        worst = max(worst, found)
        print(f"{title:28} {form:12} {found:.1e}")
    return worst


def picture(seed: int, height: int, width: int) -> Image.Image:
    random = np.random.default_rng(seed)
    coarse = random.integers(0, 256, (height // 8, width // 8, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)


def check_predict(program: Path, folder: Path) -> float:
    """Files of every kind through `hone predict`, and through torchvision's transforms."""
    import torchvision
    from torchvision import transforms

    place = folder / "torchvision-resnet18"
    torch.manual_seed(3)
    model = with_statistics(torchvision.models.resnet18(weights=None, num_classes=CLASSES))
    prepare = transforms.Compose(
        [
            transforms.Resize(256),
            transforms.CenterCrop(224),
            transforms.ToTensor(),
            transforms.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]),
        ]
    )
    files = folder / "pictures"
    files.mkdir()
    picture(1, 300, 400).save(files / "colour.jpg", quality=92)
    picture(2, 640, 200).convert("L").save(files / "grey.jpg")
    picture(3, 240, 240).save(files / "colour.png")
    picture(4, 333, 517).quantize(64).save(files / "palette.png")
    picture(5, 100, 90).convert("L").save(files / "small-grey.png")
    picture(6, 256, 300).convert("RGBA").save(files / "alpha.png")
    picture(7, 256, 300).convert("CMYK").save(files / "cmyk.jpg")
    lines = hone(program, "predict", place, files).splitlines()
    worst = 0.0
    for line in lines:
        answer = json.loads(line)
        with Image.open(answer["file"]) as image, torch.no_grad():
            theirs = model(prepare(image.convert("RGB"))[None])[0].numpy()
        found = difference(np.array(answer["logits"]), theirs)
        worst = max(worst, found)
        print(f"predict {Path(answer['file']).name:20} {found:.1e}")
    return worst


def check_saved(program: Path, folder: Path) -> float:
    """A network that hone trained for a step is torchvision's, without a tensor more or less."""
    import torchvision

    out = folder / "trained"
    hone(program, "train", "resnet18", "--data", "shapes", "--set", "data.samples=20", "--steps", 1,
         "--set", "image_size=64", "--set", "stem=large", "--set", "validation=0.5", "--out", out)
    model = torchvision.models.resnet18(weights=None, num_classes=10)
    model.load_state_dict(load_file(out / "model.safetensors"))
    model.eval()
    x = torch.randn(2, 3, 64, 64)
    save_file({"pixel_values": x}, folder / "in.safetensors")
    hone(program, "infer", out, "--in", folder / "in.safetensors", "--out", folder / "out.safetensors")
    with torch.no_grad():
        theirs = model(x).numpy()
    found = difference(load_file(folder / "out.safetensors")["logits"].numpy(), theirs)
    print(f"{'saved by hone':28} {'safetensors':12} {found:.1e}")
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hone", type=Path, default=ROOT / "build/release/hone")
    parser.add_argument("--tolerance", type=float, default=1e-4)
    # (libjpeg-turbo's and Pillow's arithmetic of resizing round bytes differently.)
    parser.add_argument("--picture-tolerance", type=float, default=1e-3)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        logits = max(check_logits(arguments.hone, folder), check_saved(arguments.hone, folder))
        pictures = check_predict(arguments.hone, folder)
    good = logits < arguments.tolerance and pictures < arguments.picture_tolerance
    print("equal" if good else "DIFFERENT")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
