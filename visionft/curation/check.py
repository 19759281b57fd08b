"""What every check of the pictures is: a score for each picture, which of them it flags, why, and what can be done.

A check is one module with one row in `visionft.curation.table`; command line, window and report show whatever is there.
It reads a `Snapshot` and what was measured of the pictures, never the live project, and changes nothing.
"""

import json
import logging
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Final

from visionft.data.types import Snapshot, SnapshotImage
from visionft.errors import ProjectError
from visionft.events import OnEvent, ShouldStop, ignore_event, never_stop
from visionft.features.embedding import embedded
from visionft.features.feature_store import Features
from visionft.files import read_json, write_text
from visionft.project.edits.verdicts import Judged, pair_of
from visionft.project.queries import InProject

logger = logging.getLogger(__name__)

FOLDER: Final = "curation"
_FORMAT: Final = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What a check says of one picture.

    Attributes:
        image_id: The picture.
        sha256: Its content when it was looked at: of a picture edited since, nothing is said.
        score: 0 (nothing wrong) to 1 (surely wrong); what the threshold cuts, and what ranks.
        kind: Which of the check's kinds, such as `exact` or `near`, `blur` or `dark`.
        reason: Why, as a sentence for a person, with the numbers in it.
        related: Other pictures that it is about: the double's partner, the picture on the other side of a leak.
        group: Number of the group that it stands in; 0 for none.
        suggested: A class to give it; empty for none.
        doubted: A class that it has and perhaps should not have; empty for none.
        values: What was measured, by name, for whoever wants the numbers.
    """

    image_id: int
    sha256: str
    score: float
    kind: str
    reason: str
    related: tuple[int, ...] = ()
    group: int = 0
    suggested: str = ""
    doubted: str = ""
    values: Mapping[str, float] = field(default_factory=dict[str, float])


@dataclass(frozen=True, kw_only=True)
class CheckResult:
    """What a check found, the worst first, down to scores that are hardly worth a look.

    Attributes:
        check: Its name.
        findings: By falling score.
        threshold: Score from which a finding is flagged unless the user moves it.
        looked_at: Pictures that were looked at.
        unreadable: (image id, reason) of those that could not be.
        data: Digest of the snapshot that was looked at.
        newest: Highest id of a picture then: those above it came since.
        facts: More for people to know, by name: counts, a table as rows, what the threshold was set by.
    """

    check: str
    findings: tuple[Finding, ...]
    threshold: float
    looked_at: int
    unreadable: tuple[tuple[int, str], ...] = ()
    data: str = ""
    newest: int = 0
    facts: Mapping[str, Any] = field(default_factory=dict[str, Any])

    def flagged(self, threshold: float | None = None) -> tuple[Finding, ...]:
        """Return the findings at or above a threshold; the check's own when None."""
        least = self.threshold if threshold is None else threshold
        return tuple(finding for finding in self.findings if finding.score >= least)


@dataclass(frozen=True)
class Inputs:
    """What a check may look at. `features` are computed where they are missing, at the first use.

    Attributes:
        project_dir: The project's folder, for what is measured once and kept there.
        images: Pictures, labels and splits.
        on_event: Receives how far it is.
        should_stop: Asked often; then the check raises `StoppedError`, with what was measured kept.
    """

    project_dir: Path
    images: Snapshot
    on_event: OnEvent = ignore_event
    should_stop: ShouldStop = never_stop

    @cached_property
    def features(self) -> Features:
        """Return the features of all pictures.

        Raises:
            StoppedError: The user stopped; what was computed is kept.
            VisionFTError: As `embed`.
        """
        return embedded(self.project_dir, self.images, on_event=self.on_event, should_stop=self.should_stop)

    @cached_property
    def by_id(self) -> dict[int, SnapshotImage]:
        """Return the pictures by their ids."""
        return {image.image_id: image for image in self.images.images}


class Check(ABC):
    """One way to look for what is wrong with a project's pictures; stateless, one row in the table."""

    name: ClassVar[str]  # also the command: `label-errors`
    title: ClassVar[str]
    summary: ClassVar[str]  # one sentence: what it finds, and what to do about it

    @abstractmethod
    def look(self, inputs: Inputs) -> CheckResult:
        """Look at all pictures.

        Raises:
            StoppedError: The user stopped.
            ProjectError: There is nothing to look at, with what is needed first.
        """

    def run(self, inputs: Inputs) -> CheckResult:
        """Look at all pictures and keep the result in the project's folder."""
        if not inputs.images.images:
            raise ProjectError("There are no pictures yet.", "Import some first.")
        newest = max(image.image_id for image in inputs.images.images)
        result = replace(self.look(inputs), data=inputs.images.digest, newest=newest)
        write_result(inputs.project_dir, result)
        return result


def write_result(project_dir: Path, result: CheckResult) -> None:
    """Keep a result in the project's folder, in place of an earlier one of that check."""
    folder = project_dir / FOLDER
    folder.mkdir(exist_ok=True)
    text = json.dumps({"format": _FORMAT, **asdict(result)}, ensure_ascii=False)
    write_text(folder / f"{result.check}.json", text)


def read_result(project_dir: Path, check: str) -> CheckResult | None:
    """Return what a check found last; None where it never ran, or its file is damaged."""
    try:
        values = dict(read_json(project_dir / FOLDER / f"{check}.json"))
        if values.pop("format") != _FORMAT:
            return None
        findings = tuple(Finding(**{**each, "related": tuple(each["related"])}) for each in values.pop("findings"))
        unreadable = tuple((int(image_id), str(reason)) for image_id, reason in values.pop("unreadable"))
        return CheckResult(findings=findings, unreadable=unreadable, **values)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, KeyError) as error:
        logger.warning("What %s found cannot be read: %s", check, error)
        return None


def still_holding(result: CheckResult, images: Snapshot, judged: Judged) -> tuple[Finding, ...]:
    """Return the findings that still hold (`holds`).

    Args:
        result: What a check found.
        images: The project as it is now.
        judged: What a person has judged of this check (`verdicts_of`).
    """
    now = in_project(images)
    return tuple(finding for finding in result.findings if holds(finding, now, judged))


def in_project(images: Snapshot) -> dict[int, InProject]:
    """Return what pictures are now, by their ids."""
    names = images.class_names
    return {
        image.image_id: InProject(image.sha256, tuple(names[index] for index in image.labels))
        for image in images.images
    }


def holds(finding: Finding, now: Mapping[int, InProject], judged: Judged) -> bool:
    """Tell whether a finding still holds.

    It does not where its picture was removed or edited since, has the suggested class by now or the doubted one no
    more, where its related pictures are all gone or were all judged to be fine beside this one, and where a person has
    judged it to be fine by itself.

    Args:
        finding: What a check said of a picture.
        now: The pictures that are in the project, by their ids.
        judged: What a person has judged of that check.
    """
    picture = now.get(finding.image_id)
    if picture is None or picture.sha256 != finding.sha256 or (finding.image_id, 0) in judged:
        return False
    if finding.suggested in picture.labels or (finding.doubted and finding.doubted not in picture.labels):
        return False
    pairs = [pair_of(finding.image_id, other) for other in finding.related if other in now]
    return not finding.related or any(pair not in judged for pair in pairs)
