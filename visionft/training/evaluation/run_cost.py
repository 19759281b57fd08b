"""The cost of a run: training time, memory, trained parameters, size and latency of its file, drift. Torch-free.

Training records what it took (`result.json`); an export records size and latency of its file in the run's folder.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from visionft.core.amounts import count_text, duration_text, memory_text, size_text
from visionft.core.files import read_json, write_json
from visionft.core.records import none_if_unreadable
from visionft.training.runs.manifest import BEST_FOLDER, weights_hash
from visionft.training.runs.run_folder import Run

COST_FILE = "cost.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunCost:
    """The cost of a run; None stands for values that were not recorded.

    Attributes:
        seconds: Training time, reading the images included.
        memory_mb: Peak memory of training, in MiB: the device's on CUDA, else the process's.
        file_bytes: Size of `model.onnx` at the newest export.
        milliseconds: Median latency of an image at the newest export.
        drift: 1 - mean cosine similarity of validation features with the pretrained network's.
    """

    seconds: float | None = None
    memory_mb: int | None = None
    trainable_parameters: int | None = None
    file_bytes: int | None = None
    milliseconds: float | None = None
    drift: float | None = None

    def texts(self) -> tuple[str, ...]:
        """Return every value in words, in the order of the fields; empty where it is not known."""
        return (
            "" if self.seconds is None else duration_text(self.seconds),
            "" if self.memory_mb is None else memory_text(self.memory_mb),
            "" if self.trainable_parameters is None else count_text(self.trainable_parameters),
            "" if self.file_bytes is None else size_text(self.file_bytes),
            "" if self.milliseconds is None else f"{self.milliseconds:.1f} ms",
            "" if self.drift is None else f"{self.drift:.3f}",
        )


def cost_of_run(run: Run) -> RunCost:
    """Return the cost of a run, as far as training and exports recorded it."""
    result = run.result
    file_bytes, milliseconds = _file_cost(run.path) or (None, None)
    return RunCost(
        seconds=result.seconds if result else None,
        memory_mb=(result.peak_memory_mb or None) if result else None,  # 0 where an earlier version did not measure it
        trainable_parameters=result.trainable_parameters if result else None,
        file_bytes=file_bytes,
        milliseconds=milliseconds,
        # A continued run compared itself with the features of the earlier run.
        drift=result.feature_drift if result and not run.config.start_from else None,
    )


@none_if_unreadable
def _file_cost(run_dir: Path) -> tuple[int, float] | None:
    """Return size and latency of the exported file; None without a readable record of the current weights."""
    values: dict[str, Any] = read_json(run_dir / COST_FILE)
    current = weights_hash(run_dir / BEST_FOLDER)
    if current and values["weights"] != current:
        return None
    return int(values["shipped_bytes"]), float(values["time"]["median_ms"])


def write_file_cost(run_dir: Path, *, file_bytes: int, milliseconds: float) -> None:
    """Record size and latency of an exported file in the folder of its run."""
    weights = weights_hash(run_dir / BEST_FOLDER)
    values = {"weights": weights, "shipped_bytes": file_bytes, "time": {"median_ms": milliseconds}}
    write_json(run_dir / COST_FILE, values)
