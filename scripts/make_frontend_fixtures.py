#!/usr/bin/env python3
"""Writes tests/frontends/fixtures/: small files made by PyTorch, safetensors and transformers.

The fixtures are committed; run this only to make them again:
  python3 -m venv venv && venv/bin/pip install torch transformers safetensors
  venv/bin/python scripts/make_frontend_fixtures.py
Every value can be recomputed by the tests: element i of a tensor is (i % 13 - 6) / 8 + SHIFT.
"""
import collections
import json
import pathlib
import pickle
import shutil
import struct
import sys
import zipfile

import safetensors
import safetensors.torch
import torch
import transformers

ROOT = pathlib.Path(__file__).resolve().parent.parent / "tests" / "frontends" / "fixtures"


def values(shape, shift=0.0, dtype=torch.float32):
    count = 1
    for size in shape:
        count *= size
    numbers = torch.tensor([(i % 13 - 6) / 8 + shift for i in range(count)])
    return numbers.reshape(shape).to(dtype)


TYPES = [torch.float32, torch.float64, torch.float16, torch.bfloat16, torch.int8, torch.uint8,
         torch.int16, torch.int32, torch.int64, torch.bool]


def every_type():
    tensors = collections.OrderedDict()
    for dtype in TYPES:
        name = str(dtype).removeprefix("torch.")
        if dtype.is_floating_point:
            tensors[name] = values((3, 5), 0.0, dtype)
        else:
            tensors[name] = torch.arange(15).reshape(3, 5).to(dtype)
    tensors["scalar"] = torch.tensor(2.5)
    tensors["empty"] = torch.zeros(0, 4)
    return tensors


def write_safetensors():
    safetensors.torch.save_file(every_type(), ROOT / "every_type.safetensors", metadata={"format": "pt"})


def write_torch():
    torch.save(every_type(), ROOT / "every_type.bin")
    for protocol in (2, 4):
        base = values((6, 4))
        state = collections.OrderedDict()
        state["base"] = base
        state["tied"] = base                       # the same storage twice
        state["transposed"] = base.t()             # strides (1, 4)
        state["slice"] = base[1:5:2, 1:3]          # offset 5, strides (8, 1)
        state["expanded"] = torch.tensor([1.5, 2.5]).reshape(2, 1).expand(2, 3)  # strides (1, 0)
        state["parameter"] = torch.nn.Parameter(values((2, 3), 1.0))
        state._metadata = collections.OrderedDict([("", {"version": 1})])
        torch.save(state, ROOT / f"views_protocol{protocol}.bin", pickle_protocol=protocol)
    torch.save(every_type(), ROOT / "legacy.bin", _use_new_zipfile_serialization=False)
    torch.save({"state_dict": every_type(), "epoch": 3}, ROOT / "checkpoint.bin")
    # The same archive deflated, as a repacking tool would leave it.
    with zipfile.ZipFile(ROOT / "every_type.bin") as source, \
            zipfile.ZipFile(ROOT / "deflated.bin", "w", zipfile.ZIP_DEFLATED) as target:
        for name in source.namelist():
            target.writestr(name, source.read(name))


class Hostile:
    def __reduce__(self):
        import os
        return os.system, ("touch hone_was_here",)


def write_hostile():
    state = collections.OrderedDict([("weight", values((2, 2))), ("extra", Hostile())])
    torch.save(state, ROOT / "hostile.bin")


def tiny_bert(cls, **more):
    config = transformers.BertConfig(vocab_size=24, hidden_size=8, num_hidden_layers=1,
                                     num_attention_heads=2, intermediate_size=12,
                                     max_position_embeddings=16, **more)
    torch.manual_seed(7)
    model = cls(config).eval()
    with torch.no_grad():
        for i, (_, parameter) in enumerate(sorted(model.named_parameters())):
            parameter.copy_(values(parameter.shape, 0.01 * i))
    return model


def write_directories():
    labels = {0: "bad", 1: "fair", 2: "good"}
    classifier = tiny_bert(transformers.BertForSequenceClassification, num_labels=3, id2label=labels,
                           label2id={name: i for i, name in labels.items()})
    for name in ("classifier", "sharded", "masked_lm", "torch_bin"):
        shutil.rmtree(ROOT / name, ignore_errors=True)
    classifier.save_pretrained(ROOT / "classifier")
    classifier.save_pretrained(ROOT / "sharded", max_shard_size="2KB")
    tiny_bert(transformers.BertForMaskedLM).save_pretrained(ROOT / "masked_lm")
    # A bare backbone as converted from TensorFlow: no "bert." prefix, gamma and beta, position_ids.
    backbone = tiny_bert(transformers.BertModel)
    backbone.config.save_pretrained(ROOT / "torch_bin")
    state = collections.OrderedDict()
    for name, tensor in backbone.state_dict().items():
        state[name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta")] = tensor
    state["embeddings.position_ids"] = torch.arange(16).expand((1, -1))
    torch.save(state, ROOT / "torch_bin" / "pytorch_model.bin")


def main():
    ROOT.mkdir(parents=True, exist_ok=True)
    write_safetensors()
    write_torch()
    write_hostile()
    write_directories()
    producer = {"python": sys.version.split()[0], "torch": torch.__version__,
                "transformers": transformers.__version__, "safetensors": safetensors.__version__,
                "script": "scripts/make_frontend_fixtures.py"}
    (ROOT / "PRODUCER.json").write_text(json.dumps(producer, indent=2) + "\n")


main()
