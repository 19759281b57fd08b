"""What a project knows of the pictures behind a model, for the record of an export. Torch-free."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from visionft.curation.check import read_result
from visionft.curation.duplicates.check import Duplicates, duplicate_groups
from visionft.curation.leaks.check import Leaks, Together, together_now
from visionft.project.edits.certificates import Certificate, certificates_of
from visionft.project.edits.changes import LabelSource
from visionft.project.edits.verdicts import verdicts_of
from visionft.project.queries import ImageFilter, count_images, remarks
from visionft.project.store import Project

_SOURCES: tuple[LabelSource, ...] = ("person", "import", "suggestion")


@dataclass(frozen=True, kw_only=True)
class Doubles:
    """What the search for near-duplicates found: groups of two pictures or more, and how many are in one."""

    groups: int
    pictures: int
    looked_at: int


@dataclass(frozen=True, kw_only=True)
class ProjectFacts:
    """What is known of a project beside its pictures, labels and splits.

    Attributes:
        certificates: What is proven of its labels.
        remarks: {image id: (note, tags)}.
        labelled_by: How many pictures have a label from each source.
        together: Which pictures belong together; None where nobody looked for leaks.
        doubles: None where nobody looked for them.
    """

    certificates: Sequence[Certificate] = ()
    remarks: Mapping[int, tuple[str, tuple[str, ...]]] = field(default_factory=dict[int, tuple[str, tuple[str, ...]]])
    labelled_by: Mapping[LabelSource, int] = field(default_factory=dict[LabelSource, int])
    together: Together | None = None
    doubles: Doubles | None = None


NOTHING_KNOWN = ProjectFacts()


def facts_of(project: Project) -> ProjectFacts:
    """Read what a project knows of its pictures."""
    leaks = read_result(project.path, Leaks.name)
    return ProjectFacts(
        certificates=certificates_of(project),
        remarks=remarks(project),
        labelled_by={source: count_images(project, ImageFilter(source=source)) for source in _SOURCES},
        together=together_now(project, leaks) if leaks is not None else None,
        doubles=_doubles(project),
    )


def _doubles(project: Project) -> Doubles | None:
    result = read_result(project.path, Duplicates.name)
    if result is None:
        return None
    groups = duplicate_groups(result, fine=verdicts_of(project, Duplicates.name))
    return Doubles(groups=len(groups), pictures=sum(len(each.image_ids) for each in groups), looked_at=result.looked_at)
