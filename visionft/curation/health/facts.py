"""What is known of a project's health, as plain values: for the page, the report and JSON."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from visionft.curation.check import Finding
from visionft.curation.leaks.honest_accuracy import HonestAccuracy
from visionft.data.types import Split, Task
from visionft.project.inventory import Inventory

State = Literal["never", "stale", "current"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassHealth:
    """One class.

    Attributes:
        pictures: With this label.
        splits: Of them by split, and under "unassigned" those without one.
        flagged: {name of a check: how many of its pictures that flags}.
    """

    name: str
    pictures: int
    splits: Mapping[str, int]
    flagged: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Balance:
    """How evenly the labels spread.

    Attributes:
        largest: Name and pictures of the largest class.
        smallest: Of the smallest.
        ratio: How many times the largest is the smallest; None where a class is empty.
        effective: As many classes of equal size would be as uncertain (exponential of the entropy; Hill 1973).
    """

    largest: tuple[str, int]
    smallest: tuple[str, int]
    ratio: float | None
    effective: float


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckHealth:
    """What a check found, as it holds now.

    Attributes:
        name: Its name, and the name of the view that shows more.
        title: What people call it.
        summary: What it looks for.
        state: Whether it ever looked, and whether labels, splits or pictures changed since.
        looked_at: Pictures that it looked at.
        flagged: Pictures that it flags.
        kinds: Findings by kind, the most frequent first.
        unreadable: Pictures that it could not look at.
        worst: The worst findings, some dozens.
        refusal: Why it could not look when it was asked to just now; empty where it could, or was not asked.
    """

    name: str
    title: str
    summary: str
    state: State
    looked_at: int = 0
    flagged: int = 0
    kinds: Mapping[str, int]
    unreadable: int = 0
    worst: tuple[Finding, ...] = ()
    refusal: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class WeakClass:
    """A class as a run recognises it.

    Attributes:
        recall: Share of its pictures that the run recognises; `interval` is the 95 % one.
        pictures: Of the class that were evaluated.
        mistaken_for: The class that it is most often taken for; empty for none.
        mistaken: How often.
        examples: Ids of pictures that the run gets wrong, the surest mistake first.
    """

    name: str
    recall: float
    interval: tuple[float, float]
    pictures: int
    mistaken_for: str
    mistaken: int
    examples: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunHealth:
    """The run that was evaluated last.

    Attributes:
        top1: Its share right; `interval` is the 95 % one.
        classes: The weakest first.
        honest: The same without the pictures whose partners it was trained on; None where it knew none.
    """

    run: str
    title: str
    split: Split
    pictures: int
    top1: float
    interval: tuple[float, float]
    classes: tuple[WeakClass, ...]
    honest: HonestAccuracy | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Advice:
    """Something worth doing, with what it rests on.

    Attributes:
        words: What to do, one sentence.
        evidence: The numbers behind it, one sentence.
        view: Name of the view or screen where it is done; empty where it is done with a camera.
        image_ids: Pictures that show it.
    """

    words: str
    evidence: str
    view: str = ""
    image_ids: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """A project's health.

    Attributes:
        project: The project's folder.
        labelled: Pictures that have a label.
        conflicts: Pictures that sources gave several classes and nobody has decided.
        classes: In the order of the class list.
        balance: None with fewer than two classes that have pictures.
        splits: Pictures by split, and under "unassigned".
        checks: Every check of the table.
        run: None where no run was evaluated.
        certificates: What audits of accepted labels prove, a sentence each.
        advice: What to do and to collect next, the most urgent first.
        paths: Of all pictures that are named here, by id.
        labels: Their classes, by id.
    """

    project: Path
    task: Task
    pictures: int
    labelled: int
    conflicts: int
    classes: tuple[ClassHealth, ...]
    balance: Balance | None
    splits: Mapping[str, int]
    inventory: Inventory
    checks: tuple[CheckHealth, ...]
    run: RunHealth | None
    certificates: tuple[str, ...]
    advice: tuple[Advice, ...] = ()
    paths: Mapping[int, Path]
    labels: Mapping[int, tuple[str, ...]]

    def check(self, name: str) -> CheckHealth | None:
        """Return what a check found; None where the table has no such check."""
        return next((check for check in self.checks if check.name == name), None)
