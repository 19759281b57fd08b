"""What a run would call pictures that nobody has labelled yet: made once, kept in the run's folder.

Torch loads inside `suggest_labels` only; reading is cheap.
"""

import json
import logging
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from visionft.calibration import sigmoid, softmax
from visionft.data.types import Snapshot, SnapshotImage
from visionft.errors import RunError
from visionft.events import OnEvent, ShouldStop, ignore_event, never_stop
from visionft.files import parse_json, read_lines, write_text
from visionft.project.store import Project
from visionft.training.runs.run_folder import RunSummary, list_runs, read_run

if TYPE_CHECKING:
    from visionft.training.runs.answerer import Answerer

logger = logging.getLogger(__name__)
FILE = "suggestions.jsonl"
KEPT = 3  # probabilities per picture
FEATURES = "features"  # the other source beside runs, see `feature_suggester`
TASK_LIMIT = 0.5  # for several labels: the probability from which a class is suggested when none was fitted


@dataclass(frozen=True, slots=True)
class Suggestion:
    """What a run says of one picture.

    Attributes:
        sha256: The content it was said of: a picture edited since has no suggestion.
        classes: What would be assigned: one class, or for several labels any number.
        ranked: (class, calibrated probability) of the most probable classes, best first.
        uncertainty: 0 (sure) to 1 (undecided): 1 minus the margin between the two most probable classes (Scheffer et
            al. 2001); for several labels, how close the least decided class is to its threshold.
    """

    image_id: int
    sha256: str
    classes: tuple[str, ...]
    ranked: tuple[tuple[str, float], ...]
    uncertainty: float

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
        """Return what calibrated probabilities (C,) suggest for a picture.

        Args:
            image_id: The picture.
            sha256: Its content.
            probabilities: In the order of `class_names`.
            class_names: (C).
            thresholds: (C,) for several labels, from where each class is suggested; None for one label.
        """
        order: list[int] = np.argsort(-probabilities, kind="stable").tolist()
        best = [(class_names[index], float(probabilities[index])) for index in order[:KEPT]]
        ranked = tuple((name, round(share, 6)) for name, share in best)
        if thresholds is None:
            classes = (best[0][0],)
            uncertainty = 1.0 - best[0][1] + (best[1][1] if len(best) > 1 else 0.0)
        else:
            classes = tuple(class_names[index] for index in order if probabilities[index] >= thresholds[index])
            uncertainty = 1.0 - float(np.abs(probabilities - thresholds).min())
        return cls(image_id, sha256, classes, ranked, round(uncertainty, 6))

    @property
    def confidence(self) -> float:
        """Return the probability of the most probable class."""
        return self.ranked[0][1] if self.ranked else 0.0


@dataclass(frozen=True, kw_only=True)
class SuggestReport:
    """What became of a go: pictures with a suggestion, those that could not be read, whether it was stopped."""

    run: str
    suggested: int
    unreadable: int
    stopped: bool


def suggest_labels(
    run_dir: Path,
    images: Snapshot,
    *,
    on_event: OnEvent = ignore_event,
    should_stop: ShouldStop = never_stop,
) -> SuggestReport:
    """Classify the pictures without a label with a run's best checkpoint; keep the suggestions in its folder.

    Probabilities are calibrated on the validation split where it has pictures. When `should_stop` says so, what was
    found until then is kept.

    Raises:
        RunError: The run cannot be read.
        WeightsError: The pretrained weights that the run started from are no longer at hand.
    """
    from visionft.evaluation.report import logit_batches
    from visionft.retrieval.refreshing import load_current

    answerer = load_current(read_run(run_dir), images, on_event=on_event, should_stop=should_stop)
    unlabelled = [image for image in images.images if not image.labels]
    temperature, thresholds = _calibration(answerer, images, on_event, should_stop)
    found: list[Suggestion] = []
    stopped = bool(unlabelled) and should_stop()
    if not stopped:
        for logits, places in logit_batches(answerer, unlabelled, stage="Suggesting labels", on_event=on_event):
            chosen = [unlabelled[place] for place in places]
            found += _suggestions(answerer.run, chosen, logits / temperature, thresholds)
            stopped = should_stop()
            if stopped:
                break
    write_suggestions(run_dir, found)
    missing = 0 if stopped else len(unlabelled) - len(found)
    return SuggestReport(run=answerer.run.name, suggested=len(found), unreadable=missing, stopped=stopped)


def _calibration(
    answerer: "Answerer", images: Snapshot, on_event: OnEvent, should_stop: ShouldStop
) -> tuple[float, np.ndarray | None]:
    """Return the temperature, and for several labels each class's threshold, fitted on validation where it can be."""
    from visionft.evaluation.report import calibrate

    try:
        return calibrate(answerer, images, on_event=on_event, should_stop=should_stop)[1:]
    except RunError:  # no picture of the run's classes to calibrate on
        is_multilabel = images.task == "multi"
        return 1.0, np.full(len(answerer.run.class_names), TASK_LIMIT) if is_multilabel else None


def _suggestions(
    run: RunSummary, images: list[SnapshotImage], scaled: np.ndarray, thresholds: np.ndarray | None
) -> Iterator[Suggestion]:
    """Yield a suggestion per picture from outputs (B, C), already divided by the temperature."""
    for image, row in zip(images, softmax(scaled) if thresholds is None else sigmoid(scaled), strict=True):
        yield Suggestion.of(image.image_id, image.sha256, row, class_names=run.class_names, thresholds=thresholds)


def write_suggestions(run_dir: Path, suggestions: Iterable[Suggestion]) -> None:
    """Keep suggestions in a run's folder, in place of earlier ones."""
    lines = [
        json.dumps(
            {
                "image_id": each.image_id,
                "sha256": each.sha256,
                "classes": each.classes,
                "ranked": each.ranked,
                "uncertainty": each.uncertainty,
            },
            ensure_ascii=False,
        )
        for each in suggestions
    ]
    write_text(run_dir / FILE, "".join(f"{line}\n" for line in lines))


def current_suggestions(project: Project, stored: Mapping[int, Suggestion]) -> dict[int, Suggestion]:
    """Return those of the stored suggestions that still hold, by picture id.

    Left out are pictures that have a label by now, were removed or edited, or wait for a person because sources
    disagree on them, and classes the project no longer has.
    """
    if not stored:
        return {}
    with project.reading() as connection:
        query = (
            "SELECT id, sha256 FROM image WHERE label_count = 0 AND removed_at IS NULL "
            "AND id NOT IN (SELECT image_id FROM conflict)"
        )
        contents: dict[int, str] = dict(connection.execute(query).fetchall())
    names = set(project.summary().classes)
    return {
        image_id: each
        for image_id, each in stored.items()
        if contents.get(image_id) == each.sha256 and each.classes and names.issuperset(each.classes)
    }


def read_suggestions(run_dir: Path) -> dict[int, Suggestion]:
    """Return the suggestions of a run by picture id; none when there are none or the file is damaged."""
    try:
        lines = read_lines(run_dir / FILE)
        return {each.image_id: each for each in (_suggestion(parse_json(line)) for line in lines)}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, TypeError, KeyError, OverflowError) as error:
        logger.warning("The suggestions in %s cannot be read: %s", run_dir, error)
        return {}


def _suggestion(line: dict[str, Any]) -> Suggestion:
    ranked = tuple((sys.intern(str(name)), float(share)) for name, share in line["ranked"])
    classes = tuple(sys.intern(str(name)) for name in line["classes"])
    return Suggestion(int(line["image_id"]), str(line["sha256"]), classes, ranked, float(line["uncertainty"]))


def suggesting_run(project_dir: Path) -> Path | None:
    """Return the folder of the run whose suggestions are the newest; None when no run has any."""
    found = [(path.stat().st_mtime_ns, path.parent) for path in (project_dir / "runs").glob(f"*/{FILE}")]
    return max(found)[1] if found else None


def runs_that_can_suggest(project_dir: Path) -> list[RunSummary]:
    """Return the runs with at least one whole epoch, the newest first."""
    return [run for run in reversed(list_runs(project_dir)) if run.best is not None]
