"""Whole processes measured: CPU seconds (user and system) and peak memory, the median of several runs."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Cost:
    """What one command cost. ``cpu`` and ``wall`` are seconds, ``memory`` is MiB at the peak."""

    cpu: float
    wall: float
    memory: float


def once(command: Sequence[str], env: dict[str, str] | None = None) -> Cost:
    """Runs a command once. Its output is thrown away and its exit status does not matter: linters exit with 1."""
    # Installed packages are compiled once, whatever this shell says about writing bytecode.
    environment = {**os.environ, **(env or {})}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    begin = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment)
    _pid, _status, usage = os.wait4(process.pid, 0)
    process.returncode = 0
    # ru_maxrss counts KiB on Linux and bytes on macOS.
    unit = 1024 * 1024 if sys.platform == "darwin" else 1024
    return Cost(usage.ru_utime + usage.ru_stime, time.perf_counter() - begin, usage.ru_maxrss / unit)


def median(command: Sequence[str], runs: int = 3, env: dict[str, str] | None = None) -> Cost:
    """The median cost of several runs, after one that warms the caches of the system."""
    once(command, env)
    costs = [once(command, env) for _ in range(runs)]
    return Cost(
        statistics.median(cost.cpu for cost in costs),
        statistics.median(cost.wall for cost in costs),
        max(cost.memory for cost in costs),
    )


def program(name: str) -> str:
    """The path of a program that is installed beside this Python."""
    return str(Path(sys.executable).parent / name)
