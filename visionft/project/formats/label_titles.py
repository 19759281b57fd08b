"""Titles of columns that tell of labels, in the languages of the program and their neighbors."""

import re

from visionft.project.formats.cells import key_of, keys_in

# Keys are titles in the form of `key_of`, the clearest first.
_LABEL_KEYS = (
    "label", "labels", "class", "classes", "classname", "classnames", "classlabel", "category", "categories",
    "categoryname", "labelname", "labelnames", "displayname", "tagname", "target", "targets", "commonname",
    "scientificname", "species", "breed", "choice", "choices", "groundtruth", "diagnosis", "dx", "variety", "klasse",
    "klassen", "kategorie", "kategorien", "befund", "diagnose", "etikett", "fehlerart", "classe", "clase", "espèce",
    "especie", "étiquette", "etiqueta", "urteil", "bewertung", "baumart", "tierart", "fehler", "schaden", "defekt",
    "defect", "défaut", "defecto", "verdict", "accept",
)  # fmt: skip
_LABEL_KEY = re.compile(
    r"(label|class|category|categorie|species|breed|diagnosis|diagnostic|truth|klasse|kategorie|disease|target|genre"
    r"|finding|classification)"
    r"(e?s)?((common|scientific)?name|id)?\d*$"
)
_ANSWER_KEY = re.compile(r"annotation|answer|tag|class|label")  # before a last part called `name`


def is_label_title(title: str) -> bool:
    """Return whether a title tells of labels: `Finding Labels`, `ClassId`, `radio_answer.name`."""
    *before, last = keys_in(title)
    is_answer = bool(before) and last in ("name", "value") and bool(_ANSWER_KEY.search(before[-1]))
    return last in _LABEL_KEYS or key_of(title) in _LABEL_KEYS or bool(_LABEL_KEY.search(last)) or is_answer


def is_exact_title(title: str) -> bool:
    """Return whether a title, or the last part of a path, is one for labels alone."""
    return any(key in _LABEL_KEYS for key in [*keys_in(title)[-1:], key_of(title)])


def rank_of(title: str) -> float:
    """Return the weight of an exact title, below 2: the first of the list is the clearest."""
    keys = [key_of(title), *keys_in(title)[-1:]]
    place, key = min((_LABEL_KEYS.index(key), key) for key in keys if key in _LABEL_KEYS)
    return 1.9 - place / 50 - 0.3 * (key != keys[0])
