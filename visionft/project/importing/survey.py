"""Survey of a source folder: one walk that finds its images, other files and masks, as a tree of folders.

A mask marks regions of another image. It has that image's stem, another suffix, folder or ending (`_mask`), and few
grey levels. Only the pixels of a few images are read.
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

_EQUAL_NAMES = 0.8  # of the larger folder's names that are in both
_PAIRS = 20  # compared pairs of images of two folders
_FIRST_PAIRS = 4  # one of them has to be alike before the others are read
_SIDE = 16  # pixels of a thumbnail, in both directions
_DECODED_SIDE = 64  # longest side of the decoded image, in pixels
# Correlations, measured on the first 2, 5 and 20 images of 16 pairs of classes of four data sets (clothes, waste, hand
# signs, magnetic tiles) and of their own grey, smaller, brighter, cropped, segmented and mask versions: of classes, the
# median is .10 to .68; of grey and smaller versions 1.0, of masks .3 to .9.
_MIN_MEDIAN = 0.9  # of versions that differ only in colour or size
_MIN_FIRST = 0.5  # for the best of the first pairs of other versions
_LEAST_GAIN = 0.2  # of the median of pairs over other images, if half of the pairs are the most alike
_MAX_DISTANCE_RATIO = 0.5  # to other images, if all images are alike: a fixed camera, not versions
_LEAST_PAIRS = 4  # below it, half of the pairs are the most alike by chance


def are_versions(first: Mapping[str, Path], second: Mapping[str, Path]) -> bool:
    """Return whether images of equal names are versions of one another: grey, smaller, cropped, segmented, a mask.

    Args:
        first: {name: image} of one folder.
        second: {name: image} of another folder, whose names are equal to the first's or extend them.
    """
    partners = _partners(first, second)
    if not partners or len(partners) < _EQUAL_NAMES * max(len(first), len(second)):
        return False
    return look_alike([(first[name], second[other]) for name, other in partners.items()])


def look_alike(pairs: Sequence[tuple[Path, Path]]) -> bool:
    """Return whether images within pairs are more alike than images of different pairs."""
    spread = pairs[:: max(1, len(pairs) // _PAIRS)][:_PAIRS]
    if len(spread) < _LEAST_PAIRS:
        return False
    if np.diag(_correlations(spread[:_FIRST_PAIRS])).max() < _MIN_FIRST:
        return False
    correlations = _correlations(spread)
    paired = np.diag(correlations)
    most_alike = int(np.count_nonzero(paired >= correlations.max(axis=1)))
    others = correlations[~np.eye(len(spread), dtype=bool)]
    gain = np.median(paired) - np.median(others)
    closeness = (1 - np.median(paired)) / (1 - np.median(others) + 1e-6)
    are_alike = gain >= _LEAST_GAIN or (np.median(paired) >= _MIN_MEDIAN and closeness <= _MAX_DISTANCE_RATIO)
    return bool(are_alike) and most_alike >= len(spread) / 2


def _partners(first: Collection[str], second: Collection[str]) -> dict[str, str]:
    """Return {name in the first: the equal name in the second, or one that begins so: `1` and `1_masked`}."""
    ordered = sorted(second)
    found = dict[str, str]()
    for name in first:
        place = bisect_left(ordered, name)
        if place < len(ordered) and ordered[place].startswith(name):
            found[name] = ordered[place]
    return found


def _correlations(pairs: Sequence[tuple[Path, Path]]) -> np.ndarray:
    """Return the absolute correlations of the first images of some pairs and the second ones, (pairs, pairs)."""
    one, other = (np.stack([_thumbnail(pair[place]) for pair in pairs]) for place in (0, 1))
    return np.abs(one @ other.T)


def _thumbnail(path: Path) -> np.ndarray:
    """Return the grey levels of an image of 16 x 16, centred and of length 1; zeros for one colour or no image."""
    try:
        pixels = decode(path, max_side=_DECODED_SIDE)
    except ImageError:
        return np.zeros(_SIDE * _SIDE)
    image = Image.fromarray(pixels).convert("L").resize((_SIDE, _SIDE), Image.Resampling.BOX)
    grey = np.asarray(image, dtype=np.float32).ravel()
    grey -= grey.mean()
    length = float(np.linalg.norm(grey))
    return grey / length if length > 1 else np.zeros_like(grey)


_MASK_ENDING = re.compile(
    r"(?i)[ _.-]+(masks?|gt|ground_?truth|seg(mentation)?|annotations?|labels?|maps?|matte|trimap|l)([ _.-]?\d+)?$"
)
_WORD_ENDING = re.compile(r"[-_ ][a-zA-Z]+$")  # of a mask in another folder than the image without it
_SHORT_ENDING = re.compile(r"[-_][a-zA-Z]{1,4}$")  # of a mask beside the image without it
_MASK_FOLDER = re.compile(r"(?i)(mask|\bmsk\b|ground.?truth|\bgts?\b|segm|trimap|matte|annot|label)")
_MOST_CHECKS = 200  # groups of files without the name of masks whose pixels are compared
_FEW_LETTERS = 3  # of a name that may be part of the names of folders by chance
_MOST_LEVELS = 32  # colours of a mask
_SAMPLE_SIDE = 256  # pixels in a row and column that are counted
_Pair = tuple[ImportRow, ImportRow]  # a possible mask and its image
_Group = tuple[str, str, str]  # folder, suffix, ending of a mask
# Of a mask of black and white that was saved as JPEG: how far levels may be from these two, and the share of such ones.
_BLUR = 24
_EXTREME = 0.98


@dataclass(eq=False, slots=True)
class Folder:
    """A folder with files at some depth."""

    name: str
    parent: "Folder | None" = None
    folders: list["Folder"] = field(default_factory=list["Folder"])
    files: list[ImportRow] = field(default_factory=list[ImportRow])  # directly in it, in natural order; no masks
    images: list[ImportRow] = field(default_factory=list["ImportRow"])  # of those files
    count: int = 0  # images at any depth

    @property
    def own(self) -> int:
        """The number of images directly in it."""
        return len(self.images)

    @property
    def holding(self) -> list["Folder"]:
        """The folders directly in it with images at some depth."""
        return [folder for folder in self.folders if folder.count]

    def within(self, *, without: Collection["Folder"] = ()) -> Iterator["Folder"]:
        """Yield the folder and all below it but those `without`, in the order of a walk."""
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
        """Yield all files but masks, without labels, in natural order."""
        for folder in self.root.within():
            yield from folder.files

    @cached_property
    def others(self) -> list[Path]:
        """The files that are no images by their names."""
        return [file.path for file in self.files() if not is_image(file)]


def is_image(file: ImportRow) -> bool:
    """Return whether a file is an image by its name."""
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
        folder = folders.get(text[: text.rfind(os.sep)]) or _added(folders, os.path.dirname(text))  # noqa: PTH120
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


def _added(folders: dict[str, Folder], path: str) -> Folder:
    """Return the folder of a path, added with the folders around it where it is new."""
    missing: list[str] = []
    while path not in folders:
        missing.append(path)
        path = os.path.dirname(path)  # noqa: PTH120
    folder = folders[path]
    for each in reversed(missing):
        inner = Folder(os.path.basename(each), folder)  # noqa: PTH119
        folder.folders.append(inner)
        folders[each] = folder = inner
    return folder


def _take_masks(root: Folder) -> list[_Pair]:
    """Take the masks out of the folders, and return each with its image."""
    groups: defaultdict[_Group, list[_Pair]] = defaultdict(list)  # of possible masks
    for name, files in _files_by_shared_name(root).items():
        for group, pair in _possible_masks(name, files):
            groups[group].append(pair)
    found: list[_Pair] = []
    checks = 0
    for pairs in sorted(groups.values(), key=lambda pairs: not _is_called_mask(pairs[0][0])):
        checks += not _is_called_mask(pairs[0][0])
        if checks <= _MOST_CHECKS and _are_masks(pairs):
            found += pairs
            checks = 0
    names = {mask.name for mask, _ in found}
    for folder in root.within() if names else ():
        folder.files = [file for file in folder.files if file.name not in names]
        folder.images = [file for file in folder.images if file.name not in names]
    return found


def _possible_masks(name: str, files: Sequence[ImportRow]) -> Iterator[tuple[_Group, _Pair]]:
    """Yield images that share a name with another one, each with its group and that image: the one beside it first."""
    image = min(files, key=lambda file: (_is_called_mask(file), len(_stem(file))))
    own = _group(image, name)
    has_endings = any(_stem(file) != name for file in files)
    for file in files:
        if has_endings and _stem(file) == name and not _is_called_mask(file):
            continue  # the image of those with an ending
        group = _group(file, name)
        others = [other for other in files if _group(other, name) != group]
        beside = (other for other in others if other.path.parent == file.path.parent)
        yield group, (file, next(beside, image if group != own else others[0]))


def _files_by_shared_name(root: Folder) -> dict[str, list[ImportRow]]:
    """Return images of equal stem, but for the ending of a mask, that differ in folder, suffix or ending."""
    first: dict[str, ImportRow] = {}
    shared: dict[str, list[ImportRow]] = {}
    for folder in root.within():
        listed = list(map(_stem, folder.images))
        stems = set(listed)
        for file, stem in zip(folder.images, listed, strict=True):
            has_ending = stem[-1:].isalpha()
            short = _SHORT_ENDING.sub("", stem) if has_ending else stem
            name = short if short != stem and short in stems else _without_suffix(_MASK_ENDING.sub("", stem))
            if has_ending and name == stem and (bare := _WORD_ENDING.sub("", stem)) in first:
                name = bare
            other = first.setdefault(name, file)
            if other is not file:
                shared.setdefault(name, [other]).append(file)
    return {name: files for name, files in shared.items() if len({_group(file, name) for file in files}) > 1}


def _without_suffix(name: str) -> str:
    """Return the name of an image without its suffix: `a` for `a.jpg` of the mask `a.jpg.mask.0.png`."""
    stem, _, suffix = name.rpartition(".")
    return stem if f".{suffix.casefold()}" in IMAGE_SUFFIXES else name


def _stem(file: ImportRow) -> str:
    stem, dot, suffix = file.name[file.name.rfind("/") + 1 :].rpartition(".")  # quicker than `os.path`
    return stem if dot else suffix


def _group(file: ImportRow, name: str) -> _Group:
    """Return the folder of a file, its suffix, and what follows the shared name."""
    stem, suffix = os.path.splitext(file.name)  # noqa: PTH122
    folder, stem = os.path.split(stem)
    if len(name) > _FEW_LETTERS:  # a folder for each image
        folder = folder.replace(name, "*")
    return folder, suffix.casefold(), re.sub(r"\d+", "", stem[len(name) :])


def _is_called_mask(file: ImportRow) -> bool:
    folder = os.path.dirname(file.name)  # noqa: PTH120
    return bool(_MASK_ENDING.search(_stem(file)) or _MASK_FOLDER.search(folder))


def _are_masks(pairs: Sequence[_Pair]) -> bool:
    """Return whether files have the levels of masks and their images do not, by two of them.

    In other folders than the images, and not called masks, they have to look like their images: drawings and scans
    are a class of their own. Plain images of one colour are masks by their name alone.
    """
    sample = pairs[:: max(1, len(pairs) - 1)][:2]
    levels = [_levels_of_mask(mask.path) for mask, _ in sample]
    if not all(levels) or any(_levels_of_mask(image.path) for _, image in sample):
        return False
    if _is_called_mask(pairs[0][0]):
        return True
    are_beside = sum(mask.path.parent == image.path.parent for mask, image in pairs) > len(pairs) / 2
    return max(levels) > 1 and (are_beside or look_alike([(mask.path, image.path) for mask, image in pairs]))


def _levels_of_mask(path: Path) -> int:
    """Return the number of colours of an image that may be a mask; 0 for any other or unreadable image."""
    try:
        pixels = decode(path)
    except ImageError:
        return 0
    step = max(1, max(pixels.shape[:2]) // _SAMPLE_SIDE)
    sample = pixels[::step, ::step].reshape(-1, 3)
    levels = len(np.unique(sample, axis=0))
    if levels <= min(_MOST_LEVELS, max(2, len(sample) // 8)):
        return levels
    # JPEG blurs black and white.
    is_black = sample.max(axis=1) <= _BLUR
    is_white = sample.min(axis=1) >= 255 - _BLUR
    is_extreme = (is_black | is_white).mean() >= _EXTREME
    return int(is_black.any()) + int(is_white.any()) if is_extreme else 0


def _count(root: Folder) -> None:
    for folder in reversed(list(root.within())):
        folder.count = folder.own + sum(each.count for each in folder.folders)
