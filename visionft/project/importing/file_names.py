"""Classes in file names: `Abyssinian_12.jpg`, `cat.0.jpg`; and the parts of names such as `39_1_20170116.jpg`."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from visionft.project.formats.split_names import is_split_name
from visionft.project.importing.folder_names import are_numbers, is_container

_SIGNS = re.compile(r"[ _.\-()]+")
_NUMBERS_FIRST = re.compile(r"^\d+[ _.\-]*")
_NUMBERS_LAST = re.compile(r"[ _.\-(]*\d+\)?(?:[ _.\-]\d+)*$")
_DIGITS = re.compile(r"\d+")
_OF_CAMERAS = re.compile(
    r"(?i)(_?mg|c?img|dsc[nf]?|dji|gopr|p|pic|mvimg|pxl|screenshot|scan|frame|untitled|wa|whatsapp.*)"
)
_SHORT_SPLITS = ("te", "tr", "trn", "ts", "tst", "va")
# Share of the images whose names have the part. At .6 the inventory numbers of a museum would be offered as classes
# (`Inventar eines Museums` of the public data sets); at .9 none of them is read otherwise.
_COVERED = 0.8
_LEAST_IMAGES = 6  # of fewer, the parts recur by chance; with 12, plates of few wells lose their offer (`Opera Phenix`)
_MOST_CLASSES = 1000  # words beside the numbers; no public data set depends on it between 500 and 2,000
_MOST_OF_PART = 50  # values of one part of the names; likewise between 25 and 100


def name_parts(stem: str) -> tuple[str, ...]:
    """Return the parts of a file name without suffix, as `LabelChoice.name_part` counts them from 1 on."""
    return tuple(part for part in _SIGNS.split(stem) if part)


def name_part(stem: str, number: int) -> str:
    """Return a part of a file name: from 1 on, -1 for the last; 0 for the words beside the numbers; empty for none."""
    if number == 0:
        return _NUMBERS_FIRST.sub("", _NUMBERS_LAST.sub("", stem))
    parts = name_parts(stem)
    place = number - 1 if number > 0 else number
    return parts[place] if -len(parts) <= place < len(parts) else ""


def parts_with_classes(paths: Sequence[Path]) -> Iterator[int]:
    """Yield the parts of the names of images, as `name_part` counts them, that may be classes, most plausible first."""
    if len(paths) < _LEAST_IMAGES:
        return
    if _have_words(paths):
        yield 0
        return
    names = [name_parts(path.stem) for path in paths]
    length, equally_long = Counter(map(len, names)).most_common(1)[0]
    if length < 2 or equally_long < _COVERED * len(paths):
        return
    columns = [Counter(parts[place] for parts in names if place < len(parts)) for place in range(length)]
    places = [place for place in range(length) if _are_classes(columns[place], len(paths), _MOST_OF_PART)]
    yield from (place + 1 for place in sorted(places, key=lambda place: not any(map(_has_letters, columns[place]))))


def _have_words(paths: Sequence[Path]) -> bool:
    """Return whether the words beside the numbers of names recur as classes do: `cat.0`, `cat.1`, `dog.0`."""
    words = ((path.stem, name_part(path.stem, 0)) for path in paths)
    counts = Counter(word for stem, word in words if word != stem and _is_word(word))
    are_words = len({_DIGITS.sub("", word) for word in counts}) > len(counts) / 2
    return are_words and _are_classes(counts, len(paths), _MOST_CLASSES) and not are_numbers(counts)


def _has_letters(text: str) -> bool:
    return any(map(str.isalpha, text))


def _is_word(name: str) -> bool:
    """Return whether the words beside a number may be a class."""
    word = name.strip(" _.-(")
    is_other = word.casefold() in _SHORT_SPLITS or is_container(word) or is_split_name(word)
    return _has_letters(word) and not (is_other or _OF_CAMERAS.fullmatch(word))


def _are_classes(counts: Counter[str], images: int, most: int) -> bool:
    """Return whether values recur as those of classes do."""
    total = sum(counts.values())
    return 1 < len(counts) <= min(most, total / 2) and total >= _COVERED * images
