"""Readings of a source: each is one way to understand its labels, with the evidence for it, most plausible first."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from models.messages import Message, sentences
from visionft.data.decode import IMAGE_SUFFIXES
from visionft.errors import ProjectError
from visionft.project.formats.listing import AUTOMATIC, LabelChoice, Listing, SourceFile
from visionft.project.importing.label_sources import LabelSource
from visionft.project.importing.survey import is_image
from visionft.project.names import count_of

_EXAMPLES = 4  # images shown for each class and split
_UNLABELLED_EXAMPLES = 24  # images shown where none has a class
_MOST_EXAMPLES = 1000  # classes with examples


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """The counts for and against a reading."""

    images: int  # in the source
    labelled: int  # images with a class
    classes: int
    names: int = 0  # distinct image names in its tables and label files
    found: int = 0  # names of exactly one image
    ambiguous: int = 0  # names of several images, left unresolved
    agreement: float | None = None  # share of equal labels where a second source labels the same images; None for none
    second: str = ""  # name of the second source; empty where the reading joins both
    is_submission: bool = False  # a form for predictions: constant labels, or of test images only

    def words(self) -> Message:
        """Return the counts as sentences."""
        classes = count_of(self.classes, "class")
        parts = [Message("{classes}, {images}.", classes=classes, images=count_of(self.images, "image"))]
        if self.labelled < self.images:
            values = {"labelled": f"{self.labelled:,}", "images": f"{self.images:,}"}
            parts = [Message("{classes}; {labelled} of {images} images have one.", classes=classes, **values)]
        if self.found < self.names:
            values = {"found": f"{self.found:,}", "names": f"{self.names:,}"}
            parts.append(Message("{found} of {names} names lead to one image.", **values))
        if self.ambiguous:
            parts.append(Message("{count} name leads to several images.", "{count} names lead to several images.",
                                 count=self.ambiguous))  # fmt: skip
        if self.agreement is not None:
            share = f"{self.agreement:.0%}"
            both = Message("Both agree on {share} of the images.", share=share)
            one = Message("{file} agrees on {share} of the images.", file=self.second, share=share)
            parts.append(one if self.second else both)
        if self.is_submission:
            parts.append(Message("It looks like a form for predictions."))
        return sentences(*parts)


@dataclass(frozen=True, kw_only=True)
class Reading:
    """One way to understand a source."""

    title: Message
    listing: Listing
    evidence: Evidence
    is_sure: bool  # imported without the user's choice, where it is the first
    choice: LabelChoice = AUTOMATIC  # that gives the same labels; automatic where none does


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadingSummary:
    """A reading as plain data, for a person's choice; counts are of listed files, before any is opened."""

    title: str
    evidence: str
    is_sure: bool
    classes: dict[str, int]  # images by class
    unlabelled: int
    class_splits: dict[str, dict[str, int]]  # images of each class (empty for none) by split, without those of none
    # 4 images of each of the first 1,000 classes (empty for none) and split (empty for none), more where none has one.
    examples: dict[str, dict[str, tuple[Path, ...]]]
    choice: LabelChoice = AUTOMATIC  # that gives the same labels as an option; automatic where none does


def evidence_of(
    listing: Listing, images: int, source: LabelSource | None = None, agreement: float | None = None
) -> Evidence:
    """Return the evidence for a reading of so many images."""
    labelled = [each for each in listing.files if each.labels and (is_image(each) or not each.path.suffix)]
    return Evidence(
        images=images, labelled=len(labelled), classes=len({name for each in labelled for name in each.labels}),
        names=source.named if source else 0, found=source.found if source else 0,
        ambiguous=source.ambiguous if source else 0, agreement=agreement,
        is_submission=source is not None and source.is_submission,
    )  # fmt: skip


def may_be_image(file: SourceFile) -> bool:
    """Return whether a file may be an image, by its suffix or for want of one."""
    suffix = file.suffix
    return not suffix or suffix in IMAGE_SUFFIXES


def summary_of(reading: Reading, *, has_examples: bool = True) -> ReadingSummary:
    """Return a reading as plain data; without examples where its files are temporary."""
    images: defaultdict[str, defaultdict[str, list[Path]]] = defaultdict(lambda: defaultdict(list))
    for file in filter(may_be_image, reading.listing.files):
        for label in file.labels or ("",):
            images[label][file.split or ""].append(file.path)
    counts = {name: sum(map(len, splits.values())) for name, splits in images.items()}
    shown = islice(images.items(), _MOST_EXAMPLES if has_examples else 0)
    most = _EXAMPLES if set(images) != {""} else _UNLABELLED_EXAMPLES
    return ReadingSummary(
        title=reading.title, evidence=reading.evidence.words(), is_sure=reading.is_sure,
        classes={name: count for name, count in counts.items() if name}, unlabelled=counts.get("", 0),
        class_splits={name: {split: len(paths) for split, paths in splits.items() if split}
                      for name, splits in images.items()},
        examples={name: {split: _spread(splits[split], most) for split in sorted(splits)} for name, splits in shown},
        choice=reading.choice,
    )  # fmt: skip


def _spread(paths: Sequence[Path], most: int) -> tuple[Path, ...]:
    """Return at most `most` paths at equal distances: neighbors in a folder are often of one series."""
    count = min(len(paths), most)
    return tuple(paths[place * len(paths) // count] for place in range(count))


def place_of(readings: Sequence[Reading], number: int) -> int:
    """Return the place of the reading that an import takes: the `number`-th, from 1 on.

    For 0 the first, or the last, of images without labels, where the first is not sure. A `ProjectError` where
    there is no such reading.
    """
    if not 0 <= number <= len(readings):
        message = Message("There is no reading {number}.", number=number)
        raise ProjectError(message, Message("The source has {count} readings.", count=len(readings)))
    if number:
        return number - 1
    return 0 if readings[0].is_sure else len(readings) - 1
