"""What the checks found, as it holds now: read beside the window, then kept up to date change by change. No Qt here."""

import logging
from bisect import bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import compress
from pathlib import Path

from visionft.curation.check import FOLDER, CheckResult, Finding, holds, read_result
from visionft.curation.table import CHECKS
from visionft.errors import VisionFTError
from visionft.project.edits.verdicts import Judged, verdicts_of
from visionft.project.queries import ClassRow, InProject, class_rows
from visionft.project.store import Project

logger = logging.getLogger(__name__)


class Index:
    """Where the findings about each picture stand; made once for a result, it serves whatever holds of it."""

    def __init__(self, result: CheckResult) -> None:
        self._own: dict[int, list[int]] = {}
        self._related: dict[int, list[int]] = {}
        for place, finding in enumerate(result.findings):
            self._own.setdefault(finding.image_id, []).append(place)
            for other in finding.related:
                self._related.setdefault(other, []).append(place)

    def of(self, image_id: int) -> list[int]:
        """Return the places of what was found of a picture."""
        return self._own.get(image_id, [])

    def touching(self, image_ids: Iterable[int]) -> set[int]:
        """Return the places of all findings that these pictures have to do with."""
        parts = (places.get(image_id, ()) for image_id in image_ids for places in (self._own, self._related))
        return {place for part in parts for place in part}


@dataclass(frozen=True)
class Found:
    """What a check found.

    Attributes:
        result: Everything, as it was found.
        index: Of its findings by pictures.
        flags: Which of its findings hold now, a byte each.
        came_since: Pictures that are in the project and were not then.
    """

    result: CheckResult
    index: Index
    flags: bytes
    came_since: int

    @cached_property
    def findings(self) -> tuple[Finding, ...]:
        """The findings that hold now, by falling score."""
        return tuple(compress(self.result.findings, self.flags))

    def of(self, image_id: int) -> tuple[Finding, ...]:
        """Return those about a picture, the worst first."""
        return tuple(self.result.findings[place] for place in self.index.of(image_id) if self.flags[place])

    def count(self, threshold: float) -> int:
        """Return how many findings that hold have at least this score."""
        return bisect_right(self.findings, -threshold, key=lambda finding: -finding.score)


@dataclass(frozen=True)
class Read:
    """A project as the page last read it: what is in it, its classes, and what each check that looked found."""

    now: Mapping[int, InProject]
    classes: tuple[ClassRow, ...]
    found: Mapping[str, Found]


class ResultReader:
    """Reads a project with what was found in it; results are parsed again only when their files have changed."""

    def __init__(self) -> None:
        self._kept: dict[Path, tuple[int, tuple[CheckResult, Index] | None]] = {}

    def __call__(self, key: tuple[Project, int]) -> Read | None:
        """Read a project; safe in any thread. None where it was closed meanwhile, or its folder is gone."""
        project, _ = key
        try:
            return self._read(project)
        except (VisionFTError, OSError) as error:
            logger.warning("What was found was not read: %s", error)
            return None

    def _read(self, project: Project) -> Read:
        images = project.snapshot()
        names = images.class_names
        now = {
            image.image_id: InProject(image.sha256, tuple(names[index] for index in image.labels))
            for image in images.images
        }
        found = {
            name: found_now(*known, now, verdicts_of(project, name))
            for name in CHECKS
            if (known := self._result(project.path, name)) is not None
        }
        return Read(now, class_rows(project, images.class_counts(images.images)), found)

    def _result(self, project_dir: Path, check: str) -> tuple[CheckResult, Index] | None:
        file = project_dir / FOLDER / f"{check}.json"
        time = file.stat().st_mtime_ns if file.exists() else 0
        kept = self._kept.get(file)
        if kept is None or kept[0] != time:
            result = read_result(project_dir, check) if time else None
            kept = self._kept[file] = (time, (result, Index(result)) if result is not None else None)
        return kept[1]


def found_now(result: CheckResult, index: Index, now: Mapping[int, InProject], judged: Judged) -> Found:
    """Return what a check found, looking at each finding whether it holds."""
    flags = bytes(holds(finding, now, judged) for finding in result.findings)
    return Found(result, index, flags, sum(image_id > result.newest for image_id in now) if result.newest else 0)


def found_after(
    found: Found,
    touched: Iterable[int],
    before: Mapping[int, InProject],
    now: Mapping[int, InProject],
    judged: Judged,
) -> Found:
    """Return the same after a change to a few pictures; only findings about those are looked at."""
    flags, newest = bytearray(found.flags), found.result.newest
    for place in found.index.touching(touched):
        flags[place] = holds(found.result.findings[place], now, judged)
    newer = [image_id for image_id in touched if newest and image_id > newest]
    came = sum((image_id in now) - (image_id in before) for image_id in newer)
    return replace(found, flags=bytes(flags), came_since=found.came_since + came)
