"""Recognise names of splits in folders, files and tables, and the split column of a table."""

import re
from collections.abc import Mapping, Sequence

from visionft.data.types import Split
from visionft.project.formats.cells import Row, cells_of, is_flag, is_yes, key_of, keys_in

UNASSIGNED_FOLDER = "unassigned"
_SPLITS: dict[str, Split | None] = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "dev": "val",
    "test": "test",
    "testing": "test",
    "trainval": "train",
    UNASSIGNED_FOLDER: None,
}
# Words that may accompany a split's name in folders and files: `training_set`, `seg_train`, `train_labels.csv`.
_NEUTRAL_WORDS = (
    "annotation", "annotations", "class", "classes", "coco", "data", "dataset", "file", "files", "image", "images",
    "img", "imgs", "info", "instances", "label", "labels", "list", "metadata", "obj", "pics", "pictures", "photos",
    "seg", "set", "split",
)  # fmt: skip
_ENUMERATION_PREFIX = re.compile(r"(\d{1,2}|[a-zA-Z])[.)]\s+")  # `a. Training Set`
_SIZE = re.compile(r"\d+(x\d+)+")  # `Train Images 13440x32x32`
_YEAR = re.compile(r"(?<=[a-z])((19|20)\d\d|\d)$")  # `train2017`, `test1`
# `ml_use` is of Vertex AI. All but `split` and `splits` need names of splits as cells.
_SPLIT_KEYS = ("split", "splits", "mluse", "set", "subset", "partition", "dataset")
_SPLITS_BY_CODE: tuple[Split, ...] = ("train", "val", "test")  # CelebA's 0, 1, 2


def is_split_name(name: str) -> bool:
    """Return whether a folder or file is named after a split: `train`, `Validation`, `training_set`, `seg_test`."""
    return _split_word(name) is not None


def split_of(name: str) -> Split | None:
    """Return the split with this name; None for other names and the folder of unassigned images."""
    word = _split_word(name)
    return _SPLITS[word] if word else None


def split_in(name: str) -> Split | None:
    """Return the only split among the words of a name, such as `cars_train`; None for no or several splits."""
    splits: set[Split | None] = {split_of(word) for word in name_words(name) if is_split_name(word)}
    return splits.pop() if len(splits) == 1 else None


def is_train_and_val(name: str) -> bool:
    """Return whether a name stands for training and validation together: `trainval`, `train_val_list`."""
    return "".join(name_words(name)) == "trainval"


def name_words(name: str) -> list[str]:
    """Return the words of a name in lower case, without neutral words and years: `train` of `trainLabels`."""
    numbered = _ENUMERATION_PREFIX.match(name)
    parts = re.split(r"[\W_]+|(?<=[a-z])(?=[A-Z])", name[numbered.end() if numbered else 0 :])
    words = (_YEAR.sub("", part.casefold()) for part in parts if not _SIZE.fullmatch(part))
    return [word for word in words if word and word not in _NEUTRAL_WORDS]


def _split_word(name: str) -> str | None:
    words = name_words(name)
    if len(words) != 1 and not is_train_and_val(name):
        return None
    word = "".join(words)
    return word if word in _SPLITS else None


# ----------------------------------------------------------------------------------------------------------------------
# The split column of a table, and the meaning of its cells.


def split_column(titles: Sequence[str], sample: Sequence[Row]) -> str:
    """Return the split column by its title (`set` and `dataset` need names of splits), or by its cells; else empty."""
    return split_and_codes(titles, sample)[0]


def split_and_codes(titles: Sequence[str], sample: Sequence[Row]) -> tuple[str, dict[str, Split]]:
    """Return the split column, or an empty text, and {cell: split} if its cells are codes."""
    cells = {title: cells_of(title, sample) for title in titles}
    if named := _named_column(cells):
        return named, {}
    flags = {title for title in titles if cells[title] and all(map(is_flag, cells[title]))}
    for title in titles:
        codes = _codes(title, cells[title])
        is_class = title in flags and len(flags) > 1 and key_of(title) in ("train", "test")  # `bus, train` of one-hot
        if codes and not is_class:
            return title, codes
        if len(set(cells[title])) > 1 and all(map(is_split_name, cells[title])):
            return title, {}
    return "", {}


def _named_column(cells: Mapping[str, Sequence[str]]) -> str:
    """Return the split column by title: `split`, or `set` and similar titles with names of splits as cells."""
    for key in _SPLIT_KEYS:
        for title in (each for each in cells if key in keys_in(each)):
            is_sure = bool(cells[title]) and key in ("split", "splits") and not _codes(title, cells[title])
            if is_sure or any(map(is_split_name, cells[title])):
                return title
    return ""


def _codes(title: str, cells: Sequence[str]) -> dict[str, Split]:
    """Return {cell: split} of a column of codes with a title about splits; empty for other columns."""
    key, values = key_of(title), set(cells)
    if values == {"0", "1", "2"} and re.search("partition|split|evalset", key):
        return {str(number): split for number, split in enumerate(_SPLITS_BY_CODE)}
    if values and all(map(is_flag, values)) and re.fullmatch(r"(is)?(train|test)(ing)?(image|testsplit)?", key):
        is_train = "train" in key
        return {cell: "train" if is_yes(cell) == is_train else "test" for cell in values}
    return {}
