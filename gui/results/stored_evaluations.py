"""Evaluations of runs as they were read; one is read again only when its file has changed. No widgets."""

from pathlib import Path

from visionft.evaluation.stored import StoredEvaluation, evaluation_file, read_evaluation
from visionft.training.runs.run_folder import RunSummary


class StoredEvaluations:
    """Keeps what was read; each user has one of its own, as they read in different threads."""

    def __init__(self) -> None:
        self._read: dict[tuple[Path, str], tuple[int, StoredEvaluation | None]] = {}

    def get(self, run: RunSummary, split: str) -> StoredEvaluation | None:
        """Return a run's evaluation on a split; None where it was not measured."""
        file = Path(run.path) / evaluation_file(split)
        key, time = (run.path, split), file.stat().st_mtime_ns if file.exists() else 0
        if key not in self._read or self._read[key][0] != time:
            self._read[key] = (time, read_evaluation(run.path, split))
        return self._read[key][1]
