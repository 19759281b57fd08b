"""What the checks found, as it holds now: read beside the window, then kept up to date change by change. No Qt here."""

import logging
from bisect import bisect_right
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
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


@dataclass(frozen=True)
class Found:
    """What a check found.

    Attributes:
        result: Everything, as it was found.
        flags: Which of its findings hold now, a byte each.
        came_since: Pictures that are in the project and were not then.
    """

    result: CheckResult
    flags: bytes
    came_since: int

    @cached_property
    def findings(self) -> tuple[Finding, ...]:
        """The findings that hold now, by falling score."""
        return tuple(compress(self.result.findings, self.flags))

    @cached_property
    def by_image(self) -> dict[int, tuple[Finding, ...]]:
        """Those by their pictures, the worst first."""
        found: dict[int, tuple[Finding, ...]] = {}
        for finding in self.findings:
            found[finding.image_id] = (*found.get(finding.image_id, ()), finding)
        return found

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
        self._kept: dict[Path, tuple[int, CheckResult | None]] = {}

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
            name: found_now(result, now, verdicts_of(project, name))
            for name in CHECKS
            if (result := self._result(project.path, name)) is not None
        }
        return Read(now, class_rows(project, images.class_counts(images.images)), found)

    def _result(self, project_dir: Path, check: str) -> CheckResult | None:
        file = project_dir / FOLDER / f"{check}.json"
        time = file.stat().st_mtime_ns if file.exists() else 0
        kept = self._kept.get(file)
        if kept is None or kept[0] != time:
            kept = self._kept[file] = (time, read_result(project_dir, check) if time else None)
        return kept[1]


def found_now(result: CheckResult, now: Mapping[int, InProject], judged: Judged) -> Found:
    """Return what a check found, looking at each finding whether it holds."""
    flags = bytes(holds(finding, now, judged) for finding in result.findings)
    return Found(result, flags, _came_since(result, now))


def found_after(found: Found, touched: AbstractSet[int], now: Mapping[int, InProject], judged: Judged) -> Found:
    """Return the same after a change to a few pictures; only findings about those are looked at."""
    flags = bytearray(found.flags)
    for place, finding in enumerate(found.result.findings):
        if finding.image_id in touched or not touched.isdisjoint(finding.related):
            flags[place] = holds(finding, now, judged)
    return Found(found.result, bytes(flags), _came_since(found.result, now))


def _came_since(result: CheckResult, now: Mapping[int, InProject]) -> int:
    return sum(image_id > result.newest for image_id in now) if result.newest else 0
