"""The machine, the versions, and how busy other processes keep it."""

from __future__ import annotations

import os
import platform
import re
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

PACKAGES = ("torch", "transformers", "peft", "tokenizers", "onnxruntime", "onnx", "numpy")


def cpu_model() -> str:
    found = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    return found.group(1).strip() if found else platform.machine()


def vector_extensions() -> list[str]:
    flags = set(Path("/proc/cpuinfo").read_text().split())
    known = ("avx2", "avx512f", "avx512_bf16", "avx512_vnni", "amx_tile")
    return [name for name in known if name in flags]


def describe(threads: int) -> dict[str, Any]:
    return {
        "cpu": cpu_model(),
        "extensions": vector_extensions(),
        "logical_cores": os.cpu_count(),
        "threads": threads,
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "system": f"{platform.system()} {platform.release()}",
    }


def versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def hone_version(hone: Path) -> str:
    """What `hone --version` prints."""
    done = subprocess.run([hone, "--version"], capture_output=True, text=True, check=False)
    return done.stdout.strip().removeprefix("hone ") if done.returncode == 0 else "unknown"


def pin_to_cores(count: int) -> None:
    """Binds this process and its children to one hardware thread of each of `count` cores."""
    chosen: dict[str, int] = {}
    for cpu in sorted(os.sched_getaffinity(0)):
        siblings = Path(f"/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list")
        chosen.setdefault(siblings.read_text().strip() if siblings.exists() else str(cpu), cpu)
    if len(chosen) < count:
        raise SystemExit(f"bench/peers: {count} threads asked for, {len(chosen)} cores available")
    os.sched_setaffinity(0, list(chosen.values())[:count])


def _busy_seconds(cpus: set[int]) -> float:
    """Time the given processors spent on anything at all since the start of the system."""
    ticks = 0
    for line in Path("/proc/stat").read_text().splitlines():
        name, *fields = line.split()
        if re.fullmatch(r"cpu\d+", name) and int(name[3:]) in cpus:
            user, nice, system, _idle, _iowait, irq, softirq, steal = map(int, fields[:8])
            ticks += user + nice + system + irq + softirq + steal
    return ticks / os.sysconf("SC_CLK_TCK")


def _own_seconds() -> float:
    return sum(os.times()[:4])


class Disturbance:
    """Measures the share of our cores' time that processes other than ours took."""

    def __init__(self) -> None:
        self._cpus = os.sched_getaffinity(0)
        self._busy, self._own = _busy_seconds(self._cpus), _own_seconds()
        self._wall = os.times().elapsed

    def share(self) -> float:
        wall = (os.times().elapsed - self._wall) * len(self._cpus)
        others = (_busy_seconds(self._cpus) - self._busy) - (_own_seconds() - self._own)
        return max(0.0, others / wall) if wall > 0 else 0.0
