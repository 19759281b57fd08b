"""A proposal of labels, and the listing of a folder as it labels the images."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from models.messages import Message, listed
from visionft.data.types import Split
from visionft.foreign_text import printable
from visionft.project.formats.listing import Listing, SourceFile
from visionft.project.importing.label_sources import LabelSource, unread_files
from visionft.project.importing.readings import Evidence, Reading
from visionft.project.importing.survey import Survey, is_image
from visionft.project.importing.tree_reading import TreePlan, listing_of


@dataclass(frozen=True, kw_only=True)
class Proposal:
    """Labels of class folders, of label files, or of both: the one that wins first, the other for further images."""

    confidence: float
    plan: TreePlan | None = None  # of class folders
    source: LabelSource | None = None
    wins: Literal["source", "folders"] = "source"
    names: Mapping[str, str] = field(default_factory=dict[str, str])  # {class: the other source's name for it}
    agreement: float | None = None
    second: str = ""  # name of the file that agrees so far; empty where it is the source

    @property
    def title(self) -> Message:
        """The sources, with the first classes of folders."""
        folders = list(dict.fromkeys(self.plan.labels.values())) if self.plan else []
        if self.plan and self.source:
            return Message("Class folders and {files}", files=self.source.title)
        if self.source:
            return Message("Labels of {file}", file=self.source.title)
        return Message("Class folders: {names}", names=listed(list(map(printable, folders)), 3))


def evidence_of(listing: Listing, images: int, source: LabelSource | None, agreement: float | None = None) -> Evidence:
    """Return the evidence for a reading of so many images."""
    labelled = [each for each in listing.files if each.labels and (is_image(each) or not each.path.suffix)]
    return Evidence(
        images=images, labelled=len(labelled), classes=len({name for each in labelled for name in each.labels}),
        names=source.named if source else 0, found=source.found if source else 0,
        ambiguous=source.ambiguous if source else 0, agreement=agreement,
        is_submission=source is not None and source.is_submission,
    )  # fmt: skip


@dataclass(frozen=True)
class ListingBuilder:
    """Lists the files of a folder as a proposal labels them."""

    survey: Survey
    plan: TreePlan  # of the splits
    open: Sequence[LabelSource]  # label files without labels that can be taken as they are
    lists: Mapping[str, Split]  # {path of an image: its split in the lists of splits}
    foreign: str = ""  # the unsupported tool with label files in the folder

    def reading(self, proposal: Proposal) -> Reading:
        """Return a proposal as a reading."""
        listing = self._with_lists(self._listing(proposal))
        evidence = evidence_of(listing, self.survey.root.count, proposal.source, proposal.agreement)
        evidence = replace(evidence, second=proposal.second)
        return Reading(title=proposal.title, listing=listing, evidence=evidence, confidence=proposal.confidence)

    def without_labels(self) -> Reading:
        """Return the reading of all images without labels; the user has to decide about what is open there."""
        listing = self._with_lists(listing_of(self.survey, replace(self.plan, labels={}, looks=())))
        entries = [each for source in self.open for each in source.listing.interpretations]
        read = {file for source in self.open for file in source.read_files}
        if read:
            listing = replace(listing, files=tuple(each for each in listing.files if each.path not in read))
        is_open = [each for each in entries if each.has_only_marks or each.lacks_labels or each.is_unlabelled_by_choice]
        around = replace(listing.interpretations[0], foreign=self.foreign, unread=self._unread(()))
        listing = replace(listing, interpretations=(*is_open, around))
        evidence = Evidence(images=self.survey.root.count, labelled=0, classes=0)
        return Reading(title=Message("Images without labels"), listing=listing, evidence=evidence, confidence=0)

    def _with_lists(self, listing: Listing) -> Listing:
        """Return a listing with the splits of lists, for images without any."""
        if not self.lists:
            return listing
        files = (each if each.split else replace(each, split=self.lists.get(str(each.path))) for each in listing.files)
        return replace(listing, files=tuple(files))

    def _unread(self, read: Sequence[LabelSource]) -> tuple[str, ...]:
        files = unread_files(self.survey, read)
        return tuple(printable(file.relative_to(self.survey.source).as_posix()) for file in files)

    def _listing(self, proposal: Proposal) -> Listing:
        """Return the entries of the label file first, then all other files of the folder."""
        plan = replace(self.plan, labels={}) if proposal.plan is None else proposal.plan
        tree = listing_of(self.survey, plan)
        source = proposal.source
        if source is None:
            *first, last = tree.interpretations
            return replace(tree, interpretations=(*first, replace(last, unread=self._unread(()))))
        placed = {str(each.path): each for each in tree.files}
        names, splits = proposal.names, self._splits(source, placed)
        entries: list[SourceFile] = []
        for entry in source.listing.files:
            place = placed.get(path := str(entry.path))
            labels, others = entry.labels, place.labels if place else ()
            if proposal.wins == "folders":
                labels, others = others, labels
            labels = tuple(names.get(name, name) for name in labels or others)
            entries.append(replace(entry, labels=labels, split=splits.get(path)))
        read = set(map(str, source.read_files))
        listed_paths = {str(each.path) for each in entries}
        rest = (each for path, each in placed.items() if path not in listed_paths and path not in read)
        named: Mapping[str, str] = proposal.names if proposal.plan else {}
        others = (replace(each, labels=tuple(named.get(name, name) for name in each.labels)) for each in rest)
        *_, around = tree.interpretations
        return Listing(
            files=(*entries, *others), skipped=tree.skipped,
            unreadable=(*source.listing.unreadable, *tree.unreadable), classes=source.listing.classes or tree.classes,
            interpretations=(*source.listing.interpretations, replace(around, unread=self._unread((source,)))),
        )  # fmt: skip

    @staticmethod
    def _splits(source: LabelSource, placed: Mapping[str, SourceFile]) -> dict[str, Split]:
        """Return the splits: of the label file, of its name, or of the folder where the file tells none."""
        found: dict[str, Split] = {}
        has_splits = any(each.split_column for each in source.listing.interpretations)
        has_splits = has_splits or any(each.split for each in source.listing.files)
        for entry in source.listing.files:
            path = str(entry.path)
            place = placed.get(path)
            split = entry.split or (place.split if place and not has_splits else None)
            if split:
                found[path] = split
        return found
