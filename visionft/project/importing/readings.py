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
from visionft.project.importing.ranking import Proposal
from visionft.project.importing.survey import is_image
from visionft.project.names import count_of

_EXAMPLES = 4  # images shown for each class and split
_UNLABELLED_EXAMPLES = 24  # images shown where none has a class
_MOST_EXAMPLES = 1000  # classes with examples


@dataclass(frozen=True, kw_only=True)
class Reading:
    """One way to understand a source."""

    title: Message
    listing: Listing
    evidence: Message  # counts for and against it, as sentences
    labelled: int  # images with a class
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


def reading_of(listing: Listing, images: int, proposal: Proposal) -> Reading:
    """Return a proposal for so many images as a reading, with the counts for and against it as sentences."""
    labelled = [each for each in listing.files if each.labels and (is_image(each) or not each.path.suffix)]
    classes = count_of(len({name for each in labelled for name in each.labels}), "class")
    parts = [Message("{classes}, {images}.", classes=classes, images=count_of(images, "image"))]
    if len(labelled) < images:
        parts = [
            Message(
                "{classes}; {labelled} of {images} images have one.",
                classes=classes,
                labelled=f"{len(labelled):,}",
                images=f"{images:,}",
            )
        ]
    if proposal.source is not None:
        parts += _words_about_names(proposal.source)
    if proposal.agreement is not None:
        share = f"{proposal.agreement:.0%}"
        both = Message("Both agree on {share} of the images.", share=share)
        one = Message("{file} agrees on {share} of the images.", file=proposal.second, share=share)
        parts.append(one if proposal.second else both)
    return Reading(
        title=proposal.title,
        listing=listing,
        evidence=sentences(*parts),
        labelled=len(labelled),
        is_sure=proposal.is_sure,
        choice=proposal.choice,
    )


def _words_about_names(source: LabelSource) -> list[Message]:
    """Return what the names in label files lead to, and whether these look like a form for predictions."""
    parts: list[Message] = []
    if source.found < source.named:
        parts.append(
            Message("{found} of {names} names lead to one image.", found=f"{source.found:,}", names=f"{source.named:,}")
        )
    if source.ambiguous:
        parts.append(
            Message(
                "{count} name leads to several images.", "{count} names lead to several images.", count=source.ambiguous
            )
        )
    if source.is_submission:
        parts.append(Message("It looks like a form for predictions."))
    return parts


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
        title=reading.title,
        evidence=reading.evidence,
        is_sure=reading.is_sure,
        classes={name: count for name, count in counts.items() if name},
        unlabelled=counts.get("", 0),
        class_splits={
            name: {split: len(paths) for split, paths in splits.items() if split} for name, splits in images.items()
        },
        examples={name: {split: _spread(splits[split], most) for split in sorted(splits)} for name, splits in shown},
        choice=reading.choice,
    )


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
