"""Classes in file names: `Abyssinian_12.jpg`, `cat.0.jpg`; and the parts of names such as `39_1_20170116.jpg`."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from visionft.project.formats.split_names import is_split_name
from visionft.project.importing.folder_names import are_numbers, are_versions, is_container

_LAST_NUMBER = re.compile(r"[ _.\-(]*\d+\)?$")
_LAST_NUMBERS = re.compile(r"[ _.\-(]*\d+\)?(?:[ _.\-]\d+)*$")
_FIRST_NUMBER = re.compile(r"^\d+[ _.\-]*")
_DIGITS = re.compile(r"\d+")
_SIGNS = re.compile(r"[ _.\-]+")
_OF_CAMERAS = re.compile(
    r"(?i)(_?mg|c?img|dsc[nf]?|dji|gopr|p|pic|mvimg|pxl|screenshot|scan|frame|untitled|wa|whatsapp.*)"
)
_SHORT_SPLITS = ("te", "tr", "trn", "ts", "tst", "va")
_COVERED = 0.8  # share of the images whose names have the pattern
_LEAST_IMAGES, _MOST_CLASSES = 6, 1000
_MANY = 50  # values of a part of the names


@dataclass(frozen=True, slots=True, kw_only=True)
class NamePattern:
    """A part of the file names as the class: before the number (`place` 0), after it (-1), or counted from 1 on."""

    place: int
    labels: dict[Path, str]


def patterns_in(paths: Sequence[Path]) -> Iterator[NamePattern]:
    """Yield the patterns by which the names of images may give their classes, most plausible first."""
    if len(paths) < _LEAST_IMAGES:
        return
    before, most = _words_without(_LAST_NUMBER, paths), _words_without(_LAST_NUMBERS, paths)
    is_one_number = len(set(before.values())) == len(set(most.values()))
    for place, labels in ((0, before if is_one_number else most), (-1, _words_without(_FIRST_NUMBER, paths))):
        counts = Counter(labels.values())
        are_words = len({_DIGITS.sub("", name) for name in counts}) > len(counts) / 2
        if are_words and _are_classes(counts, len(paths)) and not (are_versions(counts) or are_numbers(counts)):
            yield NamePattern(place=place, labels=labels)
            return
    parts: defaultdict[int, dict[Path, str]] = defaultdict(dict)
    lengths = Counter(len(_SIGNS.split(path.stem)) for path in paths)
    length = lengths.most_common(1)[0][0]
    for path in paths if length > 1 else ():
        for place, part in enumerate(_SIGNS.split(path.stem)[:length], 1):
            parts[place][path] = part
    for place, labels in sorted(parts.items(), key=lambda part: not any(map(str.isalpha, "".join(part[1].values())))):
        counts = Counter(labels.values())
        if _are_classes(counts, len(paths)) and len(counts) <= _MANY and lengths[length] >= _COVERED * len(paths):
            yield NamePattern(place=place, labels=labels)


def _words_without(number: re.Pattern[str], paths: Sequence[Path]) -> dict[Path, str]:
    """Return what is left of each name without its number, where it has one and that may be a class."""
    names = {path: number.sub("", path.stem) for path in paths}
    return {path: name for path, name in names.items() if name != path.stem and _is_word(name)}


def _is_word(name: str) -> bool:
    """Return whether the name before a number may be that of a class."""
    word = name.strip(" _.-(")
    is_other = (
        word.casefold() in _SHORT_SPLITS or is_container(word) or is_split_name(word) or _OF_CAMERAS.fullmatch(word)
    )
    return any(map(str.isalpha, word)) and not is_other


def _are_classes(counts: Counter[str], images: int) -> bool:
    """Return whether values recur as those of classes do."""
    total = sum(counts.values())
    return 1 < len(counts) <= min(_MOST_CLASSES, total / 2) and total >= _COVERED * images
