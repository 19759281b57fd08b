"""Names of splits, as folders, files and tables have them."""

import re

from visionft.data.types import Split

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
# Words beside a split's in the names of folders and files: `training_set`, `seg_train`, `train_labels.csv`.
_NEUTRAL_WORDS = (
    "annotation", "annotations", "class", "classes", "coco", "data", "dataset", "file", "files", "image", "images",
    "img", "imgs", "info", "instances", "label", "labels", "list", "metadata", "obj", "pics", "pictures", "photos",
    "seg", "set", "split",
)  # fmt: skip
_ENUMERATION = re.compile(r"(\d{1,2}|[a-zA-Z])[.)]\s+")  # `a. Training Set`
_SIZE = re.compile(r"\d+(x\d+)+")  # `Train Images 13440x32x32`
_YEAR = re.compile(r"(?<=[a-z])((19|20)\d\d|\d)$")  # `train2017`, `test1`


def is_split_name(name: str) -> bool:
    """Return whether a folder or file is named after a split: `train`, `Validation`, `training_set`, `seg_test`."""
    return _split_word(name) is not None


def split_of(name: str) -> Split | None:
    """Return the split of a name; None for no split, and for the folder of unassigned images."""
    word = _split_word(name)
    return _SPLITS[word] if word else None


def split_in(name: str) -> Split | None:
    """Return the split of the only word of a name that is one: `cars_train`; None for none or several."""
    splits: set[Split | None] = {split_of(word) for word in name_words(name) if is_split_name(word)}
    return splits.pop() if len(splits) == 1 else None


def is_train_and_val(name: str) -> bool:
    """Return whether a file lists images to train and to validate with: `trainval`, `train_val_list`."""
    return "".join(name_words(name)) == "trainval"


def name_words(name: str) -> list[str]:
    """Return the words of a name that tell something, in small letters: `train` of `trainLabels`, `train2017`."""
    numbered = _ENUMERATION.match(name)
    parts = re.split(r"[\W_]+|(?<=[a-z])(?=[A-Z])", name[numbered.end() if numbered else 0 :])
    words = (_YEAR.sub("", part.casefold()) for part in parts if not _SIZE.fullmatch(part))
    return [word for word in words if word and word not in _NEUTRAL_WORDS]


def _split_word(name: str) -> str | None:
    words = name_words(name)
    word = "".join(words) if is_train_and_val(name) else words[0] if len(words) == 1 else ""
    return word if word in _SPLITS else None
