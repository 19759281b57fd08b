"""What an export was measured to be. Torch-free, so that screens and reports can read it."""

from dataclasses import dataclass
from pathlib import Path

MAX_ABS_DIFF = 1e-3


@dataclass(frozen=True, kw_only=True)
class Parity:
    """How the exported file compares with PyTorch on real validation pictures.

    Attributes:
        max_abs_diff: Largest difference of any probability.
        top1_agreement: Share of pictures with the same top class, between 0 and 1.
        batches: The batch sizes that were tried.
    """

    images: int
    max_abs_diff: float
    top1_agreement: float
    batches: tuple[int, ...]

    @property
    def is_equal(self) -> bool:
        """Tell whether the export may be kept."""
        return self.max_abs_diff <= MAX_ABS_DIFF and self.top1_agreement == 1.0


@dataclass(frozen=True, kw_only=True)
class ExportResult:
    """Where the export is and what it was measured to be."""

    model: Path
    bytes: int
    sha256: str
    temperature: float
    parity: Parity
