"""What the names of folders and files tell: containers, parts of a data set, numbers of patients, classes in names."""

import re
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

from visionft.project.formats.folders import CONTAINERS
from visionft.project.formats.split_names import is_split_name

_WORDS = re.compile(r"[\W_]+|(?<=[a-z])(?=[A-Z0-9])")
_NUMBERED_NAME = re.compile(r"(?P<words>.*?)([ _.-]*\d+|[ _.-]+[a-zA-Z])")
_PART = re.compile(r"(.+?)[ _.-]*(\d{1,2})")
_NUMBER_FIRST = re.compile(r"\d{3}(?P<words>[A-Z]+)")  # `100APPLE`
_DATE = re.compile(r"(19|20)\d\d([-_. ]?\d\d){0,2}([-_. T]\d{2,6}){0,3}")
# A date somewhere in a name: `2024-05 Easter`, `202405__`, `240501_101500`, `1. Mai 2024`, `1.5.2024`.
_WITH_DATE = re.compile(
    r"(?<!\d)((19|20)\d\d[-_. ]?(0[1-9]|1[0-2])([-_. ]?[0-3]\d)?(?!\d)|\d{6,8}[-_T ]\d{4,6}(?!\d)"
    r"|[0-3]?\d\.? [^\W\d]+\.? (19|20)\d\d(?!\d)|[0-3]?\d[-./][01]?\d[-./](19|20)?\d\d(?!\d))"
)
_SERIAL = re.compile(r"[a-zA-Z]\d{2,4}|\d+[a-zA-Z]\d*|[1-9]\d{4,}")  # `A01`; `12b`; `10006`
_NUMBERS = re.compile(r"-?\d+(\.\d+)?([_ ,;x-]+-?\d+(\.\d+)?)+")  # `-0.0285_101.7` of ForestNet
_QUANTITY = re.compile(r"\d+[ _-]+[^\W\d]+")  # `1 Euro`, `2 Euro`
_RANKS = re.compile(r"\d{5}(?:_[A-Z][^_]*){5}_([A-Z][^_]*)_(.+)")
_HEX = re.compile(r"[0-9a-f]+")
# Words of the names of folders that hold images of all classes: `images`, `JPEGImages`, `CLS-LOC` of ImageNet. A name
# with any other word may be a class: `data centre`.
_CONTAINERS = {
    *CONTAINERS, "cls", "dataset", "datasets", "file", "files", "folder", "imageset", "jpeg", "jpegs", "jpg", "loc",
    "photo", "pic", "picture", "png", "set",
}  # fmt: skip
# Words before the number of a part of a data set, `fold1`, `images_002`; the last five are of cameras: `100APPLE`,
# `101MSDCF`. With a word of `_CLASS_WORDS`, such as `grade 1`, the numbers are classes.
_PARTS = {
    "batch", "chunk", "cv", "disk", "disc", "fold", "folder", "group", "image", "images", "img", "imgs", "kfold",
    "part", "set", "shard", "split", "subset", "tile", "tiles", "vol", "volume", "apple", "canon", "media",
    "msdcf", "nikon",
}  # fmt: skip
# Words before the number of what was photographed, or of an occasion: `patient3`, `Messung 12`, `well_a`.
_ITEMS = {
    "acquisition", "album", "aufnahme", "cam", "camera", "caméra", "case", "clip", "cámara", "day", "donor", "exam",
    "experiment", "frame", "frames", "id", "kamera", "location", "messung", "mouse", "p", "pat", "patient", "person",
    "plate", "plot", "proband", "probe", "pt", "recording", "rep", "replicate", "run", "sample", "scan", "scene", "seq",
    "sequence", "series", "session", "site", "slide", "specimen", "station", "study", "sub", "subj", "subject", "track",
    "trial", "user", "vid", "video", "view", "week", "well",
}  # fmt: skip
# Folders of a README's images, beside any others; the second only beside a single other: `results/`, `dataset/`.
_DOCUMENTATION = {"asset", "assets", "doc", "docs", "documentation", "icons", "notebooks", "screenshots", "thumbnails"}
_PERHAPS_DOCUMENTATION = {
    "code", "demo", "example", "examples", "fig", "figs", "figure", "figures", "logs", "output", "outputs", "plots",
    "result", "results", "sample", "samples", "src", "static", "thumbs",
}  # fmt: skip
# First words of folders that programs of telephones and computers make: `WhatsApp Images`, `Camera`.
_ALBUMS = {
    "camera", "download", "downloads", "favorites", "private", "received", "restored", "saved", "screenshot",
    "screenshots", "sent", "signal", "telegram", "whatsapp",
}  # fmt: skip
# Folders of images without a class: of Datumaro and CVAT, FiftyOne, Roboflow, and of people.
_UNLABELLED_FOLDERS = (
    "nolabel", "pred", "predict", "prediction", "predictions", "sinclasificar", "todo", "tolabel", "tosort",
    "unclassified", "unlabeled", "unlabelled", "unsorted", "unsortiert",
)  # fmt: skip
# Names that say how an inspection or an examination ended: classes, whatever lies in them. `OK/camera 1/1.png`.
_VERDICTS = {
    "abnormal", "accept", "anomaly", "bad", "bon", "bueno", "damaged", "defect", "defective", "defekt", "fail",
    "failed", "faulty", "fehler", "fehlerhaft", "good", "gut", "healthy", "io", "ja", "ko", "malo", "mauvais", "nein",
    "neg", "negative", "ng", "nio", "no", "nok", "normal", "notok", "ok", "pass", "passed", "pos", "positive",
    "reject", "schlecht", "sick", "undamaged", "yes",
}  # fmt: skip
# First words of an album of something, `Fotos von Anna`; alone they name a container.
_OF_IMAGES = {"bild", "bilder", "foto", "image", "img", "photo", "pic", "picture"}
# Ends of the copy of a folder by an explorer: `Apples - Copy`, `Äpfel - Kopie (2)`, `New folder (2)`.
_COPY = re.compile(r"(?i)([ _-]+(kopie|copy|copie|copia)([ _]*\(?\d+\)?)?|\s*\(\d+\)|_copy)$")
# Words before the number of a class, in contrast to items: `class_1`, `Sorte 2`, `stage IV`.
_CLASS_WORDS = {
    "art", "category", "char", "character", "class", "cls", "digit", "grade", "kategorie", "kind", "kl", "klasse",
    "label", "level", "note", "quality", "size", "sorte", "species", "stage", "stufe", "typ", "type",
    "variante", "variety",
}  # fmt: skip


def is_unlabelled(name: str) -> bool:
    """Return whether a folder holds images without a class, by its name."""
    return _key(name) in _UNLABELLED_FOLDERS


def are_verdicts(names: Collection[str]) -> bool:
    """Return whether names are verdicts: `OK`, `NOK`; `good`, `defective`."""
    return len(names) > 1 and {_key(name) for name in names} <= _VERDICTS


def original_of(name: str, names: Collection[str]) -> str:
    """Return the name of which another one is a file manager's copy: `Apples - Copy`, `New folder (2)`."""
    original = _COPY.sub("", name)
    return original_of(original, names) if original in names and original != name else name


def is_container(name: str) -> bool:
    """Return whether a name is a general image folder's: `images`, `data_256`, `JPEGImages`, `CLS-LOC`."""
    words = _words(name)
    return name.casefold() in CONTAINERS or (bool(words) and all(word in _CONTAINERS for word in words))


def is_documentation(name: str, *, surely: bool = True) -> bool:
    """Return whether a folder holds images of a documentation; `surely`, or only beside a single other folder."""
    word = name.casefold()
    return word in _DOCUMENTATION or (not surely and word in _PERHAPS_DOCUMENTATION)


def are_parts(names: Collection[str]) -> bool:
    """Return whether names number the parts of a data set: `fold1`, `images_002`, `100APPLE`, `a3`, `f7`."""
    prefixes = _prefixes(names)
    is_hexadecimal = all(map(_HEX.fullmatch, names)) and len(set(map(len, names))) == 1
    return prefixes <= _PARTS or (
        is_hexadecimal and len(names) > 16 and any(not name.isdecimal() and len(name) > 1 for name in names)
    )


def are_items(names: Collection[str]) -> bool:
    """Return whether names number what was photographed, or say when: `patient3`, `2024-05-01`."""
    return (
        _prefixes(names) <= _ITEMS
        or any(all(map(each.fullmatch, names)) for each in (_DATE, _NUMBERS))
        or are_dated(names)
    )


def are_dated(names: Collection[str]) -> bool:
    """Return whether each name has a date: `2024-05 Garden`, `Berlin, 1. Mai 2024`, `240501_101500`."""
    return all(map(_WITH_DATE.search, names))


def are_albums(names: Collection[str]) -> bool:
    """Return whether names are albums' (of a program, or of images of something, `Fotos von Anna`)."""
    words = [_words(name) for name in names]
    are_of_images = all(len(each) > 1 and each[0].rstrip("s") in _OF_IMAGES for each in words)
    return are_of_images or all(each and _ALBUMS.issuperset({each[0]}) for each in words)


def are_numbers(names: Collection[str]) -> bool:
    """Return whether names are numbers, alone or of an item or a part."""
    return all(name.isdecimal() for name in names) or are_items(names) or are_parts(names)


def are_counted(names: Collection[str]) -> bool:
    """Return whether names differ in a number alone: `S005`, `S010`."""
    found = [_NUMBERED_NAME.fullmatch(name) for name in names]
    return all(found) and len({each["words"].casefold() for each in found if each}) == 1


def are_class_numbers(names: Collection[str]) -> bool:
    """Return whether names number classes: `class_1`, `Sorte 2`."""
    return all("".join(filter(str.isalpha, name)).casefold() in _CLASS_WORDS for name in names)


def names_of_parts(names: Collection[str]) -> dict[str, str]:
    """Return {name: name without its number} if several are numbered from 1 on: `MLB_1`, `MLB_2`, `MSV_1`."""
    found = {name: _PART.fullmatch(name) for name in names}
    numbers: defaultdict[str, set[int]] = defaultdict(set)
    for each in found.values():
        if each is None or not any(map(str.isalpha, each[1])):
            return {}
        numbers[each[1]].add(int(each[2]))
    are_from_one = all(each == set(range(1, len(each) + 1)) for each in numbers.values())
    return (
        {name: each[1] for name, each in found.items() if each}
        if are_from_one and 1 < len(numbers) < len(names)
        else {}
    )


def are_alike(names: Collection[str]) -> bool:
    """Return whether names differ in digits alone, and do not call these a class: `kos01`, `S2A_1_45`."""
    words = {"".join(filter(str.isalpha, name)).casefold() for name in names}
    if all(map(_QUANTITY.fullmatch, names)) or are_class_numbers(names):
        return False
    if len(names) > 1 and all(map(_SERIAL.fullmatch, names)):
        return True
    return len(names) > 1 and len(words) == 1 and len(words.pop()) > 1


def species_of(names: Collection[str]) -> dict[str, str]:
    """Return {name: species} of folders called by ranks: `00003_Animalia_..._Lumbricus_terrestris` of iNaturalist."""
    found = {name: _RANKS.fullmatch(name) for name in names}
    return {name: f"{each[1]} {each[2]}" for name, each in found.items() if each} if all(found.values()) else {}


def common_share(names: Sequence[Collection[str]]) -> float:
    """Return the mean share of all names that each of some collections has, 0 to 1."""
    union = {name for each in names for name in each}
    return sum(map(len, names)) / (len(names) * len(union)) if union else 0.0


def _key(name: str) -> str:
    """Return the letters of a name in small letters."""
    return "".join(filter(str.isalnum, name)).casefold()


def _words(name: str) -> list[str]:
    """Return the words of a name in small letters, without numbers."""
    return [word.casefold() for word in _WORDS.split(name) if word and not word.isdecimal()]


def _prefixes(names: Collection[str]) -> set[str]:
    """Return the last word before numbers, or that after them; "?" for names that differ in more than a number."""
    found = [_NUMBERED_NAME.fullmatch(name) or _NUMBER_FIRST.fullmatch(name) for name in names]
    prefixes = {each["words"].casefold() if each else "?" for each in found}
    return set(_words(prefixes.pop())[-1:]) or {"?"} if len(prefixes) == 1 else {"?"}


_SIGNS = re.compile(r"[ _.\-()]+")
_NUMBERS_FIRST = re.compile(r"^\d+[ _.\-]*")
_NUMBERS_LAST = re.compile(r"[ _.\-(]*\d+\)?(?:[ _.\-]\d+)*$")
_DIGITS = re.compile(r"\d+")
_OF_CAMERAS = re.compile(
    r"(?i)(_?mg|c?img|dsc[nf]?|dji|gopr|p|pic|mvimg|pxl|screenshot|scan|frame|untitled|wa|whatsapp.*)"
)
_SHORT_SPLITS = ("te", "tr", "trn", "ts", "tst", "va")
# Share of the images whose names have the part. At .6 the inventory numbers of a museum would be offered as classes
# (`Inventar eines Museums` of the public data sets); at .9 no data set changes.
_MIN_PART_SHARE = 0.8
_LEAST_IMAGES = 6  # of fewer, the parts recur by chance; with 12, plates of few wells lose their offer (`Opera Phenix`)
_MOST_CLASSES = 1000  # words beside the numbers; no public data set depends on it between 500 and 2,000
_MOST_OF_PART = 50  # values of one part of the names; no public data set depends on it between 25 and 100


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
    if length < 2 or equally_long < _MIN_PART_SHARE * len(paths):
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
    """Return whether values recur like classes."""
    total = sum(counts.values())
    return 1 < len(counts) <= min(most, total / 2) and total >= _MIN_PART_SHARE * images
