"""Survey a source folder in one walk: a tree of folders with images and other files; masks are removed.

A mask marks regions of another image. It has the stem of that image, another suffix, folder or ending (`_mask`), and
few grey levels. Only a few images are decoded.
"""

import os
import re
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
from PIL import Image

from visionft.core.errors import ImageError
from visionft.core.events import Progress
from visionft.core.foreign_text import printable
from visionft.core.jobs import SILENT_JOB, JobContext
from visionft.core.messages import Message
from visionft.data.decode import IMAGE_SUFFIXES, decode
from visionft.project.formats.folders import walk
from visionft.project.formats.image_table import ImportRow, RejectedFile

_MIN_EQUAL_NAMES_SHARE = 0.8  # of the larger folder's names that are in both folders
_MAX_PAIRS = 20  # compared pairs of images of two folders
_FIRST_PAIRS = 4  # one of these must be similar before the others are read
_THUMBNAIL_SIDE = 16  # pixels
_DECODED_SIDE = 64  # pixels; longest side of the decoded image
# Correlations of thumbnails, measured on the first 2, 5 and 20 images of four data sets (clothes, waste, hand signs,
# magnetic tiles). Median between the classes of 16 pairs: .10 to .68; between images and their grey and smaller
# versions: 1.0; between images and masks: .3 to .9. Brighter, cropped and segmented versions were measured, too.
_MIN_MEDIAN_CORRELATION = 0.9  # of versions that differ only in colour or size
_MIN_FIRST_CORRELATION = 0.5  # of the most similar of the first pairs
_MIN_CORRELATION_GAIN = 0.2  # of the median of pairs over the median of other images
_MAX_DISTANCE_RATIO = 0.5  # of pairs to other images, if all are similar, as images of a fixed camera are
_MIN_PAIRS = 4  # half of fewer pairs are the most similar by chance


def are_versions(first: Mapping[str, Path], second: Mapping[str, Path]) -> bool:
    """Return whether images of equal names are versions of each other: grey, smaller, cropped, segmented, or masks.

    Args:
        first: {name: image} of one folder.
        second: {name: image} of another folder; its names equal or extend the names of the first.
    """
    partners = _partners(first, second)
    if not partners or len(partners) < _MIN_EQUAL_NAMES_SHARE * max(len(first), len(second)):
        return False
    return are_similar_pairs([(first[name], second[other]) for name, other in partners.items()])


def are_similar_pairs(pairs: Sequence[tuple[Path, Path]]) -> bool:
    """Return whether the images of a pair are more similar than images of different pairs."""
    sample = pairs[:: max(1, len(pairs) // _MAX_PAIRS)][:_MAX_PAIRS]
    if len(sample) < _MIN_PAIRS:
        return False
    if np.diag(_correlations(sample[:_FIRST_PAIRS])).max() < _MIN_FIRST_CORRELATION:
        return False
    correlations = _correlations(sample)
    pair_correlations = np.diag(correlations)
    closest_count = int(np.count_nonzero(pair_correlations >= correlations.max(axis=1)))
    other_correlations = correlations[~np.eye(len(sample), dtype=bool)]
    gain = np.median(pair_correlations) - np.median(other_correlations)
    distance_ratio = (1 - np.median(pair_correlations)) / (1 - np.median(other_correlations) + 1e-6)
    are_similar = gain >= _MIN_CORRELATION_GAIN or (
        np.median(pair_correlations) >= _MIN_MEDIAN_CORRELATION and distance_ratio <= _MAX_DISTANCE_RATIO
    )
    return bool(are_similar) and closest_count >= len(sample) / 2


def _partners(first: Collection[str], second: Collection[str]) -> dict[str, str]:
    """Return {name in the first: equal or extended name in the second}: `1_masked` for `1`."""
    ordered = sorted(second)
    partners = dict[str, str]()
    for name in first:
        index = bisect_left(ordered, name)
        if index < len(ordered) and ordered[index].startswith(name):
            partners[name] = ordered[index]
    return partners


def _correlations(pairs: Sequence[tuple[Path, Path]]) -> np.ndarray:
    """Return the absolute correlations of the first and the second images of pairs, shape (pairs, pairs)."""
    firsts, seconds = (np.stack([_thumbnail(pair[side]) for pair in pairs]) for side in (0, 1))
    return np.abs(firsts @ seconds.T)


def _thumbnail(path: Path) -> np.ndarray:
    """Return the centred grey levels of a 16 x 16 thumbnail with norm 1; zeros for a uniform or unreadable image."""
    try:
        pixels = decode(path, max_side=_DECODED_SIDE)
    except ImageError:
        return np.zeros(_THUMBNAIL_SIDE * _THUMBNAIL_SIDE)
    image = Image.fromarray(pixels).convert("L").resize((_THUMBNAIL_SIDE, _THUMBNAIL_SIDE), Image.Resampling.BOX)
    grey = np.asarray(image, dtype=np.float32).ravel()
    grey -= grey.mean()
    length = float(np.linalg.norm(grey))
    return grey / length if length > 1 else np.zeros_like(grey)


_MASK_ENDING = re.compile(
    r"(?i)[ _.-]+(masks?|gt|ground_?truth|seg(mentation)?|annotations?|labels?|maps?|matte|trimap|l)([ _.-]?\d+)?$"
)
_WORD_ENDING = re.compile(r"[-_ ][a-zA-Z]+$")  # of a mask in another folder than its image
_SHORT_ENDING = re.compile(r"[-_][a-zA-Z]{1,4}$")  # of a mask beside its image
_MASK_FOLDER = re.compile(r"(?i)(mask|\bmsk\b|ground.?truth|\bgts?\b|segm|trimap|matte|annot|label)")
_MAX_UNNAMED_CHECKS = 200  # groups of files not named like masks whose pixels are compared in vain
_MAX_CHANCE_LENGTH = 3  # letters of a name that a folder name may contain by chance
_MAX_MASK_COLORS = 32
_SAMPLE_SIDE = 256  # counted pixels per row and column
_Pair = tuple[ImportRow, ImportRow]  # a possible mask and its image
_Group = tuple[str, str, str]  # folder, suffix, ending of a mask
# A black-and-white mask saved as JPEG: the largest distance from black or white, and the share of such pixels.
_MAX_BLUR = 24
_MIN_EXTREME_SHARE = 0.98


@dataclass(eq=False, slots=True)
class Folder:
    """A folder with files at any depth."""

    name: str
    parent: "Folder | None" = None
    folders: list["Folder"] = field(default_factory=list["Folder"])
    files: list[ImportRow] = field(default_factory=list[ImportRow])  # directly in it, in natural order, without masks
    images: list[ImportRow] = field(default_factory=list["ImportRow"])  # the images among `files`
    count: int = 0  # number of images at any depth

    @property
    def own_count(self) -> int:
        """The number of images directly in the folder."""
        return len(self.images)

    @property
    def image_subfolders(self) -> list["Folder"]:
        """The subfolders with images at any depth."""
        return [folder for folder in self.folders if folder.count]

    def walk(self, *, without: Collection["Folder"] = ()) -> Iterator["Folder"]:
        """Yield the folder and all folders below it, except `without`, in the order of a walk."""
        pending: list[Folder] = [self]
        while pending:
            folder = pending.pop()
            yield folder
            pending.extend(each for each in reversed(folder.folders) if each not in without)

    @property
    def path(self) -> str:
        """The path within the source, with `/`; empty for the source itself."""
        return f"{self.parent.path}/{self.name}".lstrip("/") if self.parent else ""


@dataclass(frozen=True)
class Survey:
    """The contents of a source folder."""

    source: Path
    root: Folder
    skipped: list[RejectedFile]
    unreadable: list[RejectedFile]

    def files(self) -> Iterator[ImportRow]:
        """Yield all files except masks, in natural order, without labels."""
        for folder in self.root.walk():
            yield from folder.files

    @cached_property
    def others(self) -> list[Path]:
        """The files without an image suffix."""
        return [file.path for file in self.files() if not is_image(file)]


def is_image(file: ImportRow) -> bool:
    """Return whether a file has an image suffix."""
    return file.suffix in IMAGE_SUFFIXES


def survey_folder(source: Path, *, job: JobContext = SILENT_JOB) -> Survey:
    """Walk a folder once; a cancelled walk returns the files found so far."""
    skipped: list[RejectedFile] = []
    unreadable: list[RejectedFile] = []
    root = Folder("")
    folders = {str(source): root}
    start = len(str(source / "x")) - 1
    for number, path in enumerate(walk(source, skipped, unreadable), 1):
        text = str(path)
        folder = folders.get(text[: text.rfind(os.sep)]) or _add_folder(folders, os.path.dirname(text))  # noqa: PTH120
        folder.files.append(file := ImportRow(path, text[start:].replace(os.sep, "/")))
        if is_image(file):
            folder.images.append(file)
        if number % 1000 == 0:
            job.report(Progress(stage="Look for images", done=number, total=0))
            if job.is_cancelled:
                break
    for mask, image in _take_masks(root):
        reason = Message("it is a mask of {image}", image=printable(image.name))
        skipped.append(RejectedFile(printable(mask.path), reason))
    _count(root)
    return Survey(source, root, skipped, unreadable)


def _add_folder(folders: dict[str, Folder], path: str) -> Folder:
    """Return the folder of a path; add it and its missing parents."""
    missing: list[str] = []
    while path not in folders:
        missing.append(path)
        path = os.path.dirname(path)  # noqa: PTH120
    folder = folders[path]
    for missing_path in reversed(missing):
        child = Folder(os.path.basename(missing_path), folder)  # noqa: PTH119
        folder.folders.append(child)
        folders[missing_path] = folder = child
    return folder


def _take_masks(root: Folder) -> list[_Pair]:
    """Remove the masks from the folders, and return each with its image."""
    groups: defaultdict[_Group, list[_Pair]] = defaultdict(list)  # of possible masks
    for name, files in _files_by_shared_name(root).items():
        for group, pair in _possible_masks(name, files):
            groups[group].append(pair)
    masks: list[_Pair] = []
    checks = 0
    for pairs in sorted(groups.values(), key=lambda pairs: not _is_named_mask(pairs[0][0])):
        checks += not _is_named_mask(pairs[0][0])
        if checks <= _MAX_UNNAMED_CHECKS and _are_masks(pairs):
            masks += pairs
            checks = 0
    names = {mask.name for mask, _ in masks}
    for folder in root.walk() if names else ():
        folder.files = [file for file in folder.files if file.name not in names]
        folder.images = [file for file in folder.images if file.name not in names]
    return masks


def _possible_masks(name: str, files: Sequence[ImportRow]) -> Iterator[tuple[_Group, _Pair]]:
    """Yield (group, (possible mask, its image)) for images that share a name; the image may be beside the mask."""
    image = min(files, key=lambda file: (_is_named_mask(file), len(_stem(file))))
    image_group = _group(image, name)
    has_endings = any(_stem(file) != name for file in files)
    for file in files:
        if has_endings and _stem(file) == name and not _is_named_mask(file):
            continue  # the image of the files with an ending
        group = _group(file, name)
        partners = [partner for partner in files if _group(partner, name) != group]
        in_same_folder = (partner for partner in partners if partner.path.parent == file.path.parent)
        yield group, (file, next(in_same_folder, image if group != image_group else partners[0]))


def _files_by_shared_name(root: Folder) -> dict[str, list[ImportRow]]:
    """Return {stem without the ending of a mask: images} if these differ in folder, suffix or ending."""
    first_files: dict[str, ImportRow] = {}
    shared: dict[str, list[ImportRow]] = {}
    for folder in root.walk():
        stem_list = list(map(_stem, folder.images))
        stems = set(stem_list)
        for file, stem in zip(folder.images, stem_list, strict=True):
            has_ending = stem[-1:].isalpha()
            short = _SHORT_ENDING.sub("", stem) if has_ending else stem
            name = short if short != stem and short in stems else _without_suffix(_MASK_ENDING.sub("", stem))
            if has_ending and name == stem and (word := _WORD_ENDING.sub("", stem)) in first_files:
                name = word
            first_file = first_files.setdefault(name, file)
            if first_file is not file:
                shared.setdefault(name, [first_file]).append(file)
    return {name: files for name, files in shared.items() if len({_group(file, name) for file in files}) > 1}


def _without_suffix(name: str) -> str:
    """Return the name of an image without its suffix: `a` for `a.jpg` of the mask `a.jpg.mask.0.png`."""
    stem, _, suffix = name.rpartition(".")
    return stem if f".{suffix.casefold()}" in IMAGE_SUFFIXES else name


def _stem(file: ImportRow) -> str:
    stem, dot, suffix = file.name[file.name.rfind("/") + 1 :].rpartition(".")  # quicker than `os.path`
    return stem if dot else suffix


def _group(file: ImportRow, name: str) -> _Group:
    """Return the folder of a file, its suffix, and the ending after the shared name."""
    stem, suffix = os.path.splitext(file.name)  # noqa: PTH122
    folder, stem = os.path.split(stem)
    if len(name) > _MAX_CHANCE_LENGTH:  # a folder for each image
        folder = folder.replace(name, "*")
    return folder, suffix.casefold(), re.sub(r"\d+", "", stem[len(name) :])


def _is_named_mask(file: ImportRow) -> bool:
    folder = os.path.dirname(file.name)  # noqa: PTH120
    return bool(_MASK_ENDING.search(_stem(file)) or _MASK_FOLDER.search(folder))


def _are_masks(pairs: Sequence[_Pair]) -> bool:
    """Return whether, in two samples, the first files have the colours of masks and their images do not.

    Files not named like masks must be similar to their images, or beside them: drawings and scans are classes. Images
    of one colour are masks only by name.
    """
    sample = pairs[:: max(1, len(pairs) - 1)][:2]
    color_counts = [_count_mask_colors(mask.path) for mask, _ in sample]
    if not all(color_counts) or any(_count_mask_colors(image.path) for _, image in sample):
        return False
    if _is_named_mask(pairs[0][0]):
        return True
    are_beside = sum(mask.path.parent == image.path.parent for mask, image in pairs) > len(pairs) / 2
    return max(color_counts) > 1 and (
        are_beside or are_similar_pairs([(mask.path, image.path) for mask, image in pairs])
    )


def _count_mask_colors(path: Path) -> int:
    """Return the number of colours of a possible mask; 0 for other and unreadable images."""
    try:
        pixels = decode(path)
    except ImageError:
        return 0
    step = max(1, max(pixels.shape[:2]) // _SAMPLE_SIDE)
    sample = pixels[::step, ::step].reshape(-1, 3)
    color_count = len(np.unique(sample, axis=0))
    if color_count <= min(_MAX_MASK_COLORS, max(2, len(sample) // 8)):
        return color_count
    # JPEG blurs black and white.
    is_black = sample.max(axis=1) <= _MAX_BLUR
    is_white = sample.min(axis=1) >= 255 - _MAX_BLUR
    is_extreme = (is_black | is_white).mean() >= _MIN_EXTREME_SHARE
    return int(is_black.any()) + int(is_white.any()) if is_extreme else 0


def _count(root: Folder) -> None:
    for folder in reversed(list(root.walk())):
        folder.count = folder.own_count + sum(child.count for child in folder.folders)
