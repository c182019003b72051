#!/usr/bin/env python3
"""What 8-bit codes give ResNet18: resnet_int8.py [--hone PROGRAM] [--epochs N] [--batches 1,32] [--rounds N] [--runs N] [--threads N]
[--instructions NAME].

Trains ResNet18 on the embedded pictures (32 x 32), quantizes it after training (affine, ranges fitted to the same data)
and says the accuracy on the test split before and after. Then the same network at 224 x 224, float32 and 8-bit, is timed in
turn; prints the median of all single runs of each and how much faster the codes are.
"""
import argparse
import json
import pathlib
import statistics
import subprocess
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent


class Bench:
    def __init__(self, options, folder):
        self.options, self.folder = options, folder

    def hone(self, *arguments):
        subprocess.run([self.options.hone, *map(str, arguments)], check=True, cwd=self.folder,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def train(self, name, *settings):
        self.hone("train", "resnet18", "--data", "shapes", "--out", name, "--threads", self.options.threads, *settings)

    def quantize(self, name, samples):
        self.hone("quantize", name, "--format", "affine", "--calibrate", "shapes", "--samples", samples,
                  "--out", name + "-int8")

    def accuracy(self, name):
        self.hone("eval", name, "--data", "shapes", "--split", "test", "--json", "eval.json")
        return json.loads((self.folder / "eval.json").read_text())["accuracy"]

    def seconds(self, name, batch):
        limit = ["--instructions", self.options.instructions] if self.options.instructions else []
        self.hone("bench", name, "--shape", f"pixel_values={batch},3,224,224", "--mode", "compiled", "--runs",
                  self.options.runs, "--warmup", 2, "--threads", self.options.threads, "--json", "bench.json", *limit)
        mode = json.loads((self.folder / "bench.json").read_text())["modes"]["compiled"]
        return mode["seconds"]["median"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hone", type=pathlib.Path, default=ROOT / "build/release/hone")
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--batches", default="1,32")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--runs", type=int, default=10)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--instructions", help="as of hone bench: AVX2, AVX3; default: the machine's")
    options = parser.parse_args()
    options.hone = options.hone.resolve()
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(options, pathlib.Path(folder))
        if options.epochs > 0:
            bench.train("small", "--epochs", options.epochs, "--batch", 64, "--lr", 1e-3)
            bench.quantize("small", 256)
            print(f"accuracy: float32 {bench.accuracy('small'):.2%}, 8-bit {bench.accuracy('small-int8'):.2%}",
                  flush=True)
        bench.train("large", "--steps", 1, "--batch", 4, "--set", "image_size=224", "--set", "validation=0")
        bench.quantize("large", 8)
        for batch in map(int, options.batches.split(",")):
            times = {"large": [], "large-int8": []}
            for number in range(options.rounds):
                for name in sorted(times, reverse=number % 2 == 1):
                    times[name].append(bench.seconds(name, batch))
            ratios = [a / b for a, b in zip(times["large"], times["large-int8"])]
            print(f"batch {batch}: float32 {statistics.median(times['large']) * 1e3:.1f} ms, 8-bit "
                  f"{statistics.median(times['large-int8']) * 1e3:.1f} ms: {statistics.median(ratios):.2f} x "
                  f"({min(ratios):.2f} to {max(ratios):.2f})", flush=True)


main()
