"""The open issues of the checks: read in the background, then updated with every change. No Qt here."""

from bisect import bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import compress
from pathlib import Path

from visionft.analysis.check import CURATION_FOLDER, CheckResult, Issue, current_images, is_open, read_result
from visionft.analysis.scan import CHECKS
from visionft.project.edits.verdicts import FineFindings, verdicts_of
from visionft.project.queries import ClassRow, ProjectImage, class_rows
from visionft.project.store import ProjectStore


class IssueIndex:
    """Positions of the issues in a result, open or not: by image, and by related image."""

    def __init__(self, result: CheckResult) -> None:
        self.own: dict[int, list[int]] = {}
        self.related: dict[int, list[int]] = {}
        for place, issue in enumerate(result.issues):
            self.own.setdefault(issue.image_id, []).append(place)
            for other in issue.related:
                self.related.setdefault(other, []).append(place)


@dataclass(frozen=True)
class LoadedIssues:
    """The stored result of a check, with one byte for each issue: whether it is open.

    `added_since` is the number of images added to the project since the check.
    """

    result: CheckResult
    index: IssueIndex
    flags: bytes
    added_since: int

    @cached_property
    def issues(self) -> tuple[Issue, ...]:
        """The open issues, by falling score."""
        return tuple(compress(self.result.issues, self.flags))

    def of(self, image_id: int) -> tuple[Issue, ...]:
        """Return the open issues of an image, the worst first."""
        return tuple(self.result.issues[place] for place in self.index.own.get(image_id, ()) if self.flags[place])

    def count(self, threshold: float) -> int:
        return bisect_right(self.issues, -threshold, key=lambda issue: -issue.score)


@dataclass(frozen=True)
class CurationData:
    """A project as last read: its images, its classes, and the issues of each check with a result."""

    now: Mapping[int, ProjectImage]
    classes: tuple[ClassRow, ...]
    results: Mapping[str, LoadedIssues]


class ResultReader:
    """Reads a project with its issues; results are parsed again only when their files have changed."""

    def __init__(self) -> None:
        self._parsed: dict[Path, tuple[int, tuple[CheckResult, IssueIndex] | None]] = {}

    def __call__(self, project: ProjectStore) -> CurationData:
        """Read a project; safe in any thread."""
        images = project.snapshot()
        now = current_images(images)
        results: dict[str, LoadedIssues] = {}
        for name in CHECKS:
            file = project.path / CURATION_FOLDER / f"{name}.json"
            time = file.stat().st_mtime_ns if file.exists() else 0
            if file not in self._parsed or self._parsed[file][0] != time:
                result = read_result(project.path, name) if time else None
                self._parsed[file] = (time, (result, IssueIndex(result)) if result is not None else None)
            if (parsed := self._parsed[file][1]) is not None:
                results[name] = issues_now(*parsed, now, verdicts_of(project, name))
        return CurationData(now, class_rows(project, images.class_counts(images.images)), results)


def issues_now(
    result: CheckResult, index: IssueIndex, now: Mapping[int, ProjectImage], verdicts: FineFindings
) -> LoadedIssues:
    """Return the issues of a check, every one tested for being open."""
    flags = bytes(is_open(issue, now, verdicts) for issue in result.issues)
    return LoadedIssues(result, index, flags, sum(each > result.newest for each in now) if result.newest else 0)


def issues_after(
    issues: LoadedIssues,
    touched: Iterable[int],
    before: Mapping[int, ProjectImage],
    now: Mapping[int, ProjectImage],
    verdicts: FineFindings,
) -> LoadedIssues:
    """Return the issues after a change to a few images; only issues of those are tested again."""
    flags = bytearray(issues.flags)
    newest = issues.result.newest
    for image_id in touched:
        for place in (*issues.index.own.get(image_id, ()), *issues.index.related.get(image_id, ())):
            flags[place] = is_open(issues.result.issues[place], now, verdicts)
    newer = [image_id for image_id in touched if newest and image_id > newest]
    added = sum((image_id in now) - (image_id in before) for image_id in newer)
    return replace(issues, flags=bytes(flags), added_since=issues.added_since + added)
