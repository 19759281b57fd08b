"""Names of class ids (`0`, `n01440764`, `/m/01g317`) from files beside the labels: `classes.txt`, `words.txt`, maps.

A file counts only where it names every id, each differently. Where two such files disagree, none does.
"""

import re
from collections.abc import Iterable, Iterator, Sequence, Set
from contextlib import suppress
from pathlib import Path
from typing import Any, cast

from visionft.data.decode import IMAGE_SUFFIXES
from visionft.errors import ProjectError, VisionFTError
from visionft.files import list_folder
from visionft.project.formats.delimited import csv_rows
from visionft.project.formats.matlab import mat_variables
from visionft.project.formats.whole_files import read_label_json, text_encoding

_IS_ID = re.compile(r"\d{1,9}(\.0)?|n\d{8}|/[mgt]/\w+")
_NAME = re.compile(r"(?i)class|label|categor|name|word|synset|descr|map|meta|breed|species|data\.ya?ml$")
_SUFFIXES = (".txt", ".csv", ".tsv", ".json", ".names", ".yaml", ".yml", ".mat", ".md")
_MAX_BYTES = 20_000_000
_MAX_FILES = 50

_MAX_YAML = 1_000_000
_PAIR = re.compile(r"(\S+?)(?:\t|\s*[,;:|]\s*|\s+)(\S.*)")

ClassNames = dict[str, str]
_Meaning = tuple[ClassNames, int | None]  # names of ids; the first id where these only count the lines


def are_ids(values: Iterable[str]) -> bool:
    """Return whether all values look like ids of classes; False for none."""
    values = set(values)
    return bool(values) and all(map(_IS_ID.fullmatch, values))


def class_names_for(ids: Set[str], folders: Sequence[Path], *, without: Set[Path]) -> tuple[ClassNames, Path] | None:
    """Return the names of ids, and the file in the folders that gives them; None for none, or for several meanings."""
    normal = {_normal(each) for each in ids}
    found: list[tuple[ClassNames, Path]] = []
    for file in _files_in(folders):
        for names, start in () if file in without else _readings_of(file):
            known = {each: names.get(each, "") for each in normal}
            is_counted = start is None or (start == 0 and "0" in normal) or (start == 1 and str(len(names)) in normal)
            are_names = all(map(_may_be_name, known.values())) and not are_ids(known.values())
            if is_counted and are_names and len(set(known.values())) == len(ids) > 1:
                found.append((known, file))
                break
    return found[0] if found and all(known == found[0][0] for known, _ in found) else None


def _may_be_name(text: str) -> bool:
    return bool(text) and not any(Path(word).suffix.casefold() in IMAGE_SUFFIXES for word in text.split())


def declared_names(file: Path) -> ClassNames:
    """Return the names of the classes that a file declares, by number from 0 on; empty for none."""
    for names, start in _readings_of(file):
        if names and start != 1 and all(map(str.isdecimal, names)):
            return names
    return {}


def name_of(value: str, names: ClassNames) -> str:
    """Return the name of an id."""
    return names[_normal(value)]


def _normal(value: str) -> str:
    number = value.removesuffix(".0")
    return str(int(number)) if number.isdecimal() else value


def _files_in(folders: Sequence[Path]) -> list[Path]:
    files: list[Path] = []
    for folder in dict.fromkeys(folders):
        with suppress(VisionFTError):
            files += [file for file in list_folder(folder) if file.suffix.casefold() in _SUFFIXES]
    named = [file for file in files if _NAME.search(file.name)]
    return [file for file in named if file.is_file() and file.stat().st_size <= _MAX_BYTES][:_MAX_FILES]


def _readings_of(file: Path) -> list[_Meaning]:
    """Return the possible meanings of a file, most explicit first."""
    kinds = {".json": _of_json, ".yaml": _of_yaml, ".yml": _of_yaml, ".mat": _of_mat}
    with suppress(ProjectError, ValueError, OSError, RecursionError):
        return list(kinds.get(file.suffix.casefold(), _of_text)(file))
    return []


def _of_text(file: Path) -> Iterator[_Meaning]:
    with file.open(encoding=text_encoding(file)) as handle:
        lines = [text for line in handle if (text := line.strip()) and not text.startswith("#")]
    pairs = [match.groups() for line in lines if (match := _PAIR.fullmatch(line))]
    rows = [[cell.strip() for cell in row] for _, row in csv_rows(file) if not isinstance(row, str)]
    is_numbered = False
    for table in (pairs, rows):
        width = min(map(len, table), default=0)
        for key in range(width):
            body = [row for row in table if _IS_ID.fullmatch(row[key])]
            if len(body) < max(1, len(lines) - 1) or len({row[key] for row in body}) < len(body):
                continue  # but for a header, each line has an id of its own
            is_numbered = True
            for place in range(width):
                if place != key and not all(_IS_ID.fullmatch(row[place]) for row in body):
                    yield {_normal(row[key]): row[place] for row in body}, None
    is_list = file.suffix.casefold() not in (".csv", ".tsv") or all(len(row) == 1 for row in rows)
    if is_list and not (is_numbered and len(pairs) == len(lines)):
        yield from _counted(lines)


def _counted(names: Sequence[str]) -> Iterator[_Meaning]:
    for start in (0, 1):
        yield {str(number): name for number, name in enumerate(names, start)}, start


def _of_json(file: Path) -> Iterator[_Meaning]:
    yield from _of_value(read_label_json(file))


def _of_value(value: Any) -> Iterator[_Meaning]:
    if isinstance(value, dict):
        entries = {str(key): each for key, each in cast("dict[Any, Any]", value).items()}
        if all(isinstance(each, (str, int)) for each in entries.values()):
            yield {_normal(key): str(each) for key, each in entries.items()}, None
            yield {_normal(str(each)): key for key, each in entries.items()}, None
        lists = {key: cast("list[Any]", each) for key, each in entries.items() if isinstance(each, list) and each}
        if lists and len(lists) == len(entries):  # `{"0": ["n01440764", "tench"]}`
            yield {_normal(key): str(each[-1]) for key, each in lists.items()}, None
            yield {str(each[0]): str(each[-1]) for each in lists.values()}, None
        for each in (entries[key] for key in ("names", "classes", "categories", "labels") if key in entries):
            yield from _of_value(each)
    elif isinstance(value, list):
        items = cast("list[Any]", value)
        if all(isinstance(each, str) for each in items):
            yield from _counted(items)
        elif all(isinstance(each, dict) and {"id", "name"} <= each.keys() for each in items):
            yield {str(each["id"]): str(each["name"]) for each in items}, None


def _of_yaml(file: Path) -> Iterator[_Meaning]:
    from yaml import YAMLError, safe_load

    if file.stat().st_size <= _MAX_YAML:
        with suppress(YAMLError, RecursionError):
            yield from _of_value(safe_load(file.read_text(encoding="utf-8")))


def _of_mat(file: Path) -> Iterator[_Meaning]:
    for value in mat_variables(file).values():
        if value.ndim == 1 and all(isinstance(each, str) for each in value.tolist()):
            yield from _counted(value.tolist())
