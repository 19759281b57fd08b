"""Rows of nested JSON, as the tools write it: dotted titles for inner values, lists for several.

Values of parts of an image (beside boxes, points or masks) are kept apart: a part's class is no label of the image.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, cast

from visionft.project.formats.split_names import is_split_name

Entry = dict[str, Any] | list[Any] | str  # an object, an array, or the reason for another value
_MAX_DEPTH = 12
_ENOUGH = 40  # entries that are looked at to understand a file
# Keys, in small letters and without signs, that mark a part of an image.
_GEOMETRY = frozenset(
    ("bbox", "boundingbox", "box", "points", "point", "polygon", "polyline", "line", "rectangle", "coordinates", "xmin",
     "left", "segmentation", "mask", "rle", "shapeattributes", "geometrytype", "exterior", "bitmap", "vertices",
     "normalizedvertices")
)  # fmt: skip


def flat(entry: Mapping[str, Any]) -> tuple[dict[str, Any], set[str]]:
    """Return an object as a row, and the titles of its values that belong to parts of an image."""
    if not any(isinstance(value, (dict, list)) for value in entry.values()):
        return dict(entry), set()
    row: dict[str, Any] = {}
    several: dict[str, list[Any]] = {}
    parts: set[str] = set()
    _collect(entry, "", row, several, parts, depth=0, is_part=False)
    return row | several, parts


def _collect(
    value: Any, path: str, row: dict[str, Any], several: dict[str, list[Any]], parts: set[str], *, depth: int,
    is_part: bool, is_listed: bool = False,
) -> None:  # fmt: skip
    if depth > _MAX_DEPTH:
        return
    if isinstance(value, dict):
        inner = cast("dict[str, Any]", value)
        if depth and _is_by_id(inner):  # a list whose places have names
            each = list(inner.values())
            value = each if len(each) > 1 else each[0]
            _collect(value, path, row, several, parts, depth=depth + 1, is_part=is_part, is_listed=is_listed)
            return
        if is_listed and inner.get("value") in (0, False) and any(isinstance(each, str) for each in inner.values()):
            return  # a class that is absent, as Clarifai writes it
        keys = {"".join(filter(str.isalnum, key)).casefold() for key in inner}
        is_part = is_part or (depth > 0 and bool(keys & _GEOMETRY))
        # Label Studio's answer to one question
        inner = {"": inner["choices"]} if len(inner) == 1 and isinstance(inner.get("choices"), list) else inner
        for key, each in inner.items():
            title = f"{path}.{key}".strip(".")
            _collect(each, title, row, several, parts, depth=depth + 1, is_part=is_part, is_listed=is_listed)
    elif isinstance(value, list):
        if not value and not is_listed:
            several.setdefault(path, [])
        for each in cast("list[Any]", value):
            _collect(each, path, row, several, parts, depth=depth + 1, is_part=is_part, is_listed=True)
    elif is_listed and value is not None:
        several.setdefault(path, []).append(value)
    elif not is_listed:
        row[path] = value
    if is_part or (path.casefold().startswith("region") and "." in path):
        parts.add(path)


def _is_by_id(value: dict[str, Any]) -> bool:
    """Return whether an object holds objects by their ids: numbers, or keys that the objects repeat."""
    return bool(value) and all(
        isinstance(each, dict) and (key.isdecimal() or key in cast("dict[str, Any]", each).values())
        for key, each in value.items()
    )


def json_rows(value: Any, has_image: Callable[[str], bool]) -> Iterator[tuple[Entry, str]]:
    """Yield the entries of a JSON value with the split that they lie under: objects, arrays, or reasons for others.

    Understood are arrays of objects, of arrays and of names; `{name: label or object}`, `{label: [names]}`, any of
    these below the names of splits, and otherwise the longest array of objects inside.
    """
    splits = cast("dict[str, Any]", value) if isinstance(value, dict) else {}
    if len(splits) > 1 and all(map(is_split_name, splits)):
        for split, each in splits.items():
            yield from ((entry, split) for entry in _entries(each, has_image))
    else:
        yield from ((entry, "") for entry in _entries(value, has_image))


def _entries(value: Any, has_image: Callable[[str], bool]) -> Iterator[Entry]:
    if isinstance(value, dict):
        yield from _of_object(cast("dict[str, Any]", value), has_image)
    elif isinstance(value, list):
        yield from map(_entry, cast("list[Any]", value))


def _entry(value: Any) -> Entry:
    if isinstance(value, (dict, list)):
        return cast("dict[str, Any] | list[Any]", value)
    return [value] if isinstance(value, str) else "not a JSON object"


def _of_object(value: dict[str, Any], has_image: Callable[[str], bool]) -> Iterator[Entry]:
    first = list(value.items())[:_ENOUGH]
    if sum(has_image(key) for key, _ in first) > len(first) / 2:
        for key, each in value.items():
            if isinstance(each, dict):
                yield {"file_name": key} | cast("dict[str, Any]", each)
            else:
                yield {"file_name": key, "label": each}
    elif any(has_image(name) for _, names in first if _is_names(names) for name in names[:3]):
        yield from (
            {"file_name": name, "label": key} for key, names in value.items() if _is_names(names) for name in names
        )
    elif len(first) > 1 and all(isinstance(each, dict) for _, each in first):
        yield from map(_entry, value.values())
    else:
        arrays = [cast("list[Any]", each) for each in value.values() if isinstance(each, list)]
        of_objects = [each for each in arrays if any(isinstance(one, dict) for one in each)]
        yield from map(_entry, max(of_objects, key=len) if of_objects else [])


def _is_names(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(each, str) for each in cast("list[Any]", value))
