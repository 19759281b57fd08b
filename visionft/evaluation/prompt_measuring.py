"""Which prompt helps: how right the answers of a text side are on labelled pictures, prompt by prompt. NumPy only.

Pictures of the test split are left out: prompts that were chosen on them would make their test a memory.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from models.catalog import DEFAULT_TEXT_BACKBONE, get_backbone
from visionft.data.types import Snapshot, SnapshotImage
from visionft.errors import NextStep, VisionFTError
from visionft.evaluation.metrics import average_precision, wilson_interval
from visionft.evaluation.prompt_points import Points, points_of
from visionft.events import OnEvent, ShouldStop, ignore_event, never_stop
from visionft.zero_shot.prompts import ClassTexts, all_texts, same_texts, texts_of
from visionft.zero_shot.templates import DEFAULT_TEMPLATES, TEMPLATE_SETS

_EQUAL = 1e-5  # cosines closer than this are of the same text


@dataclass(frozen=True, slots=True, kw_only=True)
class LineMeasure:
    """One line of a class, as if it alone stood for the class; the other classes keep all theirs.

    Attributes:
        line: What was written.
        accuracy: Share of all pictures that are right then; of several labels the mean average precision.
        recall: Share of the class's own pictures that are right; of several labels its average precision.
    """

    line: str
    accuracy: float
    recall: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassMeasure:
    """What the prompts of one class are worth.

    Attributes:
        class_name: Which class.
        is_name_alone: Whether nobody wrote a prompt, so that its name stands for it.
        pictures: Labelled pictures of it that were looked at.
        recall: Share of them that are right with all lines together; None without pictures.
        taken_for: The class that most of the others are taken for; empty where all are right.
        lines: Each line alone, in their order.
    """

    class_name: str
    is_name_alone: bool
    pictures: int
    recall: float | None
    taken_for: str
    lines: tuple[LineMeasure, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptReport:
    """How right answers from prompts are on labelled pictures.

    Attributes:
        backbone: Whose two sides.
        templates: The chosen set.
        measure: `accuracy`, or of several labels `average precision`.
        pictures: How many were looked at.
        accuracy: With all lines together.
        interval: Its 95 % interval (Wilson); of several labels none.
        by_templates: The same lines in each set of templates.
        by_names: Every class by its name alone, in the chosen templates.
        classes: In the classes' order.
        same: Groups of classes that the same texts stand for: they cannot be told apart.
    """

    backbone: str
    templates: str
    measure: str
    pictures: int
    accuracy: float
    interval: tuple[float, float] | None
    by_templates: dict[str, float]
    by_names: float
    classes: tuple[ClassMeasure, ...]
    same: tuple[tuple[str, ...], ...]


def measure_prompts(
    project_dir: Path,
    images: Snapshot,
    *,
    backbone: str = DEFAULT_TEXT_BACKBONE,
    templates: str = DEFAULT_TEMPLATES,
    on_event: OnEvent = ignore_event,
    should_stop: ShouldStop = never_stop,
) -> PromptReport:
    """Measure the prompts of a project on its labelled pictures.

    Args:
        project_dir: The project's folder.
        images: Its pictures, labels and prompts.
        backbone: One with a text side.
        templates: A key of `TEMPLATE_SETS`.
        on_event: Receives how far it is.
        should_stop: Asked before every batch.

    Raises:
        VisionFTError: No picture outside of the test split has a label, or what is needed cannot be had.
        StoppedError: The user stopped; what was computed is kept.
    """
    judged = tuple(image for image in images.images if image.labels and image.split != "test")
    if not judged:
        hint = "Label a few pictures of each class; those of the test split do not count."
        raise VisionFTError("No labelled picture can tell which prompt helps.", hint, NextStep("label"))
    per_set = {name: all_texts(images.class_names, images.prompts, name) for name in TEMPLATE_SETS}
    names_alone = all_texts(images.class_names, (), templates)
    lines = [_each_line(each, templates) for each in per_set[templates]]
    texts = _unique([*per_set.values(), names_alone, *lines])
    wanted = Snapshot(images.task, images.class_names, judged, images.prompts)
    points = points_of(project_dir, wanted, texts, get_backbone(backbone), on_event=on_event, should_stop=should_stop)
    return _Judge(points, texts, wanted).report(backbone, templates, per_set, names_alone, lines)


def _each_line(one: ClassTexts, templates: str) -> tuple[ClassTexts, ...]:
    return tuple(texts_of(one.class_name, (line,), templates) for line in one.lines)


def _unique(groups: Sequence[Sequence[ClassTexts]]) -> list[str]:
    return list(dict.fromkeys(text for group in groups for each in group for text in each.texts))


class _Judge:
    """Compares pictures with texts; what is the same of all questions is computed once."""

    def __init__(self, points: Points, texts: Sequence[str], images: Snapshot) -> None:
        self._places = {text: place for place, text in enumerate(texts)}
        self._points, self._names = points, images.class_names
        self._is_multilabel = images.task == "multi"
        self._targets = _targets(points.features.images, len(images.class_names))  # (N, C)
        self._measure: Callable[[np.ndarray], float] = (
            self._mean_precision if self._is_multilabel else self._share_right
        )

    def report(
        self,
        backbone: str,
        templates: str,
        per_set: dict[str, tuple[ClassTexts, ...]],
        names_alone: Sequence[ClassTexts],
        lines: Sequence[Sequence[ClassTexts]],
    ) -> PromptReport:
        chosen, count = per_set[templates], len(self._targets)
        scores = self._scores(chosen)
        accuracy = self._measure(scores)
        return PromptReport(
            backbone=backbone,
            templates=templates,
            measure="average precision" if self._is_multilabel else "accuracy",
            pictures=count,
            accuracy=accuracy,
            interval=None if self._is_multilabel else wilson_interval(accuracy * count, count),
            by_templates={name: self._measure(self._scores(classes)) for name, classes in per_set.items()},
            by_names=self._measure(self._scores(names_alone)),
            classes=tuple(
                self._class(scores, index, each, alone)
                for index, (each, alone) in enumerate(zip(chosen, lines, strict=True))
            ),
            same=same_texts(chosen),
        )

    def _scores(self, classes: Sequence[ClassTexts]) -> np.ndarray:
        """Return (N, C) cosines of pictures with classes."""
        return self._cosines(np.stack([self._point(each) for each in classes]))

    def _cosines(self, points: np.ndarray) -> np.ndarray:
        """Return (N, ...) cosines with points (..., E)."""
        return self._points.pictures @ points.T

    def _point(self, one: ClassTexts) -> np.ndarray:
        mean = self._points.texts[[self._places[text] for text in one.texts]].mean(axis=0)
        return mean / max(float(np.linalg.norm(mean)), 1e-12)

    def _class(self, scores: np.ndarray, index: int, one: ClassTexts, alone: Sequence[ClassTexts]) -> ClassMeasure:
        own = self._targets[:, index] > 0
        kept, found = scores[:, index].copy(), []
        for line, texts in zip(one.lines, alone, strict=True):
            scores[:, index] = self._cosines(self._point(texts))
            recall = self._recall(scores, index)
            found.append(LineMeasure(line=line, accuracy=self._measure(scores), recall=recall or 0.0))
        scores[:, index] = kept
        return ClassMeasure(
            class_name=one.class_name,
            is_name_alone=one.is_name_alone,
            pictures=int(own.sum()),
            recall=self._recall(scores, index),
            taken_for="" if self._is_multilabel else self._taken_for(scores[own], index),
            lines=tuple(found),
        )

    def _recall(self, scores: np.ndarray, index: int) -> float | None:
        own = self._targets[:, index] > 0
        if not own.any():
            return None
        if self._is_multilabel:
            return average_precision(scores[:, index], self._targets[:, index])
        return float((_answers(scores[own]) == index).mean())

    def _taken_for(self, scores: np.ndarray, index: int) -> str:
        answers = _answers(scores)
        wrong = np.bincount(answers[answers != index], minlength=len(self._names))
        return self._names[int(wrong.argmax())] if wrong.sum() else ""

    def _share_right(self, scores: np.ndarray) -> float:
        return float(self._targets[np.arange(len(scores)), _answers(scores)].mean())

    def _mean_precision(self, scores: np.ndarray) -> float:
        known = [index for index in range(scores.shape[1]) if self._targets[:, index].any()]
        return float(np.mean([average_precision(scores[:, index], self._targets[:, index]) for index in known]))


def _answers(scores: np.ndarray) -> np.ndarray:
    """Return the class (N,) that each row of scores (N, C) is highest at; of equal ones the first.

    Equal is what equal texts give: their cosines differ by a last digit, by how a processor adds up.
    """
    return (scores >= scores.max(axis=1, keepdims=True) - _EQUAL).argmax(axis=1)


def _targets(images: Sequence[SnapshotImage], classes: int) -> np.ndarray:
    targets = np.zeros((len(images), classes), np.float32)
    for row, image in zip(targets, images, strict=True):
        row[list(image.labels)] = 1
    return targets
