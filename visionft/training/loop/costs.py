"""What a run costs and what it forgets: peak memory, and how far the features drifted from the pretrained ones."""

import torch  # noqa: TID253
import torch.nn.functional as F  # noqa: TID253
from torch import Tensor  # noqa: TID253


class PeakMemory:
    """The most memory that was in use: the device's on CUDA, else the process's, as far as it was sampled."""

    def __init__(self, device: torch.device) -> None:
        self._cuda = device.type == "cuda"
        self._highest = 0
        if self._cuda:
            torch.cuda.reset_peak_memory_stats()

    def sample(self) -> None:
        """Look at the process's memory now; CUDA keeps its own record."""
        if not self._cuda:
            import psutil

            self._highest = max(self._highest, psutil.Process().memory_info().rss)

    @property
    def megabytes(self) -> int:
        """Return the peak in MiB."""
        return (torch.cuda.max_memory_allocated() if self._cuda else self._highest) >> 20


def feature_drift(before: Tensor, after: Tensor) -> float:
    """Return 1 - mean cosine similarity of (N, D) features of the same pictures: 0 is no drift, 1 unrelated."""
    return float(1 - F.cosine_similarity(before.double(), after.double(), dim=1).mean())
