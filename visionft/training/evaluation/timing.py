"""Latency statistics of repeated calls. Torch-free."""

import math
import platform
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from visionft.core.jobs import SILENT_JOB, JobContext

WARM_UP_CALLS, MIN_RUNS, MAX_RUNS = 3, 10, 60
MAX_SECONDS = 3.0
_CONFIDENCE = 0.95
_CPU_INFO = Path("/proc/cpuinfo")  # on Linux, `platform.processor` returns only x86_64


def runs_for(share: float) -> int:
    """Return the number of runs needed to estimate a quantile of times: 59 for .95, 299 for .99.

    With fewer runs, even the slowest is below the quantile with probability `share ** runs` above 5 % (Wilks 1941).
    """
    return math.ceil(math.log(1 - _CONFIDENCE) / math.log(share))


@dataclass(frozen=True, kw_only=True)
class Spread:
    """The distribution of the times of repeated calls, in milliseconds.

    Attributes:
        p95_ms: 95th percentile; None with too few runs (`runs_for`). The same for `p99_ms`.
        max_ms: Slowest call; None in the records of earlier versions.
    """

    median_ms: float
    runs: int
    p95_ms: float | None = None
    p99_ms: float | None = None
    max_ms: float | None = None

    @property
    def tail(self) -> tuple[int, float]:
        """Return (per cent, milliseconds) of the highest available percentile; 100 is the slowest call."""
        for per_cent, time_ms in ((99, self.p99_ms), (95, self.p95_ms)):
            if time_ms is not None and self.runs >= runs_for(per_cent / 100):
                return per_cent, time_ms
        longest = (self.max_ms, self.p99_ms, self.p95_ms, self.median_ms)
        return 100, next(each for each in longest if each is not None)

    @property
    def tail_words(self) -> str:
        """Describe `tail` in an English clause."""
        per_cent, time_ms = self.tail
        return f"{per_cent} % within {time_ms:.1f} ms" if per_cent < 100 else f"the slowest {time_ms:.1f} ms"


def spread_of(times_ms: np.ndarray) -> Spread:
    def quantile(share: float) -> float | None:
        return round(float(np.quantile(times_ms, share)), 3) if len(times_ms) >= runs_for(share) else None

    return Spread(
        median_ms=round(float(np.median(times_ms)), 3),
        runs=len(times_ms),
        p95_ms=quantile(0.95),
        p99_ms=quantile(0.99),
        max_ms=round(float(times_ms.max()), 3),
    )


def timed_calls(
    calls: Sequence[Callable[[], object]],
    *,
    job: JobContext = SILENT_JOB,
    max_runs: int = MAX_RUNS,
    max_seconds: float = MAX_SECONDS,
    warm_up: int = WARM_UP_CALLS,
) -> np.ndarray:
    """Run the calls in turn for `max_seconds` and return the (N,) times in milliseconds; [0] if cancelled before.

    The first `warm_up` calls are not timed: they fill caches and let libraries choose their kernels.
    """
    for place in range(warm_up):
        calls[place % len(calls)]()
    began = time.perf_counter()
    times_ms = []
    while len(times_ms) < max_runs and not job.is_cancelled:
        call = calls[len(times_ms) % len(calls)]
        started = time.perf_counter()
        call()
        ended = time.perf_counter()
        times_ms.append((ended - started) * 1000)
        if len(times_ms) >= MIN_RUNS and ended - began > max_seconds:
            break
    return np.array(times_ms or [0.0])


def processor_name() -> str:
    try:
        lines = _CPU_INFO.read_text(encoding="utf-8", errors="replace").splitlines()
        names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
        return next(filter(None, names), "") or platform.machine()
    except OSError:
        return platform.processor() or platform.machine()
