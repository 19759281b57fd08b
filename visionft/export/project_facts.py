"""Facts of a project for the record of an export: certificates, notes, label sources and duplicates. Torch-free."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import get_args

from visionft.curation.check import read_result
from visionft.curation.duplicates.duplicate_check import Duplicates
from visionft.curation.duplicates.duplicate_groups import duplicate_groups
from visionft.curation.leaks.leak_check import Leaks, RelatedImages, related_images
from visionft.project.edits.certificates import Certificate, certificates_of
from visionft.project.edits.changes import LabelSource
from visionft.project.edits.verdicts import verdicts_of
from visionft.project.queries import ImageFilter, count_images, remarks
from visionft.project.store import Project

Remarks = Mapping[int, tuple[str, tuple[str, ...]]]  # {image id: (note, tags)}


@dataclass(frozen=True, kw_only=True)
class ProjectFacts:
    """Facts of a project beside its images, labels and splits.

    Attributes:
        labelled_by: Number of images with a label of each source.
        related: None without a leak check.
        duplicates: Numbers of near-duplicate groups, of images in them, and of images compared; None without a check.
    """

    certificates: Sequence[Certificate] = ()
    remarks: Remarks = field(default_factory=dict[int, tuple[str, tuple[str, ...]]])
    labelled_by: Mapping[LabelSource, int] = field(default_factory=dict[LabelSource, int])
    related: RelatedImages | None = None
    duplicates: Mapping[str, int] | None = None


NO_FACTS = ProjectFacts()


def facts_of(project: Project) -> ProjectFacts:
    leaks, pairs = read_result(project.path, Leaks.name), read_result(project.path, Duplicates.name)
    duplicates = None
    if pairs is not None:
        groups = duplicate_groups(pairs, fine=verdicts_of(project, Duplicates.name))
        images = sum(len(each.image_ids) for each in groups)
        duplicates = {"groups": len(groups), "images": images, "looked_at": pairs.checked}
    return ProjectFacts(
        certificates=certificates_of(project),
        remarks=remarks(project),
        labelled_by={source: count_images(project, ImageFilter(source=source)) for source in get_args(LabelSource)},
        related=related_images(project, leaks) if leaks is not None else None,
        duplicates=duplicates,
    )
