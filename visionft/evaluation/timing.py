"""How long one answer takes: the same call again and again, and where that was measured. Torch-free."""

import hashlib
import os
import platform
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from visionft.events import ShouldStop, never_stop

WARM_UP, LEAST_RUNS, MOST_RUNS = 3, 10, 60
MOST_SECONDS = 3.0
_CPU_INFO = Path("/proc/cpuinfo")  # Linux; `platform.processor` says there no more than x86_64


def timed_calls(
    calls: Sequence[Callable[[], object]],
    *,
    should_stop: ShouldStop = never_stop,
    most_runs: int = MOST_RUNS,
    most_seconds: float = MOST_SECONDS,
) -> np.ndarray:
    """Return what calls took, (N,) milliseconds, made in turn for some seconds at most; [0] where none was made.

    The first ones are not counted: they fill caches and let libraries choose their kernels.
    """
    for place in range(WARM_UP):
        calls[place % len(calls)]()
    began, times_ms = time.perf_counter(), []
    while len(times_ms) < most_runs and not should_stop():
        call = calls[len(times_ms) % len(calls)]
        started = time.perf_counter()
        call()
        ended = time.perf_counter()
        times_ms.append((ended - started) * 1000)
        if len(times_ms) >= LEAST_RUNS and ended - began > most_seconds:
            break
    return np.array(times_ms or [0.0])


def processor_name() -> str:
    """Return the processor as its maker calls it, where the system tells."""
    try:
        lines = _CPU_INFO.read_text(encoding="utf-8", errors="replace").splitlines()
        names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
        return next(filter(None, names), "") or platform.machine()
    except OSError:
        return platform.processor() or platform.machine()


def computer_id() -> str:
    """Return what tells this computer from others and names neither it nor its owner: projects are passed on."""
    identity = f"{platform.node()}|{processor_name()}|{os.cpu_count()}"
    return hashlib.sha256(identity.encode()).hexdigest()[:12]
