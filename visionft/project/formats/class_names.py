"""Find the names of class ids (`0`, `n01440764`, `/m/01g317`) in files beside the labels, such as `classes.txt`.

A file is used only if it gives every id a different name. If two such files disagree, neither is used.
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

# A number (pandas writes `3.0` in a column with missing values), or an id of WordNet or Freebase.
_CLASS_ID = re.compile(r"\d{1,9}(\.0)?|n\d{8}|/[mgt]/\w+")
_FILE_NAME = re.compile(r"(?i)class|label|categor|name|word|synset|descr|map|meta|breed|species|data\.ya?ml$")
_README_STEM = re.compile(r"(?i)readme|legende?")
_README_ITEM = re.compile(r"[-*+\s]*(\w+)\s*[:=–-]\s*(\S.{,60})")  # `- 0: healthy`; longer texts are sentences
_SUFFIXES = (".txt", ".csv", ".tsv", ".json", ".names", ".yaml", ".yml", ".md")
_MAX_FILE_BYTES = 20_000_000  # `words.txt` of Tiny ImageNet has 2.6 MB
_MAX_FILES = 50  # candidate files in the folders around a table
_MAX_YAML_BYTES = 1_000_000  # parsing a million bytes (42,000 names) takes 4 s of a core
_NAME_KEYS = ("names", "classes", "categories", "labels")  # `names: [cat, dog]` in YOLO's `data.yaml`
# `1 cat`, `/m/01yrx,cat`, `0: cat`
_ID_AND_NAME = re.compile(r"(\S+?)(?:\t|\s*[,;:|]\s*|\s+)(\S.*)")

ClassNames = dict[str, str]
_Candidate = tuple[ClassNames, int | None]  # {id: name}; the number of the first line if ids are line numbers


def are_ids(values: Iterable[str]) -> bool:
    """Return whether all values look like class ids; False for no values."""
    values = set(values)
    return bool(values) and all(map(_CLASS_ID.fullmatch, values))


def find_class_names(
    ids: Set[str], folders: Sequence[Path], *, excluded_files: Set[Path]
) -> tuple[ClassNames, Path] | None:
    """Return {id: name} and its source file in the folders; None if no file names all ids, or files disagree."""
    candidates = [
        (names, file) for file in _files_in(folders) if file not in excluded_files and (names := _names_of(ids, file))
    ]
    return candidates[0] if candidates and all(names == candidates[0][0] for names, _ in candidates) else None


def _names_of(ids: Set[str], file: Path) -> ClassNames:
    """Return {id: name} from a file; empty unless it gives every id a different name."""
    normalized_ids = {_normalized(class_id) for class_id in ids}
    for names, start in _candidates_in(file):
        names_by_id = {class_id: names.get(class_id, "") for class_id in normalized_ids}
        are_different = len(set(names_by_id.values())) == len(ids) > 1
        if are_different and _may_number_lines(normalized_ids, names, start) and _are_class_names(names_by_id.values()):
            return names_by_id
    return {}


def _may_number_lines(ids: Set[str], names: ClassNames, start: int | None) -> bool:
    """Return whether ids may be line numbers from `start` on: the first or the last is used. None: ids are explicit."""
    return start is None or ("0" if start == 0 else str(len(names))) in ids


def _are_class_names(texts: Collection[str]) -> bool:
    """Return whether texts may be class names: not empty, no ids, no image names."""
    words = (word for text in texts for word in text.split())
    are_files = any(Path(word).suffix.casefold() in IMAGE_SUFFIXES for word in words)
    return all(texts) and not are_files and not are_ids(texts)


def declared_names(file: Path) -> ClassNames:
    """Return {class number: name} declared in a file, with numbers from 0 on; empty if it declares no classes."""
    for names, start in _candidates_in(file):
        if names and start != 1 and all(map(str.isdecimal, names)):
            return names
    return {}


def name_of(value: str, names: ClassNames) -> str:
    """Return the name of a class id; `3.0` and `03` are the id 3."""
    return names[_normalized(value)]


def _normalized(value: str) -> str:
    number = value.removesuffix(".0")
    return str(int(number)) if number.isdecimal() else value


def _files_in(folders: Sequence[Path]) -> list[Path]:
    files: list[Path] = []
    for folder in dict.fromkeys(folders):
        with suppress(VisionFTError):
            files += [file for file in list_folder(folder) if file.suffix.casefold() in _SUFFIXES]
    candidates = [file for file in files if _FILE_NAME.search(file.name) or _README_STEM.fullmatch(file.stem)]
    return [file for file in candidates if file.is_file() and file.stat().st_size <= _MAX_FILE_BYTES][:_MAX_FILES]


def _candidates_in(file: Path) -> list[_Candidate]:
    """Return the possible {id: name} of a file, most explicit first."""
    readers = {".json": _read_json, ".yaml": _read_yaml, ".yml": _read_yaml}
    read = _read_readme if _README_STEM.fullmatch(file.stem) else readers.get(file.suffix.casefold(), _read_text)
    with suppress(ProjectError, ValueError, OSError, RecursionError):
        return list(read(file))
    return []


def _read_readme(file: Path) -> Iterator[_Candidate]:
    """Yield the names of the ids that a README explains in exactly one line: `- 0: healthy`."""
    items = [(_normalized(match[1]), match[2]) for line in _lines_of(file) if (match := _README_ITEM.fullmatch(line))]
    uses = Counter(key for key, _ in items)
    yield {key: name for key, name in items if uses[key] == 1}, None


def _read_text(file: Path) -> Iterator[_Candidate]:
    lines = _lines_of(file)
    pairs = [list(match.groups()) for line in lines if (match := _ID_AND_NAME.fullmatch(line))]
    rows = [[cell.strip() for cell in row] for _, row in csv_rows(file) if not isinstance(row, str)]
    keyed_tables = [body for table in (pairs, rows) for body in _keyed_rows(table, min_rows=max(1, len(lines) - 1))]
    for body in keyed_tables:
        yield from _candidates_of_columns(body)
    is_list = file.suffix.casefold() not in (".csv", ".tsv") or all(len(row) == 1 for row in rows)
    if is_list and not (keyed_tables and len(pairs) == len(lines)):
        yield from _candidates_of_lines(lines)


def _lines_of(file: Path) -> list[str]:
    """Return the lines of a text file without empty lines and comments."""
    with file.open(encoding=text_encoding(file)) as handle:
        return [text for line in handle if (text := line.strip()) and not text.startswith("#")]


def _keyed_rows(table: Sequence[list[str]], *, min_rows: int) -> Iterator[list[list[str]]]:
    """Yield the rows without a header, once for each column of distinct ids, with that column first: `0, cat`."""
    width = min(map(len, table), default=0)
    for column in range(width):
        body = [
            [row[column], *row[:column], *row[column + 1 : width]] for row in table if _CLASS_ID.fullmatch(row[column])
        ]
        if len(body) >= min_rows and len({row[0] for row in body}) == len(body):
            yield body


def _candidates_of_columns(rows: Sequence[list[str]]) -> Iterator[_Candidate]:
    """Yield {id: name} for each further column of rows that begin with an id."""
    for column in range(1, len(rows[0])):
        if not all(_CLASS_ID.fullmatch(row[column]) for row in rows):
            yield {_normalized(row[0]): row[column] for row in rows}, None


def _candidates_of_lines(names: Sequence[str]) -> Iterator[_Candidate]:
    for start in (0, 1):
        yield {str(number): name for number, name in enumerate(names, start)}, start


def _read_json(file: Path) -> Iterator[_Candidate]:
    yield from _candidates_of_value(read_label_json(file))


def _candidates_of_value(value: Any) -> Iterator[_Candidate]:
    """Yield the possible {id: name} of a JSON or YAML value."""
    if isinstance(value, dict):
        entries = {str(key): entry for key, entry in cast("dict[Any, Any]", value).items()}
        yield from _candidates_of_texts(entries)
        yield from _candidates_of_lists(entries)
        for names in (entries[key] for key in _NAME_KEYS if key in entries):
            yield from _candidates_of_value(names)
    elif isinstance(value, list):
        yield from _candidates_of_items(cast("list[Any]", value))


def _candidates_of_texts(entries: Mapping[str, Any]) -> Iterator[_Candidate]:
    """Yield {id: name} of `{"0": "cat"}` and `{"cat": 0}`."""
    if all(isinstance(text, (str, int)) for text in entries.values()):
        yield {_normalized(key): str(text) for key, text in entries.items()}, None
        yield {_normalized(str(text)): key for key, text in entries.items()}, None


def _candidates_of_lists(entries: Mapping[str, Any]) -> Iterator[_Candidate]:
    """Yield {id: name} of `{"0": ["n01440764", "tench"]}`: for the ids `0`, and for the ids `n01440764`."""
    lists = {key: cast("list[Any]", cells) for key, cells in entries.items() if isinstance(cells, list) and cells}
    if lists and len(lists) == len(entries):
        yield {_normalized(key): str(cells[-1]) for key, cells in lists.items()}, None
        yield {str(cells[0]): str(cells[-1]) for cells in lists.values()}, None


def _candidates_of_items(items: Sequence[Any]) -> Iterator[_Candidate]:
    """Yield {id: name} of `["cat", "dog"]` and `[{"id": 0, "name": "cat"}]`."""
    if all(isinstance(item, str) for item in items):
        yield from _candidates_of_lines(items)
    elif all(isinstance(item, dict) and {"id", "name"} <= item.keys() for item in items):
        yield {str(item["id"]): str(item["name"]) for item in items}, None


def _read_yaml(file: Path) -> Iterator[_Candidate]:
    if file.stat().st_size <= _MAX_YAML_BYTES:
        yield from _candidates_of_value(parse_yaml(file.read_text(encoding="utf-8")))
