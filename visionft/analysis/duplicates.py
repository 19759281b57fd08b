"""The check for duplicates: identical pixels, or copies (resized, cropped, turned, recompressed).

`duplicate_pairs` finds the pairs, which the result stores; `duplicate_groups` makes groups of them at any threshold.
"""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import replace
from itertools import islice
from pathlib import Path

from visionft.analysis.check import Check, CheckResult, Inputs, Issue, read_result
from visionft.analysis.duplicate_groups import duplicate_groups, duplicate_pairs
from visionft.core.messages import Message
from visionft.data.types import SnapshotImage

_MAX_RELATED = 20  # related images of an issue in addition to the compared ones


class Duplicates(Check):
    """Find duplicate images in the project."""

    name = "duplicates"
    weight = 4.0
    title = Message("Duplicates")
    summary = Message("Duplicate images, also resized, cropped or rotated: keep the best of each group.")

    kinds = ("exact", "near")

    def find_issues(self, inputs: Inputs) -> CheckResult:
        """Compare all images; `facts` hold the pairs, used by `duplicate_groups` to build groups at any threshold."""
        from visionft.analysis.duplicate_pairs import compare_all  # loads OpenCV

        result = compare_all(inputs, check=self.name)
        return replace(result, issues=_issues(result, inputs.images.by_id))


def known_groups(project_dir: Path) -> dict[int, int]:
    """Return {image id: number of its group} of the last duplicate check; empty before its first run."""
    result = read_result(project_dir, Duplicates.name)
    return {issue.image_id: issue.group for issue in result.issues if issue.group} if result is not None else {}


def _issues(result: CheckResult, images: Mapping[int, SnapshotImage]) -> tuple[Issue, ...]:
    """Return an issue for each image in a pair, at any score, with its group at the default threshold."""
    group_of = {
        image_id: (number, group)
        for number, group in enumerate(duplicate_groups(result), 1)
        for image_id in group.image_ids
    }
    partners: defaultdict[int, list[tuple[float, int]]] = defaultdict(list)
    for pair in duplicate_pairs(result):
        partners[pair.first].append((pair.score, pair.second))
        partners[pair.second].append((pair.score, pair.first))
    issues: list[Issue] = []
    for image_id, others in partners.items():
        others.sort(reverse=True)
        score, nearest = others[0]
        number, group = group_of.get(image_id, (0, None))
        related = tuple(other for _, other in others)
        if group is not None:  # its group first, and some equal images without a comparison
            within = frozenset(group.image_ids)
            compared = {image_id, *related}
            more = (other for other in group.image_ids if other not in compared)
            related = (*sorted(related, key=lambda other: other not in within), *islice(more, _MAX_RELATED))
        name = images[nearest].path.name
        if score >= 1:
            reason = Message("The same pixels as {name}.", name=name)
        else:
            reason = Message("Correlation with {name}: {share}.", name=name, share=f"{score:.0%}")
        issues.append(
            Issue(
                image_id=image_id,
                sha256=images[image_id].sha256,
                score=round(score, 4),
                kind="exact" if score >= 1 else "near",
                reason=reason,
                related=related,
                group=number,
                values={"correlation": round(score, 4)},
            )
        )
    return tuple(sorted(issues, key=lambda issue: (-issue.score, issue.group, issue.image_id)))
