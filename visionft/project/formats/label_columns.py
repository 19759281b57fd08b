"""The columns of a table that may give the label: by their titles and their cells.

One column of names, or one column of yes and no for each class.
"""

import re
from collections import Counter
from collections.abc import Iterable, Sequence, Set
from typing import Any

from visionft.project.formats.cells import (
    Row,
    cells_of,
    has_letters,
    is_flag,
    is_image_name,
    is_number,
    key_of,
    keys_in,
    says_yes,
)

# Keys are titles in the form of `key_of`, the clearest first.
_LABEL_KEYS = (
    "label", "labels", "class", "classes", "classname", "classnames", "classlabel", "category", "categories",
    "categoryname", "labelname", "labelnames", "displayname", "tagname", "target", "targets", "commonname",
    "scientificname", "species", "breed", "choice", "choices", "groundtruth", "diagnosis", "dx", "variety", "klasse",
    "klassen", "kategorie", "kategorien", "befund", "diagnose", "etikett", "fehlerart", "classe", "clase", "espèce",
    "especie", "étiquette", "etiqueta", "urteil", "bewertung", "baumart", "tierart", "fehler", "schaden", "defekt",
    "defect", "défaut", "defecto", "verdict", "accept", "ergebnis", "wynik", "estado", "tier", "sorte", "gatunek",
    "klasa", "kategoria", "класс", "категория", "метка", "вид", "порода", "диагноз", "дефект", "заключение", "クラス",
    "ラベル", "分類", "判定", "类别", "類別", "标签", "y",
)  # fmt: skip
_LABEL_KEY = re.compile(
    r"(label|class|category|categorie|species|breed|diagnosis|diagnostic|truth|klasse|kategorie|disease|target|genre"
    r"|finding|classification)"
    r"(e?s)?((common|scientific)?name|id)?\d*$"
)
_FILE_KEY = re.compile(
    r"file|image|img|path|picture|photo|foto(?!graf$)|zdjęcie|datei|bild|url|uri|sourceref|idcode|externalid|^name$|^id$"
)
_GROUP_KEY = re.compile(
    r"patient|subject|person|lesion|slide|plate|sequence|location|annotator|author|user"
    r"|(?<!class)(?<!label)(?<!category)(?<!breed)(?<!^)id$"
)
# Facts about how an image was taken, published or kept; not its class.
_FACT_KEY = re.compile(
    r"nsfw|licen[cs]e|lizenz|licencia|licence|copyright|rights|credits?|photographer|fotograf|photographe|fotógrafo"
    r"|modality|series\w*|manufacturer\w*|photometric\w*|bodypart\w*|laterality|(patient|view)(orientation|position)"
    r"|favou?rite|hidden|deleted|starred|camera|kamera|cámara|caméra|orientation|flash|operator|operador|opérateur"
    r"|prüfer|observateur|observer|shift|schicht|turno|línea|ligne|linie|lieu|ort|lugar|datum|date|fecha|data"
)
_ANSWER_KEY = re.compile(r"annotation|answer|tag|class|label")  # before a last part called `name`


def is_label_title(title: str) -> bool:
    """Return whether a title tells of labels: `Finding Labels`, `ClassId`, `radio_answer.name`."""
    *before, last = keys_in(title)
    is_answer = bool(before) and last in ("name", "value") and bool(_ANSWER_KEY.search(before[-1]))
    return last in _LABEL_KEYS or bool(_LABEL_KEY.search(last)) or is_answer


def is_exact_title(title: str) -> bool:
    """Return whether a title, or the last part of a path, is one for labels alone."""
    return keys_in(title)[-1] in _LABEL_KEYS


def rank_of(title: str) -> float:
    """Return the weight of an exact title, below 2: the first of the list is the clearest."""
    return 1.9 - _LABEL_KEYS.index(keys_in(title)[-1]) / 50


def is_file_title(title: str) -> bool:
    """Return whether a title tells of names of images: `file_name`, `Foto vorne`."""
    return bool(_FILE_KEY.search(key_of(title)))


def is_whole_file_title(title: str) -> bool:
    """Return whether a title tells of nothing but names of images: `image`, `filename`."""
    return bool(_FILE_KEY.fullmatch(key_of(title)))


def is_fact_title(title: str) -> bool:
    """Return whether a title tells how an image was taken, published or kept: `Licence`, `Kamera`, `favorite`."""
    return bool(_FACT_KEY.fullmatch(key_of(title)))


def is_group_title(title: str) -> bool:
    """Return whether a title tells of groups or circumstances of images rather than of classes."""
    return bool(_GROUP_KEY.search(key_of(title))) or is_fact_title(title)


# Keys are titles in the form of `key_of`; these give the label only where nothing else does.
_WEAK_LABEL_KEYS = ("tags", "tag", "type", "kind", "text", "caption", "annotation", "answer", "name", "id")
_RANKS = {"order", "family", "genus"}  # of taxonomy, beside which `class` is another one: `GBIF download`
_MANY = 20  # rows of which classes would not all differ, as in a short list with a row for each class
_FEW_CELLS = 3  # that may all be equal, or all differ, in a column of classes: `Remarks` at two of 18 images
_MANY_FACTS = 2  # columns of a table that describes photographs: `Make, Model, Flash, ISO` of exiftool
_LONG = 100  # letters: longer cells are texts, such as reports of the Indiana chest X-rays, and no classes
_CLASS_ID = re.compile(r"n\d{8}|/[mgt]/\w+")  # of WordNet (Tiny ImageNet) and Freebase (Open Images)
_BOXED = re.compile(r"([^\s\d-]\S*(\s+-?\d+(\.\d+)?){4}\s*)+")  # a class with its box, several times
_OF_ID = re.compile(r"[a-z]Id$|[_ ](id|ID|Id)$")  # `ShapeId` and `ColorId` of GTSRB's signs
_FEW_ROWS = 2  # that may all say yes by chance: in a split of Roboflow's `filename, cat, big dog`
_LEAST_CLASSES = 2  # one column of yes and no is another fact: `service_test` of FairFace
# The first column of pandas has no title, or `Unnamed: 0`.
_NUMBERING = re.compile(r"|#|no|nr|index|idx|id|row|rowid|unnamed\d*")


def ranked_labels(titles: Sequence[str], sample: Sequence[Row]) -> list[tuple[str, float]]:
    """Return the columns that may give the label with the weight of the evidence; 1 and more is enough.

    Columns that vary are before constant ones.
    """
    keys = set(map(key_of, titles))
    titles = [title for title in titles if not _has_other_meaning(title, keys)]
    flags = _one_hot_flags(titles, sample)
    weights = ((title, _weight_of_classes(title, sample, is_one_hot=title in flags)) for title in titles)
    ranked = [(title, weight) for title, weight in weights if weight is not None]
    return sorted(ranked, key=lambda each: (len(set(cells_of(each[0], sample))) > 1, each[1]), reverse=True)


def _has_other_meaning(title: str, keys: set[str]) -> bool:
    """Return whether the other titles give a title another meaning: `class` of taxonomy, `y` of a place."""
    return (key_of(title) == "class" and keys >= _RANKS) or (key_of(title) == "y" and "x" in keys)


def _one_hot_flags(titles: Sequence[str], sample: Sequence[Row]) -> set[str]:
    """Return the columns of yes and no beside which another one varies: rather of one class each."""
    flags = {title for title in titles if all(map(is_flag, cells_of(title, sample)))}
    varying = {title for title in flags if len(set(cells_of(title, sample))) > 1}
    return {title for title in flags if len(varying) > (title in varying)}


def _weight_of_classes(title: str, sample: Sequence[Row], *, is_one_hot: bool) -> float | None:
    """Return the evidence that a column gives the label; None where it cannot."""
    cells = cells_of(title, sample)
    if not cells or _is_of_names(cells) or is_numbering(title, sample):
        return None
    distinct = len(set(cells))
    is_constant = distinct == 1 and len(cells) >= _FEW_CELLS
    promises_classes = _promises_classes(title, cells, is_one_hot=is_one_hot)
    if not promises_classes and (is_constant or not _may_be_classes(cells)):
        return None
    weight = max(rank_of(title), 1.0) if is_exact_title(title) else float(promises_classes)
    weight += (1.0 if promises_classes else 0.1) * any(map(has_letters, cells))
    return weight + 0.1 * (1 - distinct / len(cells))


def _is_of_names(cells: Sequence[str]) -> bool:
    return len(cells) >= _MANY and len(set(cells)) > 0.9 * len(cells)


def _promises_classes(title: str, cells: Sequence[str], *, is_one_hot: bool) -> bool:
    """Return whether a title, or the form of all cells, is that of classes."""
    return (
        is_exact_title(title)
        or (is_label_title(title) and not is_one_hot)
        or all(map(_CLASS_ID.fullmatch, cells))
        or are_boxed(cells)
    )


def are_boxed(cells: Iterable[str]) -> bool:
    """Return whether each cell holds classes with their boxes: `n02119789 18 2 396 301`."""
    return all(map(_BOXED.fullmatch, cells))


def _may_be_classes(cells: Sequence[str]) -> bool:
    """Return whether cells without a telling title may be classes: short, no measures, and no files."""
    is_measure = any("." in cell and is_number(cell) for cell in cells)
    is_short = sum(len(cell) <= _LONG for cell in cells) > 0.9 * len(cells)
    is_file = sum(is_image_name(cell) or "://" in cell for cell in cells) > 0.9 * len(cells)
    return is_short and not is_measure and not is_file


def only_candidate(titles: Sequence[str], sample: Sequence[Row]) -> list[str]:
    """Return the one remaining candidate for the label column: by repeated cells, else by a plausible name.

    Groups of images, such as those of a patient, repeat too, and are none.
    """
    if sample and describes_photographs(sample[0]):
        return []
    repeating = _repeating_columns(titles, sample)
    if len(repeating) == 1:
        return list(repeating)
    weak = [title for key in _WEAK_LABEL_KEYS for title in titles if key_of(title) == key]
    return [title for title in weak if not repeating or title in repeating][:1]


def _repeating_columns(titles: Sequence[str], sample: Sequence[Row]) -> dict[str, list[str]]:
    """Return {title: cells} of the columns whose texts are each in two rows, on average."""
    columns = {title: cells_of(title, sample) for title in titles if not is_group_title(title)}
    return {title: cells for title, cells in columns.items() if len(set(cells)) <= max(1, len(cells) // 2)}


def describes_photographs(titles: Iterable[str]) -> bool:
    """Return whether a table tells how photographs were taken: `Make, Model, Flash, ISO`."""
    return sum(map(is_fact_title, titles)) >= _MANY_FACTS


def may_rival(title: str, sample: Sequence[Row]) -> bool:
    """Return whether a column may give the label instead of another: of words or codes, not of groups of images."""
    cells = cells_of(title, sample)
    recurs = len(cells) < _FEW_CELLS or 1 < len(set(cells)) < len(cells)
    is_of_classes = _are_codes(cells) or any(map(has_letters, cells))
    return recurs and is_of_classes and not is_group_title(title)


def _are_codes(cells: Sequence[str]) -> bool:
    """Return whether numbers may be codes of classes: dense, `1, 2, 4`, unlike weights in grams."""
    return all(map(str.isdecimal, cells)) and max(map(int, cells)) <= 2 * len(set(cells)) + 1


def label_of_parts(titles: Sequence[str], sample: Sequence[Row]) -> str:
    """Return the title that gives the classes of parts of images; empty for none."""
    rows = [{key: _first_text(row.get(key)) for key in titles} for row in sample]
    named = [title for title in titles if any(has_letters(row[title]) for row in rows) and "shape" not in title]
    ranked = ranked_labels(named, rows)
    return ranked[0][0] if ranked else next(iter(named), "")


def _first_text(value: Any) -> str:
    first = next(iter(value), "") if isinstance(value, list) else value  # type: ignore[reportUnknownVariableType]
    return "" if first is None else str(first)  # type: ignore[reportUnknownArgumentType]


# ----------------------------------------------------------------------------------------------------------------------
# One-hot tables: a class for each column, with yes or no in its rows; and columns that number the rows.


def one_hot_columns(titles: Sequence[str], sample: Sequence[Row]) -> tuple[str, ...]:
    """Return the columns of a one-hot table: two or more of yes and no, without row numbers and other facts."""
    flags = [title for title in titles if _may_be_class(title, sample)]
    patterns = {frozenset(title for title in flags if says_yes(row.get(title, ""))) for row in sample}
    constant = _constant_facts(flags, patterns) if len(sample) > _FEW_ROWS else frozenset[str]()
    flags = [title for title in flags if title not in constant]
    patterns = {pattern - constant for pattern in patterns}
    if len(flags) < _LEAST_CLASSES or not any(patterns):
        return ()
    fact = _fact_beside_classes(flags, patterns, rows=len(sample))
    return tuple(title for title in flags if title != fact)


def _may_be_class(title: str, sample: Sequence[Row]) -> bool:
    """Return whether a column says yes or no in each row, and its title is none of a number or a fact."""
    if is_numbering(title, sample) or is_fact_title(title) or _OF_ID.search(title):
        return False
    return all(is_flag(str(row.get(title) or "")) for row in sample)


def _constant_facts(flags: Sequence[str], patterns: Set[frozenset[str]]) -> frozenset[str]:
    """Return the columns that say yes in all rows, where fewer than two others are left: `valid` beside `cat`.

    Else they are classes: all may be young in a sample of CelebA.
    """
    always = frozenset[str].intersection(*patterns) if patterns else frozenset[str]()
    return always if len(flags) - len(always) < _LEAST_CLASSES else frozenset()


def _fact_beside_classes(flags: Sequence[str], patterns: Set[frozenset[str]], *, rows: int) -> str | None:
    """Return the column without which each row has exactly one yes: `male` beside `cat` and `dog`; None for none.

    In as few rows as there are columns this may be by chance.
    """
    is_class_each = all(len(pattern) == 1 for pattern in patterns)
    if is_class_each or len(flags) <= _LEAST_CLASSES or rows <= len(flags):
        return None
    uses = Counter(title for pattern in patterns for title in pattern)
    frequent = sorted(flags, key=lambda title: -uses[title])
    return next((title for title in frequent if all(len(pattern - {title}) == 1 for pattern in patterns)), None)


def is_numbering(title: str, sample: Sequence[Row]) -> bool:
    """Return whether a column only numbers the rows: distinct whole numbers."""
    cells = cells_of(title, sample)
    counts = bool(cells) and all(cell.isdecimal() for cell in cells) and len(set(cells)) == len(cells)
    return not cells or (counts and (len(cells) > 2 or bool(_NUMBERING.fullmatch(key_of(title)))))
