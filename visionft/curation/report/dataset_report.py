"""The dataset report as plain values: for the page, the HTML file and JSON."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

from models.messages import Message
from visionft.amounts import FEW
from visionft.curation.check import Issue
from visionft.curation.leaks.leak_free_accuracy import LeakFreeAccuracy
from visionft.data.types import Split, Task

State = Literal["never", "stale", "current"]  # whether a check ever ran, and whether the project changed since


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassSummary:
    """One class: its images, also by split ("unassigned" without one), and {check: number of its flagged images}."""

    name: str
    images: int
    splits: Mapping[str, int]
    flagged: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassBalance:
    """Class balance of the labels: the name and size of the largest and of the smallest class."""

    largest: tuple[str, int]
    smallest: tuple[str, int]
    ratio: float | None  # size of the largest divided by the smallest; None where a class is empty
    effective: float  # effective number of classes (exponential of the entropy; Hill 1973)

    @property
    def is_even(self) -> bool:
        return self.largest[1] == self.smallest[1]


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckSummary:
    """The open issues of a check."""

    name: str  # its name, and the name of the view with details
    title: str
    summary: str
    state: State
    checked: int = 0
    flagged: int = 0
    groups: int | None = None  # number of groups in its view; None for a check of single images
    kinds: Mapping[str, int]  # issues by kind, the most frequent first
    unreadable: int = 0
    is_approximate: bool = False  # whether there were too many images for an exact search
    worst: tuple[Issue, ...] = ()  # the worst issues, some dozens
    skipped: str = ""  # why it could not run just now, or why its issues are not meaningful; else empty


@dataclass(frozen=True, slots=True, kw_only=True)
class WeakClass:
    """A class with a low recall in a run."""

    name: str
    recall: float
    interval: tuple[float, float]  # the 95 % interval of the recall
    images: int
    mistaken_for: str  # the class most often predicted instead, `mistaken` times; empty for none
    mistaken: int
    image_ids: tuple[int, ...]  # ids of misclassified images, the most confident first

    @property
    def share(self) -> str:
        """The recall in words: `2` of a few, `40%` of many."""
        return f"{round(self.recall * self.images)}" if self.images < FEW else f"{self.recall:.0%}"


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluatedRun:
    """The most recently evaluated run: its accuracy with its 95 % interval, and its classes, the weakest first.

    `leak_free` is its accuracy without leaked images; None where there are none. `is_unseen`: whether no image of the
    split trained or chose the run.
    """

    run: str
    title: str
    split: Split
    images: int
    top1: float
    interval: tuple[float, float]
    classes: tuple[WeakClass, ...]
    leak_free: LeakFreeAccuracy | None = None
    is_unseen: bool = True

    @property
    def images_of(self) -> str:
        """The split in words, with a warning where it is not unseen."""
        return (
            self.split if self.is_unseen else Message("{split} (used to choose it: likely too high)", split=self.split)
        )


@dataclass(frozen=True, slots=True)
class Recommendation:
    """A recommended action and its evidence, a sentence each, with example images.

    `view` is the view or screen where it is done; empty where it is done with a camera.
    """

    action: str
    evidence: str
    view: str = ""
    image_ids: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetReport:
    """A dataset report."""

    HIDDEN: ClassVar = ("paths",)

    project: Path
    task: Task
    images: int
    labelled: int
    conflicts: int  # number of images with an unresolved label conflict between sources
    classes: tuple[ClassSummary, ...]  # in the order of the class list
    balance: ClassBalance | None  # none with fewer than two non-empty classes
    splits: Mapping[str, int]  # images by split, and under "unassigned"
    checks: tuple[CheckSummary, ...]  # every check of the table
    run: EvaluatedRun | None  # none where no run was evaluated
    recommendations: tuple[Recommendation, ...] = ()  # the most urgent first
    paths: Mapping[int, Path]  # of all images in the report, by id

    def check(self, name: str) -> CheckSummary | None:
        """Return the summary of a check; None where the table has no such check."""
        return next((check for check in self.checks if check.name == name), None)
