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
