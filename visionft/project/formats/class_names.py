"""Names of class ids (`0`, `n01440764`, `/m/01g317`) from files beside the labels: `classes.txt`, `words.txt`, maps.

A file counts only where it names every id, each differently. Where two such files disagree, none does.
"""

import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence, Set
from contextlib import suppress
from pathlib import Path
from typing import Any, cast

from visionft.core.errors import ProjectError, VisionFTError
from visionft.core.files import list_folder, parse_yaml
from visionft.data.decode import IMAGE_SUFFIXES
from visionft.project.formats.delimited import csv_rows
from visionft.project.formats.whole_files import read_label_json, text_encoding

# Numbers, also as pandas writes them beside missing ones (`3.0`), WordNet's and Freebase's ids.
_IS_ID = re.compile(r"\d{1,9}(\.0)?|n\d{8}|/[mgt]/\w+")
_NAME = re.compile(r"(?i)class|label|categor|name|word|synset|descr|map|meta|breed|species|data\.ya?ml$")
_PROSE = re.compile(r"(?i)readme|legende?")
_ITEM = re.compile(r"[-*+\s]*(\w+)\s*[:=–-]\s*(\S.{,60})")  # `- 0: healthy` in a README; longer ones are sentences
_SUFFIXES = (".txt", ".csv", ".tsv", ".json", ".names", ".yaml", ".yml", ".md")
_MAX_BYTES = 20_000_000  # `words.txt` of Tiny ImageNet has 2.6 MB
_MAX_FILES = 50  # that may hold names, of the folders around a table
_MAX_YAML = 1_000_000  # bytes: a million take 4 s of a core, and hold 42,000 names
_NAME_KEYS = ("names", "classes", "categories", "labels")  # `names: [cat, dog]` in YOLO's `data.yaml`
# `1 cat`, `/m/01yrx,cat`, `0: cat`
_PAIR = re.compile(r"(\S+?)(?:\t|\s*[,;:|]\s*|\s+)(\S.*)")

ClassNames = dict[str, str]
_Meaning = tuple[ClassNames, int | None]  # names of ids; the first id where these only count the lines


def are_ids(values: Iterable[str]) -> bool:
    """Return whether all values look like ids of classes; False for none."""
    values = set(values)
    return bool(values) and all(map(_IS_ID.fullmatch, values))


def class_names_for(ids: Set[str], folders: Sequence[Path], *, without: Set[Path]) -> tuple[ClassNames, Path] | None:
    """Return the names of ids, and the file in the folders that gives them; None for none, or for several meanings."""
    found = [(names, file) for file in _files_in(folders) if file not in without and (names := _names_of(ids, file))]
    return found[0] if found and all(names == found[0][0] for names, _ in found) else None


def _names_of(ids: Set[str], file: Path) -> ClassNames:
    """Return the names that a file gives to all ids; empty where it does not name each differently."""
    normal = {_normal(each) for each in ids}
    for names, start in _readings_of(file):
        known = {each: names.get(each, "") for each in normal}
        are_different = len(set(known.values())) == len(ids) > 1
        if are_different and _may_count(normal, names, start) and _are_names(known.values()):
            return known
    return {}


def _may_count(ids: Set[str], names: ClassNames, start: int | None) -> bool:
    """Return whether ids may count the lines of a file from `start` on: the first id, or the last one, is used."""
    return start is None or ("0" if start == 0 else str(len(names))) in ids


def _are_names(texts: Collection[str]) -> bool:
    """Return whether texts may be names of classes: neither ids nor names of images."""
    words = (word for text in texts for word in text.split())
    are_files = any(Path(word).suffix.casefold() in IMAGE_SUFFIXES for word in words)
    return all(texts) and not are_files and not are_ids(texts)


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
    named = [file for file in files if _NAME.search(file.name) or _PROSE.fullmatch(file.stem)]
    return [file for file in named if file.is_file() and file.stat().st_size <= _MAX_BYTES][:_MAX_FILES]


def _readings_of(file: Path) -> list[_Meaning]:
    """Return the possible meanings of a file, most explicit first."""
    kinds = {".json": _of_json, ".yaml": _of_yaml, ".yml": _of_yaml}
    reading = _of_prose if _PROSE.fullmatch(file.stem) else kinds.get(file.suffix.casefold(), _of_text)
    with suppress(ProjectError, ValueError, OSError, RecursionError):
        return list(reading(file))
    return []


def _of_prose(file: Path) -> Iterator[_Meaning]:
    """Yield the names of the ids that are explained in exactly one line: `- 0: healthy`."""
    items = [(_normal(match[1]), match[2]) for line in _lines_of(file) if (match := _ITEM.fullmatch(line))]
    uses = Counter(key for key, _ in items)
    yield {key: name for key, name in items if uses[key] == 1}, None


def _of_text(file: Path) -> Iterator[_Meaning]:
    lines = _lines_of(file)
    pairs = [list(match.groups()) for line in lines if (match := _PAIR.fullmatch(line))]
    rows = [[cell.strip() for cell in row] for _, row in csv_rows(file) if not isinstance(row, str)]
    keyed = [body for table in (pairs, rows) for body in _keyed_rows(table, least=max(1, len(lines) - 1))]
    for body in keyed:
        yield from _of_columns(body)
    is_list = file.suffix.casefold() not in (".csv", ".tsv") or all(len(row) == 1 for row in rows)
    if is_list and not (keyed and len(pairs) == len(lines)):
        yield from _counted(lines)


def _lines_of(file: Path) -> list[str]:
    """Return the lines of a text that are neither empty nor comments."""
    with file.open(encoding=text_encoding(file)) as handle:
        return [text for line in handle if (text := line.strip()) and not text.startswith("#")]


def _keyed_rows(table: Sequence[list[str]], *, least: int) -> Iterator[list[list[str]]]:
    """Yield the rows without a header for each column with an id of its own in all of these, put first: `0, cat`."""
    width = min(map(len, table), default=0)
    for key in range(width):
        body = [[row[key], *row[:key], *row[key + 1 : width]] for row in table if _IS_ID.fullmatch(row[key])]
        if len(body) >= least and len({row[0] for row in body}) == len(body):
            yield body


def _of_columns(rows: Sequence[list[str]]) -> Iterator[_Meaning]:
    """Yield the meanings of rows that begin with an id: each further column may hold the names."""
    for place in range(1, len(rows[0])):
        if not all(_IS_ID.fullmatch(row[place]) for row in rows):
            yield {_normal(row[0]): row[place] for row in rows}, None


def _counted(names: Sequence[str]) -> Iterator[_Meaning]:
    for start in (0, 1):
        yield {str(number): name for number, name in enumerate(names, start)}, start


def _of_json(file: Path) -> Iterator[_Meaning]:
    yield from _of_value(read_label_json(file))


def _of_value(value: Any) -> Iterator[_Meaning]:
    """Yield the meanings of a value of JSON or YAML."""
    if isinstance(value, dict):
        entries = {str(key): each for key, each in cast("dict[Any, Any]", value).items()}
        yield from _of_texts(entries)
        yield from _of_lists(entries)
        for each in (entries[key] for key in _NAME_KEYS if key in entries):
            yield from _of_value(each)
    elif isinstance(value, list):
        yield from _of_items(cast("list[Any]", value))


def _of_texts(entries: Mapping[str, Any]) -> Iterator[_Meaning]:
    """Yield the meanings of `{"0": "cat"}`, and of `{"cat": 0}`."""
    if all(isinstance(each, (str, int)) for each in entries.values()):
        yield {_normal(key): str(each) for key, each in entries.items()}, None
        yield {_normal(str(each)): key for key, each in entries.items()}, None


def _of_lists(entries: Mapping[str, Any]) -> Iterator[_Meaning]:
    """Yield the meanings of `{"0": ["n01440764", "tench"]}`: the names of `0`, and of `n01440764`."""
    lists = {key: cast("list[Any]", each) for key, each in entries.items() if isinstance(each, list) and each}
    if lists and len(lists) == len(entries):
        yield {_normal(key): str(each[-1]) for key, each in lists.items()}, None
        yield {str(each[0]): str(each[-1]) for each in lists.values()}, None


def _of_items(items: Sequence[Any]) -> Iterator[_Meaning]:
    """Yield the meanings of `["cat", "dog"]`, and of `[{"id": 0, "name": "cat"}]`."""
    if all(isinstance(each, str) for each in items):
        yield from _counted(items)
    elif all(isinstance(each, dict) and {"id", "name"} <= each.keys() for each in items):
        yield {str(each["id"]): str(each["name"]) for each in items}, None


def _of_yaml(file: Path) -> Iterator[_Meaning]:
    if file.stat().st_size <= _MAX_YAML:
        yield from _of_value(parse_yaml(file.read_text(encoding="utf-8")))
