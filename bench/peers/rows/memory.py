"""Peak memory of training: the largest resident set of the whole process."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from batches import random_batches
from context import Context
from hone_program import HoneError
from imdb import tokens_file
from measurement import Comparison, Target, interleave
from rows.predict import WORKER
from settings import TrainSetting

STEPS = 100
TIME = Path("/usr/bin/time")


def peak_megabytes(command: list[str], report: Path) -> float:
    """Maximum resident set of a command, in MB (10^6 bytes), by GNU time.

    It starts from an empty cache, so that hone has to tokenize.
    """
    if not TIME.exists():
        raise SystemExit(f"bench/peers: {TIME} is not there; install the package `time`")
    with tempfile.TemporaryDirectory(dir=report.parent) as empty:
        done = subprocess.run(
            [str(TIME), "-v", "-o", str(report), *command],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env={**os.environ, "XDG_CACHE_HOME": empty},
            check=False,
        )
    if done.returncode != 0:
        last = done.stderr.decode(errors="replace").strip()[-2000:]
        raise HoneError(f"`{Path(command[0]).name}` exited with {done.returncode}:\n{last}")
    found = re.search(r"Maximum resident set size \(kbytes\): (\d+)", report.read_text())
    assert found is not None
    return int(found.group(1)) * 1024 / 1e6


def measure(context: Context) -> list[Comparison]:
    setting = TrainSetting()
    batches = random_batches(STEPS, len(context.tokens("train")), context.seed)
    order = context.work / "memory-order.json"
    order.write_text(json.dumps(batches))
    model = context.initial_model()
    report = context.work / "time.txt"
    tokens = str(tokens_file(context.work, "train"))
    threads = str(context.threads)
    peer = [sys.executable, str(WORKER), "train", str(model), tokens, str(order), threads]
    idle = [sys.executable, str(WORKER), "imports"]

    def run_hone(_round: int) -> float:
        hone = context.hone
        assert hone is not None
        arguments = hone.train_arguments(model, batches, setting, context.threads)
        command = [str(hone.program), *map(str, arguments)]
        shown = hone.shown([str(TIME), "-v", *command])
        if shown not in hone.commands:
            hone.commands.append(shown)
        return peak_megabytes(command, report)

    imports = peak_megabytes(idle, report)
    values = interleave(
        context.rounds,
        {
            "PyTorch": lambda _round: peak_megabytes(peer, report),
            "hone": run_hone if context.hone is not None else None,
        },
    )
    return [
        Comparison(
            what=f"peak memory of training, {STEPS} steps, dropout 0.1",
            peer="PyTorch",
            unit="MB",
            hone_values=values["hone"],
            peer_values=values["PyTorch"],
            higher_is_better=False,
            target=Target("ratio", 2.0, 4.0),
            notes=[
                "maximum resident set by /usr/bin/time -v, MB of 10^6 bytes; PyTorch's process "
                f"reads ids made beforehand (its imports alone take {imports:.0f} MB), hone's "
                "tokenizes the reviews itself"
            ],
        )
    ]
