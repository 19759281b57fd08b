"""Suggested labels for unlabelled images, a checked random sample of them, and the suggestions of a run.

The suggestions of a run are computed once and stored in its folder. Torch loads inside `suggest_labels` only.
"""

import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Self

import numpy as np

from models.heads.calibration import sigmoid, softmax
from visionft.core.errors import RunError
from visionft.core.files import parse_json, read_lines, write_text
from visionft.core.jobs import SILENT_JOB, JobCancelled, JobContext
from visionft.core.messages import Message
from visionft.core.records import none_if_unreadable
from visionft.data.types import Snapshot
from visionft.project.store import ProjectStore
from visionft.training.runs.run_folder import StoredRun, list_runs, read_run

SAMPLE = 150  # images to check unless another number is chosen
CONFIDENCE = 0.95  # of the bound


@dataclass(frozen=True, slots=True)
class AuditSample:
    """Suggestions that may be accepted, and the random sample of them to check.

    Attributes:
        suggested: {image id: class names} of all of them.
        images: The sample.
    """

    suggested: Mapping[int, tuple[str, ...]]
    images: tuple[int, ...]


def draw_sample(
    suggested: Mapping[int, tuple[str, ...]], *, size: int = SAMPLE, seed: int | None = None
) -> AuditSample:
    """Return a random sample of so many suggestions, or of all where there are no more."""
    ids = np.array(sorted(suggested))
    images = np.random.default_rng(seed).choice(ids, min(size, len(ids)), replace=False)
    return AuditSample(suggested, tuple(images.tolist()))


def least_right(right: int, checked: int) -> float:
    """Return the lower bound of the share of correct suggestions, exact and one-sided (Clopper and Pearson, 1934)."""
    from scipy.stats import binomtest  # takes long to load

    return float(binomtest(right, checked, alternative="greater").proportion_ci(CONFIDENCE, method="exact").low)


def unlabelled_images(project: ProjectStore) -> set[int]:
    """Return the images without a label, which a check and an acceptance may label."""
    return {row[0] for row in project.fetch("SELECT id FROM image WHERE removed_at IS NULL AND label_count = 0")}


FILE = "suggestions.jsonl"
FEATURES = "features"  # the other source beside runs, see `feature_suggester`


def uncertainties(probabilities: np.ndarray, thresholds: np.ndarray | None) -> np.ndarray:
    """Return the (N,) uncertainties of probabilities (N, C), from 0 (sure) to 1 (undecided).

    1 minus the margin between the two most probable classes (Scheffer et al. 2001); for several labels, how close the
    least decided class is to its threshold (C,).
    """
    if thresholds is not None:
        return 1 - np.abs(probabilities - thresholds).min(axis=1)
    if probabilities.shape[1] == 1:
        return 1 - probabilities[:, 0]
    top = np.partition(probabilities, -2, axis=1)[:, -2:]
    return 1 - (top[:, 1] - top[:, 0])


@dataclass(frozen=True, slots=True)
class Suggestion:
    """The suggestion for one image."""

    image_id: int
    sha256: str  # the content it was computed for: an image edited since has no suggestion
    classes: tuple[str, ...]  # the suggested labels: one class, or for several labels any number
    ranked: tuple[tuple[str, float], ...]  # (class, calibrated probability) of the most probable classes, best first
    uncertainty: float  # as `uncertainties`

    @classmethod
    def of(
        cls,
        image_id: int,
        sha256: str,
        probabilities: np.ndarray,
        *,
        class_names: Sequence[str],
        thresholds: np.ndarray | None,
    ) -> Self:
        """Return the suggestion for an image from calibrated probabilities (C,), in the order of `class_names`.

        For several labels each class is suggested from its threshold (C,).
        """
        order: list[int] = np.argsort(-probabilities, kind="stable").tolist()
        ranked = tuple((class_names[index], round(float(probabilities[index]), 6)) for index in order[:3])
        suggested = order[:1] if thresholds is None else [i for i in order if probabilities[i] >= thresholds[i]]
        uncertainty = float(uncertainties(probabilities[None].astype(np.float64), thresholds)[0])
        return cls(image_id, sha256, tuple(class_names[i] for i in suggested), ranked, round(uncertainty, 6))

    @property
    def confidence(self) -> float:
        return self.ranked[0][1] if self.ranked else 0.0


class Suggestions(Mapping[int, Suggestion]):
    """Suggestions by image id, each made on access: of 100,000 images a window shows a hundred."""

    def __init__(
        self,
        ids: np.ndarray,
        confidences: np.ndarray,
        uncertainties: np.ndarray,
        *,
        labels: tuple[np.ndarray, np.ndarray],
        class_names: Sequence[str],
        suggestion_at: Callable[[int], Suggestion],
    ) -> None:
        """Make suggestions.

        Args:
            ids: (N) images.
            confidences: (N) probabilities of the most probable classes.
            uncertainties: (N) as `uncertainties`.
            labels: (L) places of images and (L) class indices, one of each for each suggested label.
            class_names: Names of the classes, by index.
            suggestion_at: Returns the suggestion for the image at a place.
        """
        self.ids, self.confidences, self.uncertainties = ids, confidences, uncertainties
        self._labels, self._class_names, self._suggestion_at = labels, class_names, suggestion_at
        self._place_of: dict[int, int] = dict(zip(ids.tolist(), range(len(ids)), strict=True))

    @classmethod
    def of(cls, suggestions: Iterable[Suggestion]) -> Self:
        """Return suggestions that are known already."""
        known = list(suggestions)
        index_of: dict[str, int] = {}
        pairs = ((place, name) for place, suggestion in enumerate(known) for name in suggestion.classes)
        labels = [(place, index_of.setdefault(name, len(index_of))) for place, name in pairs]
        places, indices = np.array(labels, np.int64).reshape(-1, 2).T
        return cls(
            np.array([suggestion.image_id for suggestion in known], np.int64),
            np.array([suggestion.confidence for suggestion in known], np.float64),
            np.array([suggestion.uncertainty for suggestion in known], np.float64),
            labels=(places, indices),
            class_names=tuple(index_of),
            suggestion_at=known.__getitem__,
        )

    def __getitem__(self, image_id: int) -> Suggestion:
        return self._suggestion_at(self._place_of[image_id])

    def __iter__(self) -> Iterator[int]:
        return iter(self._place_of)

    def __len__(self) -> int:
        return len(self._place_of)

    def __contains__(self, image_id: object) -> bool:
        return image_id in self._place_of

    @property
    def expected_accuracy(self) -> float:
        return float(self.confidences.mean()) if len(self) else 0.0

    @cached_property
    def classes(self) -> frozenset[str]:
        return frozenset(self._class_names[index] for index in np.flatnonzero(np.bincount(self._labels[1])).tolist())

    def with_class(self, class_name: str) -> frozenset[int]:
        """Return the images with this suggested class."""
        if class_name not in self.classes:
            return frozenset()
        places, indices = self._labels
        return frozenset(self.ids[places[indices == self._class_names.index(class_name)]].tolist())

    @cached_property
    def by_confidence(self) -> tuple[np.ndarray, np.ndarray]:
        """The (N) images and their confidences, the least confident first."""
        order = np.argsort(self.confidences, kind="stable")
        return self.ids[order], self.confidences[order]

    def from_confidence(self, threshold: float) -> dict[int, Suggestion]:
        """Return the suggestions with at least this confidence, the least confident first."""
        ids, confidences = self.by_confidence
        first = int(np.searchsorted(confidences, threshold - 1e-9))
        return {image_id: self[image_id] for image_id in ids[first:].tolist()}


@dataclass(frozen=True, kw_only=True)
class SuggestReport:
    """Result of a suggestion job: images with a suggestion, unreadable ones, and whether it was cancelled."""

    run: str
    suggested: int
    unreadable: int
    stopped: bool


def suggest_labels(run_dir: Path, images: Snapshot, *, job: JobContext = SILENT_JOB) -> SuggestReport:
    """Classify the unlabelled images with a run's best checkpoint; store the suggestions in its folder.

    Probabilities are calibrated on the validation split where it has images. When the job is cancelled, the
    suggestions computed so far are kept.

    Raises:
        RunError: The run cannot be read.
        WeightsError: The run's pretrained weights are no longer available.
    """
    from visionft.training.evaluation.report import calibrate, logit_batches
    from visionft.training.retrieval import load_current_model

    model = load_current_model(read_run(run_dir), images, job=job)
    class_names = model.run.class_names
    unlabelled = [image for image in images.images if not image.labels]
    try:
        _, temperature, thresholds = calibrate(model, images, job=job)
    except (JobCancelled, RunError):  # or no image of the run's classes for calibration
        temperature = 1.0
        thresholds = np.full(len(class_names), 0.5) if images.task == "multi" else None
    found: list[Suggestion] = []
    stopped = bool(unlabelled) and job.is_cancelled
    if not stopped:
        for logits, places in logit_batches(model, unlabelled, stage=Message("Suggesting labels"), job=job):
            rows = (softmax if thresholds is None else sigmoid)(logits / temperature)
            for place, row in zip(places, rows, strict=True):
                key = unlabelled[place].image_id, unlabelled[place].sha256
                found.append(Suggestion.of(*key, row, class_names=class_names, thresholds=thresholds))
            stopped = job.is_cancelled
            if stopped:
                break
    write_suggestions(run_dir, found)
    missing = 0 if stopped else len(unlabelled) - len(found)
    return SuggestReport(run=model.run.name, suggested=len(found), unreadable=missing, stopped=stopped)


def write_suggestions(run_dir: Path, suggestions: Iterable[Suggestion]) -> None:
    """Store suggestions in a run's folder; they replace earlier ones."""
    lines = [json.dumps(asdict(suggestion), ensure_ascii=False) for suggestion in suggestions]
    write_text(run_dir / FILE, "".join(f"{line}\n" for line in lines))


def read_suggestions(run_dir: Path) -> Suggestions:
    """Return the suggestions of a run; empty if not stored or damaged."""
    return Suggestions.of(_read(run_dir) or ())


@none_if_unreadable
def _read(run_dir: Path) -> list[Suggestion]:
    suggestions: list[Suggestion] = []
    for line in map(parse_json, read_lines(run_dir / FILE)):
        ranked = tuple((sys.intern(str(name)), float(share)) for name, share in line["ranked"])
        classes = tuple(sys.intern(str(name)) for name in line["classes"])
        image_id, uncertainty = int(line["image_id"]), float(line["uncertainty"])
        suggestions.append(Suggestion(image_id, str(line["sha256"]), classes, ranked, uncertainty))
    return suggestions


def current_suggestions(project: ProjectStore, stored: Mapping[int, Suggestion]) -> Suggestions:
    """Return the stored suggestions that are still valid.

    A suggestion is left out if its image now has a label or a label conflict, or was removed or edited, and if it has
    no class or one that is no longer in the project.
    """
    if not stored:
        return Suggestions.of(())
    with project.reading() as connection:
        rows = connection.execute(
            """SELECT id, sha256 FROM image WHERE label_count = 0 AND removed_at IS NULL
                AND id NOT IN (SELECT image_id FROM conflict)"""
        )
        hashes: dict[int, str] = dict(rows.fetchall())
    names = set(project.summary().classes)
    return Suggestions.of(
        suggestion
        for image_id, suggestion in stored.items()
        if hashes.get(image_id) == suggestion.sha256 and suggestion.classes and names.issuperset(suggestion.classes)
    )


def suggesting_run(project_dir: Path) -> Path | None:
    """Return the folder of the run with the newest suggestions; None when no run has any."""
    dated_runs = [(path.stat().st_mtime_ns, path.parent) for path in (project_dir / "runs").glob(f"*/{FILE}")]
    return max(dated_runs)[1] if dated_runs else None


def runs_that_can_suggest(project_dir: Path) -> list[StoredRun]:
    """Return the runs with at least one whole epoch, the newest first."""
    return [run for run in reversed(list_runs(project_dir)) if run.best is not None]
