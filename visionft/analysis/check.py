"""The interface of the checks: a score for each image, flagged issues, reasons, and suggested labels.

A check is one module with one row in `visionft.analysis.scan`; command line, window and report show its results
without further code. It reads a `Snapshot` and measurements of the images, never the live project, and changes nothing.
"""

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Final

from visionft.core.errors import ProjectError
from visionft.core.files import read_json, write_text
from visionft.core.jobs import SILENT_JOB, JobContext
from visionft.core.messages import Message, load_message, store_message
from visionft.core.records import none_if_unreadable
from visionft.data.types import Snapshot
from visionft.features.embedding import embedded
from visionft.features.feature_store import Features
from visionft.project.edits.verdicts import FineFindings, pair_of
from visionft.project.queries import ProjectImage

CURATION_FOLDER: Final = "curation"
MAX_EXACT_IMAGES: Final = 50_000  # with more, checks search approximately, as the time of an exact search is quadratic
APPROXIMATE: Final = "approximate"  # key in `facts`: whether a fast search stood for the exact one
APPROXIMATE_TEXT: Final = Message("This many images are compared approximately: a few issues may be missed.")
_FORMAT: Final = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Issue:
    """An issue of one image, found by a check."""

    HIDDEN: ClassVar = ("sha256", "related")

    image_id: int
    sha256: str  # the image's content at the time of the check: the issue is void for an image edited since
    score: float  # 0 (no issue) to 1 (surely an issue); used for the threshold and the order
    kind: str  # one of the check's kinds, such as `exact` or `near`, `blur` or `dark`
    reason: str
    related: tuple[int, ...] = ()  # ids of other images involved: duplicates, or the other side of a leak
    group: int = 0  # number of its group; 0 for none
    suggested: str = ""  # A class to assign; empty for none
    doubted: str = ""  # A class to remove, perhaps; empty for none
    values: Mapping[str, float] = field(default_factory=dict[str, float])


@dataclass(frozen=True, kw_only=True)
class CheckResult:
    """The result of a check; `facts` are more results by name: counts, rows of a table, the source of the threshold."""

    check: str
    issues: tuple[Issue, ...]  # by falling score (`Check.run` sorts them), down to scores hardly worth a review
    threshold: float  # default score from which an issue is flagged
    checked: int  # number of checked images
    unreadable: tuple[tuple[int, str], ...] = ()  # (image id, reason) of images not checked
    data: str = ""  # digest of the checked snapshot
    newest: int = 0  # highest image id at that time: higher ones were added since
    facts: Mapping[str, Any] = field(default_factory=dict[str, Any])

    @property
    def is_approximate(self) -> bool:
        """Whether there were too many images for an exact search: some issues may be missed."""
        return bool(self.facts.get(APPROXIMATE))

    def flagged(self, threshold: float | None = None) -> tuple[Issue, ...]:
        """Return the issues at or above a threshold; the check's own when None."""
        least = self.threshold if threshold is None else threshold
        return tuple(issue for issue in self.issues if issue.score >= least)


@dataclass(frozen=True)
class Inputs:
    """Inputs of a check: the project's folder for stored measurements, and its images."""

    project_dir: Path
    images: Snapshot
    job: JobContext = SILENT_JOB

    @cached_property
    def features(self) -> Features:
        """The features of all images, computed and stored at the first use; raises as `embedded`."""
        return embedded(self.project_dir, self.images, job=self.job)


class Check(ABC):
    """A check of a project's images for one kind of issue; one row in the table."""

    name: ClassVar[str]  # also the command: `label-errors`
    weight: ClassVar[float] = 1.0  # about its seconds for 1,000 images with features, until they are measured
    title: ClassVar[str]
    summary: ClassVar[str]  # one sentence: the issues, and the usual action
    kinds: ClassVar[tuple[str, ...]] = ()  # kinds of its issues; empty: all issues are alike

    @abstractmethod
    def find_issues(self, inputs: Inputs) -> CheckResult:
        """Check all images.

        Raises:
            JobCancelled: The user cancelled; measurements so far are stored.
            ProjectError: There is nothing to check; the error names the missing requirement.
        """

    def run(self, inputs: Inputs) -> CheckResult:
        """Check all images, and store the result in the project's folder."""
        if not inputs.images.images:
            raise ProjectError("There are no images yet.", "Import some first.")
        newest = max(image.image_id for image in inputs.images.images)
        found = self.find_issues(inputs)
        issues = tuple(sorted(found.issues, key=lambda issue: -issue.score))  # equal ones in the order of the check
        result = replace(found, issues=issues, data=inputs.images.digest, newest=newest)
        write_result(inputs.project_dir, result)
        return result


def write_result(project_dir: Path, result: CheckResult) -> None:
    """Store a result in the project's folder; it replaces an earlier one of that check."""
    folder = project_dir / CURATION_FOLDER
    folder.mkdir(exist_ok=True)
    values = {name: value for name, value in vars(result).items() if name not in ("issues", "checked")}
    issues = [{**asdict(issue), "reason": store_message(issue.reason)} for issue in result.issues]
    values = {**values, "findings": issues, "looked_at": result.checked}  # the names of format 2
    write_text(folder / f"{result.check}.json", json.dumps({"format": _FORMAT, **values}, ensure_ascii=False))


@none_if_unreadable
def read_result(project_dir: Path, check: str) -> CheckResult | None:
    """Return the last result of a check; None where it never ran, or its file is damaged."""
    values = dict(read_json(project_dir / CURATION_FOLDER / f"{check}.json"))
    if values.pop("format") != _FORMAT:
        return None
    issues = tuple(
        Issue(**{**finding, "related": tuple(finding["related"]), "reason": load_message(finding["reason"])})
        for finding in values.pop("findings")
    )
    unreadable = tuple((int(image_id), str(reason)) for image_id, reason in values.pop("unreadable"))
    values.pop("settings", None)  # version 0.2 stored the settings of third-party checks
    checked = values.pop("looked_at")
    return CheckResult(issues=issues, checked=checked, unreadable=unreadable, **values)


def open_issues(
    result: CheckResult, images: Snapshot, verdicts: FineFindings, *, threshold: float = 0.0, kind: str = ""
) -> tuple[Issue, ...]:
    """Return the issues of a result that are still open (`is_open`) in the current project.

    Args:
        threshold: The least score, 0 to 1.
        kind: Only issues of this kind; empty for all.
    """
    now = current_images(images)
    chosen = (issue for issue in result.issues if issue.score >= threshold and kind in ("", issue.kind))
    return tuple(issue for issue in chosen if is_open(issue, now, verdicts))


def current_images(images: Snapshot) -> dict[int, ProjectImage]:
    """Return {image id: content and class names} of a snapshot."""
    return {image.image_id: ProjectImage(image.sha256, images.labels_of(image)) for image in images.images}


def is_open(issue: Issue, now: Mapping[int, ProjectImage], verdicts: FineFindings) -> bool:
    """Return whether an issue is still open, given the current images and the user's verdicts on the check.

    An issue is closed if its image was removed or edited, if the image now has the suggested class or lost the doubted
    one, if all its related images are gone or were judged fine together with it, or if it was judged fine alone.
    """
    image = now.get(issue.image_id)
    if image is None or image.sha256 != issue.sha256 or (issue.image_id, 0) in verdicts:
        return False
    if issue.suggested in image.labels or (issue.doubted and issue.doubted not in image.labels):
        return False
    pairs = [pair_of(issue.image_id, other) for other in issue.related if other in now]
    return not issue.related or any(pair not in verdicts for pair in pairs)
