"""Find the label columns of a table by titles and cells: one column of class names, or one-hot columns."""

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
    is_yes,
    key_of,
    keys_in,
)

# Keys are titles normalized by `key_of`, the clearest first.
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
# Metadata about how an image was taken, published or stored.
_METADATA_KEY = re.compile(
    r"nsfw|licen[cs]e|lizenz|licencia|licence|copyright|rights|credits?|photographer|fotograf|photographe|fotógrafo"
    r"|modality|series\w*|manufacturer\w*|photometric\w*|bodypart\w*|laterality|(patient|view)(orientation|position)"
    r"|favou?rite|hidden|deleted|starred|camera|kamera|cámara|caméra|orientation|flash|operator|operador|opérateur"
    r"|prüfer|observateur|observer|shift|schicht|turno|línea|ligne|linie|lieu|ort|lugar|datum|date|fecha|data"
)
_ANSWER_PART = re.compile(r"annotation|answer|tag|class|label")  # the part before `name` in `radio_answer.name`


def is_label_title(title: str) -> bool:
    """Return whether a title suggests labels: `Finding Labels`, `ClassId`, `radio_answer.name`."""
    *outer_parts, last_part = keys_in(title)
    is_answer = bool(outer_parts) and last_part in ("name", "value") and bool(_ANSWER_PART.search(outer_parts[-1]))
    return last_part in _LABEL_KEYS or bool(_LABEL_KEY.search(last_part)) or is_answer


def is_exact_title(title: str) -> bool:
    """Return whether a title, or its last dotted part, is a known word for labels."""
    return keys_in(title)[-1] in _LABEL_KEYS


def title_weight(title: str) -> float:
    """Return the evidence in a known title, at most 1.9; it falls along `_LABEL_KEYS`."""
    return 1.9 - _LABEL_KEYS.index(keys_in(title)[-1]) / 50


def is_file_title(title: str) -> bool:
    """Return whether a title suggests image names: `file_name`, `Foto vorne`."""
    return bool(_FILE_KEY.search(key_of(title)))


def is_whole_file_title(title: str) -> bool:
    """Return whether a title consists of one word for image names: `image`, `file`."""
    return bool(_FILE_KEY.fullmatch(key_of(title)))


def is_metadata_title(title: str) -> bool:
    """Return whether a title is about how an image was taken, published or stored: `Licence`, `Kamera`, `favorite`."""
    return bool(_METADATA_KEY.fullmatch(key_of(title)))


def is_group_title(title: str) -> bool:
    """Return whether a title suggests groups (patient, location) or metadata of images rather than classes."""
    return bool(_GROUP_KEY.search(key_of(title))) or is_metadata_title(title)


# Columns with these keys give the label only if no other column does.
_WEAK_LABEL_KEYS = ("tags", "tag", "type", "kind", "text", "caption", "annotation", "answer", "name", "id")
_TAXONOMY_KEYS = {"order", "family", "genus"}  # beside these, `class` is a taxonomic rank (test case `GBIF download`)
_MIN_ROWS_WITH_RECURRING_CLASSES = 20  # in shorter tables each row may have a class of its own
_MIN_CELLS_TO_JUDGE_VARIETY = 3  # fewer class cells may all be equal or all differ: `Remarks` at two of 18 images
_MIN_METADATA_COLUMNS = 2  # in a table of photographs: `Make, Model, Flash, ISO` of exiftool
_MAX_CLASS_NAME_LENGTH = 100  # characters; longer cells are texts such as reports of the Indiana chest X-rays
_CLASS_ID = re.compile(r"n\d{8}|/[mgt]/\w+")  # ids of WordNet (Tiny ImageNet) and Freebase (Open Images)
_CLASSES_WITH_BOXES = re.compile(r"([^\s\d-]\S*(\s+-?\d+(\.\d+)?){4}\s*)+")  # `cat 1 2 3 4 dog 5 6 7 8`
_ID_TITLE = re.compile(r"[a-z]Id$|[_ ](id|ID|Id)$")  # `ShapeId` and `ColorId` of GTSRB
_MAX_ROWS_WITH_CONSTANT_CLASSES = 2  # all may be yes by chance in a small split of Roboflow
_MIN_ONE_HOT_COLUMNS = 2  # a single yes/no column is an attribute: `service_test` of FairFace
# The index column of pandas has no title, or `Unnamed: 0`.
_ROW_NUMBER_KEY = re.compile(r"|#|no|nr|index|idx|id|row|rowid|unnamed\d*")


def rank_label_columns(titles: Sequence[str], sample: Sequence[Row]) -> list[tuple[str, float]]:
    """Return the candidate label columns, best first, with the evidence for each; 1 and more is enough.

    Constant columns come last.
    """
    keys = set(map(key_of, titles))
    titles = [title for title in titles if not _has_other_meaning(title, keys)]
    flags = _one_hot_flags(titles, sample)
    weights = ((title, _class_weight(title, sample, is_one_hot=title in flags)) for title in titles)
    ranked = [(title, weight) for title, weight in weights if weight is not None]
    return sorted(ranked, key=lambda pair: (len(set(cells_of(pair[0], sample))) > 1, pair[1]), reverse=True)


def _has_other_meaning(title: str, keys: set[str]) -> bool:
    """Return whether other titles change the meaning of a title: `class` in a taxonomy, `y` as a coordinate."""
    return (key_of(title) == "class" and keys >= _TAXONOMY_KEYS) or (key_of(title) == "y" and "x" in keys)


def _one_hot_flags(titles: Sequence[str], sample: Sequence[Row]) -> set[str]:
    """Return the yes/no columns beside another varying yes/no column: each is probably one class."""
    flags = {title for title in titles if all(map(is_flag, cells_of(title, sample)))}
    varying = {title for title in flags if len(set(cells_of(title, sample))) > 1}
    return {title for title in flags if len(varying) > (title in varying)}


def _class_weight(title: str, sample: Sequence[Row], *, is_one_hot: bool) -> float | None:
    """Return the evidence that a column gives the label; None if it cannot."""
    cells = cells_of(title, sample)
    if not cells or _are_names(cells) or is_numbering(title, sample):
        return None
    distinct = len(set(cells))
    is_constant = distinct == 1 and len(cells) >= _MIN_CELLS_TO_JUDGE_VARIETY
    looks_like_classes = _looks_like_classes(title, cells, is_one_hot=is_one_hot)
    if not looks_like_classes and (is_constant or not _may_be_classes(cells)):
        return None
    weight = max(title_weight(title), 1.0) if is_exact_title(title) else float(looks_like_classes)
    weight += (1.0 if looks_like_classes else 0.1) * any(map(has_letters, cells))
    return weight + 0.1 * (1 - distinct / len(cells))


def _are_names(cells: Sequence[str]) -> bool:
    return len(cells) >= _MIN_ROWS_WITH_RECURRING_CLASSES and len(set(cells)) > 0.9 * len(cells)


def _looks_like_classes(title: str, cells: Sequence[str], *, is_one_hot: bool) -> bool:
    """Return whether the title, or the form of all cells, indicates classes."""
    return (
        is_exact_title(title)
        or (is_label_title(title) and not is_one_hot)
        or all(map(_CLASS_ID.fullmatch, cells))
        or are_boxed(cells)
    )


def are_boxed(cells: Iterable[str]) -> bool:
    """Return whether each cell contains classes with their boxes: `n02119789 18 2 396 301`."""
    return all(map(_CLASSES_WITH_BOXES.fullmatch, cells))


def _may_be_classes(cells: Sequence[str]) -> bool:
    """Return whether cells under a neutral title may be classes: short, and neither decimal numbers nor files."""
    is_measure = any("." in cell and is_number(cell) for cell in cells)
    is_short = sum(len(cell) <= _MAX_CLASS_NAME_LENGTH for cell in cells) > 0.9 * len(cells)
    is_file = sum(is_image_name(cell) or "://" in cell for cell in cells) > 0.9 * len(cells)
    return is_short and not is_measure and not is_file


def find_only_candidate(titles: Sequence[str], sample: Sequence[Row]) -> list[str]:
    """Return the only candidate for the label column, as a list: by recurring cells, else by a plausible title.

    Group columns such as the patient recur too, and are excluded.
    """
    if sample and describes_photographs(sample[0]):
        return []
    recurring = _recurring_columns(titles, sample)
    if len(recurring) == 1:
        return list(recurring)
    plausible = [title for key in _WEAK_LABEL_KEYS for title in titles if key_of(title) == key]
    return [title for title in plausible if not recurring or title in recurring][:1]


def _recurring_columns(titles: Sequence[str], sample: Sequence[Row]) -> dict[str, list[str]]:
    """Return {title: cells} of the columns whose values occur in at least two rows on average."""
    columns = {title: cells_of(title, sample) for title in titles if not is_group_title(title)}
    return {title: cells for title, cells in columns.items() if len(set(cells)) <= max(1, len(cells) // 2)}


def describes_photographs(titles: Iterable[str]) -> bool:
    """Return whether a table has metadata columns of photographs, such as `Make, Model, Flash, ISO`."""
    return sum(map(is_metadata_title, titles)) >= _MIN_METADATA_COLUMNS


def is_alternative_label(title: str, sample: Sequence[Row]) -> bool:
    """Return whether a column is an alternative label column: recurring words or codes, no groups of images."""
    cells = cells_of(title, sample)
    recurs = len(cells) < _MIN_CELLS_TO_JUDGE_VARIETY or 1 < len(set(cells)) < len(cells)
    is_of_classes = _are_codes(cells) or any(map(has_letters, cells))
    return recurs and is_of_classes and not is_group_title(title)


def _are_codes(cells: Sequence[str]) -> bool:
    """Return whether integers may be class codes, which are dense (`1, 2, 4`), unlike weights in grams."""
    return all(map(str.isdecimal, cells)) and max(map(int, cells)) <= 2 * len(set(cells)) + 1


def find_part_label_column(titles: Sequence[str], sample: Sequence[Row]) -> str:
    """Return the title of the column with the classes of image parts (boxes, shapes), or an empty string."""
    rows = [{key: _first_text(row.get(key)) for key in titles} for row in sample]
    titles_with_words = [
        title for title in titles if any(has_letters(row[title]) for row in rows) and "shape" not in title
    ]
    ranked = rank_label_columns(titles_with_words, rows)
    return ranked[0][0] if ranked else next(iter(titles_with_words), "")


def _first_text(value: Any) -> str:
    first = next(iter(value), "") if isinstance(value, list) else value  # type: ignore[reportUnknownVariableType]
    return "" if first is None else str(first)  # type: ignore[reportUnknownArgumentType]


# ----------------------------------------------------------------------------------------------------------------------
# One-hot tables with a yes/no column per class, and row numbers.


def find_one_hot_columns(titles: Sequence[str], sample: Sequence[Row]) -> tuple[str, ...]:
    """Return the class columns of a one-hot table: two or more yes/no columns, without row numbers and attributes."""
    flags = [title for title in titles if _may_be_class(title, sample)]
    patterns = {frozenset(title for title in flags if is_yes(row.get(title, ""))) for row in sample}
    constant = _constant_columns(flags, patterns) if len(sample) > _MAX_ROWS_WITH_CONSTANT_CLASSES else frozenset[str]()
    flags = [title for title in flags if title not in constant]
    patterns = {pattern - constant for pattern in patterns}
    if len(flags) < _MIN_ONE_HOT_COLUMNS or not any(patterns):
        return ()
    attribute = _find_attribute_column(flags, patterns, rows=len(sample))
    return tuple(title for title in flags if title != attribute)


def _may_be_class(title: str, sample: Sequence[Row]) -> bool:
    """Return whether each cell is yes or no, and the title suggests neither numbers nor metadata."""
    if is_numbering(title, sample) or is_metadata_title(title) or _ID_TITLE.search(title):
        return False
    return all(is_flag(str(row.get(title) or "")) for row in sample)


def _constant_columns(flags: Sequence[str], patterns: Set[frozenset[str]]) -> frozenset[str]:
    """Return the columns with yes in all rows if fewer than two others remain, such as `valid` next to `cat`.

    Otherwise they are classes: all faces in a sample of CelebA may be young.
    """
    constant = frozenset[str].intersection(*patterns) if patterns else frozenset[str]()
    return constant if len(flags) - len(constant) < _MIN_ONE_HOT_COLUMNS else frozenset()


def _find_attribute_column(flags: Sequence[str], patterns: Set[frozenset[str]], *, rows: int) -> str | None:
    """Return the column whose removal leaves exactly one yes per row, such as `male` next to `cat` and `dog`, or None.

    Requires more rows than columns, because such a column could be coincidence otherwise. `patterns` are the distinct
    sets of columns with yes in the same row.
    """
    are_exclusive = all(len(pattern) == 1 for pattern in patterns)
    if are_exclusive or len(flags) <= _MIN_ONE_HOT_COLUMNS or rows <= len(flags):
        return None
    pattern_counts = Counter(title for pattern in patterns for title in pattern)
    by_frequency = sorted(flags, key=lambda title: -pattern_counts[title])
    return next((title for title in by_frequency if all(len(pattern - {title}) == 1 for pattern in patterns)), None)


def is_numbering(title: str, sample: Sequence[Row]) -> bool:
    """Return whether a column holds row numbers: distinct whole numbers."""
    cells = cells_of(title, sample)
    are_distinct_numbers = bool(cells) and all(cell.isdecimal() for cell in cells) and len(set(cells)) == len(cells)
    return not cells or (are_distinct_numbers and (len(cells) > 2 or bool(_ROW_NUMBER_KEY.fullmatch(key_of(title)))))
