"""The costs of a run: peak memory, and the drift of features from the pretrained ones."""

import threading
from collections.abc import Generator
from contextlib import contextmanager

import torch  # noqa: TID253
import torch.nn.functional as F  # noqa: TID253
from torch import Tensor  # noqa: TID253


class PeakMemory:
    """Peak memory: the device's on CUDA, else samples of the process's."""

    def __init__(self, device: torch.device) -> None:
        self._cuda = device.type == "cuda"
        self._highest = 0
        if self._cuda:
            torch.cuda.reset_peak_memory_stats()

    def sample(self) -> None:
        if not self._cuda:
            import psutil

            self._highest = max(self._highest, psutil.Process().memory_info().rss)

    @contextmanager
    def watched(self) -> Generator[None]:
        """Sample every 10 ms while the context lasts: the peak is in the middle of a step."""
        over = threading.Event()

        def watch() -> None:
            while not over.wait(0.01):
                self.sample()

        thread = threading.Thread(target=watch, name="memory watch", daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()
            self.sample()

    @property
    def megabytes(self) -> int:
        return (torch.cuda.max_memory_allocated() if self._cuda else self._highest) >> 20


def feature_drift(before: Tensor, after: Tensor) -> float:
    """Return 1 - mean cosine similarity of (N, D) features of the same images: 0 is no drift, 1 unrelated."""
    return float(1 - F.cosine_similarity(before.double(), after.double(), dim=1).mean())
