"""Classify names of folders and files: containers, parts of a data set, numbered items, classes in file names."""

import re
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

from visionft.project.formats.folders import CONTAINERS
from visionft.project.formats.split_names import is_split_name

_WORDS = re.compile(r"[\W_]+|(?<=[a-z])(?=[A-Z0-9])")
_NUMBERED_NAME = re.compile(r"(?P<words>.*?)([ _.-]*\d+|[ _.-]+[a-zA-Z])")
_NUMBERED_PART = re.compile(r"(.+?)[ _.-]*(\d{1,2})")
_NUMBER_FIRST = re.compile(r"\d{3}(?P<words>[A-Z]+)")  # `100APPLE`
_DATE = re.compile(r"(19|20)\d\d([-_. ]?\d\d){0,2}([-_. T]\d{2,6}){0,3}")
# A date anywhere in a name: `2024-05 Easter`, `202405__`, `240501_101500`, `1. Mai 2024`, `1.5.2024`.
_DATE_IN_NAME = re.compile(
    r"(?<!\d)((19|20)\d\d[-_. ]?(0[1-9]|1[0-2])([-_. ]?[0-3]\d)?(?!\d)|\d{6,8}[-_T ]\d{4,6}(?!\d)"
    r"|[0-3]?\d\.? [^\W\d]+\.? (19|20)\d\d(?!\d)|[0-3]?\d[-./][01]?\d[-./](19|20)?\d\d(?!\d))"
)
_SERIAL_NUMBER = re.compile(r"[a-zA-Z]\d{2,4}|\d+[a-zA-Z]\d*|[1-9]\d{4,}")  # `A01`; `12b`; `10006`
_NUMBERS = re.compile(r"-?\d+(\.\d+)?([_ ,;x-]+-?\d+(\.\d+)?)+")  # `-0.0285_101.7` of ForestNet
_QUANTITY = re.compile(r"\d+[ _-]+[^\W\d]+")  # `1 Euro`, `2 Euro`
_TAXONOMIC_NAME = re.compile(r"\d{5}(?:_[A-Z][^_]*){5}_([A-Z][^_]*)_(.+)")
_HEX_DIGITS = re.compile(r"[0-9a-f]+")
# Words in names of folders with images of all classes: `images`, `JPEGImages`, `CLS-LOC` of ImageNet. A name
# with any other word may be a class: `data centre`.
_CONTAINER_WORDS = {
    *CONTAINERS, "cls", "dataset", "datasets", "file", "files", "folder", "imageset", "jpeg", "jpegs", "jpg", "loc",
    "photo", "pic", "picture", "png", "set",
}  # fmt: skip
# Words before the number of a part of a data set, `fold1`, `images_002`; the last five are of cameras: `100APPLE`,
# `101MSDCF`.
_PART_WORDS = {
    "batch", "chunk", "cv", "disk", "disc", "fold", "folder", "group", "image", "images", "img", "imgs", "kfold",
    "part", "set", "shard", "split", "subset", "tile", "tiles", "vol", "volume", "apple", "canon", "media",
    "msdcf", "nikon",
}  # fmt: skip
# Words before the number of a photographed item or an occasion: `patient3`, `Messung 12`, `well_a`.
_ITEM_WORDS = {
    "acquisition", "album", "aufnahme", "cam", "camera", "caméra", "case", "clip", "cámara", "day", "donor", "exam",
    "experiment", "frame", "frames", "id", "kamera", "location", "messung", "mouse", "p", "pat", "patient", "person",
    "plate", "plot", "proband", "probe", "pt", "recording", "rep", "replicate", "run", "sample", "scan", "scene", "seq",
    "sequence", "series", "session", "site", "slide", "specimen", "station", "study", "sub", "subj", "subject", "track",
    "trial", "user", "vid", "video", "view", "week", "well",
}  # fmt: skip
# Folders of a README's images. The second group counts only beside a single other folder: `results/`, `dataset/`.
_DOCUMENTATION = {"asset", "assets", "doc", "docs", "documentation", "icons", "notebooks", "screenshots", "thumbnails"}
_PERHAPS_DOCUMENTATION = {
    "code", "demo", "example", "examples", "fig", "figs", "figure", "figures", "logs", "output", "outputs", "plots",
    "result", "results", "sample", "samples", "src", "static", "thumbs",
}  # fmt: skip
# First words of folders made by programs of phones and computers: `WhatsApp Images`, `Camera`.
_ALBUM_WORDS = {
    "camera", "download", "downloads", "favorites", "private", "received", "restored", "saved", "screenshot",
    "screenshots", "sent", "signal", "telegram", "whatsapp",
}  # fmt: skip
# Folders of images without a class, as made by Datumaro, CVAT, FiftyOne, Roboflow, and by users.
_UNLABELLED_FOLDERS = (
    "nolabel", "pred", "predict", "prediction", "predictions", "sinclasificar", "todo", "tolabel", "tosort",
    "unclassified", "unlabeled", "unlabelled", "unsorted", "unsortiert",
)  # fmt: skip
# Results of an inspection or an examination: always classes, whatever the folders contain (`OK/camera 1/1.png`).
_VERDICTS = {
    "abnormal", "accept", "anomaly", "bad", "bon", "bueno", "damaged", "defect", "defective", "defekt", "fail",
    "failed", "faulty", "fehler", "fehlerhaft", "good", "gut", "healthy", "io", "ja", "ko", "malo", "mauvais", "nein",
    "neg", "negative", "ng", "nio", "no", "nok", "normal", "notok", "ok", "pass", "passed", "pos", "positive",
    "reject", "schlecht", "sick", "undamaged", "yes",
}  # fmt: skip
# First words of an album, `Fotos von Anna`; a single such word is a container.
_IMAGE_WORDS = {"bild", "bilder", "foto", "image", "img", "photo", "pic", "picture"}
# Suffixes of file managers for copies of folders: `Apples - Copy`, `Äpfel - Kopie (2)`, `New folder (2)`.
_COPY_SUFFIX = re.compile(r"(?i)([ _-]+(kopie|copy|copie|copia)([ _]*\(?\d+\)?)?|\s*\(\d+\)|_copy)$")
# Words before the number of a class: `class_1`, `Sorte 2`, `stage IV`.
_CLASS_WORDS = {
    "art", "category", "char", "character", "class", "cls", "digit", "grade", "kategorie", "kind", "kl", "klasse",
    "label", "level", "note", "quality", "size", "sorte", "species", "stage", "stufe", "typ", "type",
    "variante", "variety",
}  # fmt: skip


def is_unlabelled(name: str) -> bool:
    """Return whether a folder has images without a class, by its name."""
    return _key(name) in _UNLABELLED_FOLDERS


def are_verdicts(names: Collection[str]) -> bool:
    """Return whether names are results of an inspection: `OK`, `NOK`; `good`, `defective`."""
    return len(names) > 1 and {_key(name) for name in names} <= _VERDICTS


def original_of(name: str, names: Collection[str]) -> str:
    """Return the original name of a file manager's copy: `Apples` for `Apples - Copy`; other names stay."""
    original = _COPY_SUFFIX.sub("", name)
    return original_of(original, names) if original in names and original != name else name


def is_container(name: str) -> bool:
    """Return whether a name is generic for image folders: `images`, `data_256`, `JPEGImages`, `CLS-LOC`."""
    words = _words(name)
    return name.casefold() in CONTAINERS or (bool(words) and all(word in _CONTAINER_WORDS for word in words))


def is_documentation(name: str, *, surely: bool = True) -> bool:
    """Return whether a folder has images of documentation. False for `surely`: with a single other folder beside it."""
    word = name.casefold()
    return word in _DOCUMENTATION or (not surely and word in _PERHAPS_DOCUMENTATION)


def are_parts(names: Collection[str]) -> bool:
    """Return whether names are numbered parts of a data set: `fold1`, `images_002`, `100APPLE`, `a3`, `f7`."""
    prefixes = _prefixes(names)
    is_hexadecimal = all(map(_HEX_DIGITS.fullmatch, names)) and len(set(map(len, names))) == 1
    return prefixes <= _PART_WORDS or (
        is_hexadecimal and len(names) > 16 and any(not name.isdecimal() and len(name) > 1 for name in names)
    )


def are_items(names: Collection[str]) -> bool:
    """Return whether names are numbered items or dates: `patient3`, `2024-05-01`."""
    return (
        _prefixes(names) <= _ITEM_WORDS
        or any(all(map(pattern.fullmatch, names)) for pattern in (_DATE, _NUMBERS))
        or are_dated(names)
    )


def are_dated(names: Collection[str]) -> bool:
    """Return whether each name has a date: `2024-05 Garden`, `Berlin, 1. Mai 2024`, `240501_101500`."""
    return all(map(_DATE_IN_NAME.search, names))


def are_albums(names: Collection[str]) -> bool:
    """Return whether names are albums, made by a program or named by a user: `WhatsApp Images`, `Fotos von Anna`."""
    words = [_words(name) for name in names]
    are_of_images = all(len(name_words) > 1 and name_words[0].rstrip("s") in _IMAGE_WORDS for name_words in words)
    return are_of_images or all(name_words and _ALBUM_WORDS.issuperset({name_words[0]}) for name_words in words)


def are_numbers(names: Collection[str]) -> bool:
    """Return whether names are numbers, numbered items or numbered parts."""
    return all(name.isdecimal() for name in names) or are_items(names) or are_parts(names)


def differ_only_in_number(names: Collection[str]) -> bool:
    """Return whether names differ only in a number: `S005`, `S010`."""
    matches = [_NUMBERED_NAME.fullmatch(name) for name in names]
    return all(matches) and len({match["words"].casefold() for match in matches if match}) == 1


def are_class_numbers(names: Collection[str]) -> bool:
    """Return whether names are numbered classes: `class_1`, `Sorte 2`."""
    return all("".join(filter(str.isalpha, name)).casefold() in _CLASS_WORDS for name in names)


def names_without_part_numbers(names: Collection[str]) -> dict[str, str]:
    """Return {name: name without its number} if several are numbered from 1 on: `MLB_1`, `MLB_2`, `MSV_1`."""
    matches = {name: _NUMBERED_PART.fullmatch(name) for name in names}
    numbers: defaultdict[str, set[int]] = defaultdict(set)
    for match in matches.values():
        if match is None or not any(map(str.isalpha, match[1])):
            return {}
        numbers[match[1]].add(int(match[2]))
    are_from_one = all(used == set(range(1, len(used) + 1)) for used in numbers.values())
    return (
        {name: match[1] for name, match in matches.items() if match}
        if are_from_one and 1 < len(numbers) < len(names)
        else {}
    )


def differ_only_in_digits(names: Collection[str]) -> bool:
    """Return whether names differ only in digits and are no numbered classes: `kos01`, `S2A_1_45`."""
    words = {"".join(filter(str.isalpha, name)).casefold() for name in names}
    if all(map(_QUANTITY.fullmatch, names)) or are_class_numbers(names):
        return False
    if len(names) > 1 and all(map(_SERIAL_NUMBER.fullmatch, names)):
        return True
    return len(names) > 1 and len(words) == 1 and len(words.pop()) > 1


def species_of(names: Collection[str]) -> dict[str, str]:
    """Return {name: species} of folders named by ranks: `00003_Animalia_..._Lumbricus_terrestris` of iNaturalist."""
    matches = {name: _TAXONOMIC_NAME.fullmatch(name) for name in names}
    return {name: f"{match[1]} {match[2]}" for name, match in matches.items() if match} if all(matches.values()) else {}


def common_share(names: Sequence[Collection[str]]) -> float:
    """Return the mean share of all names that a collection contains, 0 to 1."""
    union = {name for collection in names for name in collection}
    return sum(map(len, names)) / (len(names) * len(union)) if union else 0.0


def _key(name: str) -> str:
    """Return the letters and digits of a name in lower case."""
    return "".join(filter(str.isalnum, name)).casefold()


def _words(name: str) -> list[str]:
    """Return the words of a name in lower case, without numbers."""
    return [word.casefold() for word in _WORDS.split(name) if word and not word.isdecimal()]


def _prefixes(names: Collection[str]) -> set[str]:
    """Return the last word before (or after) the numbers of all names; {"?"} if names differ in more than a number."""
    matches = [_NUMBERED_NAME.fullmatch(name) or _NUMBER_FIRST.fullmatch(name) for name in names]
    prefixes = {match["words"].casefold() if match else "?" for match in matches}
    return set(_words(prefixes.pop())[-1:]) or {"?"} if len(prefixes) == 1 else {"?"}


_SEPARATORS = re.compile(r"[ _.\-()]+")
_LEADING_NUMBER = re.compile(r"^\d+[ _.\-]*")
_TRAILING_NUMBERS = re.compile(r"[ _.\-(]*\d+\)?(?:[ _.\-]\d+)*$")
_DIGITS = re.compile(r"\d+")
_CAMERA_WORD = re.compile(
    r"(?i)(_?mg|c?img|dsc[nf]?|dji|gopr|p|pic|mvimg|pxl|screenshot|scan|frame|untitled|wa|whatsapp.*)"
)
_SHORT_SPLITS = ("te", "tr", "trn", "ts", "tst", "va")
# Share of images whose names have the part. At .6 the inventory numbers of a museum would be offered as classes (public
# data set `Inventar eines Museums`); at .9 no public data set changes.
_MIN_PART_SHARE = 0.8
_MIN_IMAGES = 6  # parts of fewer names recur by chance; 12 would exclude plates with few wells (`Opera Phenix`)
_MAX_WORDS = 1000  # as classes, beside numbers; between 500 and 2,000 no public data set changes
_MAX_PART_VALUES = 50  # as classes; between 25 and 100 no public data set changes


def name_parts(stem: str) -> tuple[str, ...]:
    """Return the parts of a file name without suffix, as `LabelChoice.name_part` counts them from 1 on."""
    return tuple(part for part in _SEPARATORS.split(stem) if part)


def name_part(stem: str, number: int) -> str:
    """Return a part of a file name, or an empty text: 1 is the first part, -1 the last, 0 the text without numbers."""
    if number == 0:
        return _LEADING_NUMBER.sub("", _TRAILING_NUMBERS.sub("", stem))
    parts = name_parts(stem)
    index = number - 1 if number > 0 else number
    return parts[index] if -len(parts) <= index < len(parts) else ""


def parts_with_classes(paths: Sequence[Path]) -> Iterator[int]:
    """Yield the numbers of the parts of image names (see `name_part`) that may be classes, most plausible first."""
    if len(paths) < _MIN_IMAGES:
        return
    if _have_words(paths):
        yield 0
        return
    names = [name_parts(path.stem) for path in paths]
    part_count, count = Counter(map(len, names)).most_common(1)[0]
    if part_count < 2 or count < _MIN_PART_SHARE * len(paths):
        return
    columns = [Counter(parts[index] for parts in names if index < len(parts)) for index in range(part_count)]
    indices = [index for index in range(part_count) if _are_classes(columns[index], len(paths), _MAX_PART_VALUES)]
    yield from (index + 1 for index in sorted(indices, key=lambda index: not any(map(_has_letters, columns[index]))))


def _have_words(paths: Sequence[Path]) -> bool:
    """Return whether the names without numbers recur like classes: `cat.0`, `cat.1`, `dog.0`."""
    words = ((path.stem, name_part(path.stem, 0)) for path in paths)
    counts = Counter(word for stem, word in words if word != stem and _is_word(word))
    are_words = len({_DIGITS.sub("", word) for word in counts}) > len(counts) / 2
    return are_words and _are_classes(counts, len(paths), _MAX_WORDS) and not are_numbers(counts)


def _has_letters(text: str) -> bool:
    return any(map(str.isalpha, text))


def _is_word(name: str) -> bool:
    """Return whether the text beside a number may be a class."""
    word = name.strip(" _.-(")
    is_other = word.casefold() in _SHORT_SPLITS or is_container(word) or is_split_name(word)
    return _has_letters(word) and not (is_other or _CAMERA_WORD.fullmatch(word))


def _are_classes(counts: Counter[str], image_count: int, max_values: int) -> bool:
    """Return whether there are few enough values, in enough images, to be classes."""
    total = sum(counts.values())
    return 1 < len(counts) <= min(max_values, total / 2) and total >= _MIN_PART_SHARE * image_count
