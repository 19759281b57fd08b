"""Flatten nested JSON into rows: dotted titles for inner values, lists for several values.

Values of image parts (boxes, points, masks) are marked: the class of a part is no label of the image.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from visionft.project.formats.split_names import is_split_name

Entry = dict[str, Any] | list[Any] | str  # an object, an array, or the reason for a rejected value
_MAX_DEPTH = 12  # of nested objects and arrays; the answers in Labelbox's NDJSON have depth 9
_MAX_TITLE_LENGTH = 2000  # characters; a title contains all keys above a value
_SAMPLE_ENTRIES = 40  # entries to recognise the structure of a file
# Keys of geometry, in lower case without punctuation: `normalizedVertices` of Google Cloud Vision.
_GEOMETRY_KEYS = frozenset(
    ("bbox", "boundingbox", "box", "points", "point", "polygon", "polyline", "line", "rectangle", "coordinates", "xmin",
     "left", "segmentation", "mask", "rle", "shapeattributes", "geometrytype", "exterior", "bitmap", "vertices",
     "normalizedvertices")
)  # fmt: skip


def flat(entry: Mapping[str, Any]) -> tuple[dict[str, Any], set[str]]:
    """Return an object as a row {title: value}, and the titles of values of image parts."""
    if not any(isinstance(value, (dict, list)) for value in entry.values()):
        return dict(entry), set()
    row = _NestedRow()
    row.add(entry, "", depth=0, is_part=False, is_listed=False)
    return row.values | row.lists, row.parts


@dataclass(slots=True)
class _NestedRow:
    """The values of an object at any depth by dotted title: `meta.label` for `{"meta": {"label": "cat"}}`."""

    values: dict[str, Any] = field(default_factory=dict[str, Any])
    lists: dict[str, list[Any]] = field(default_factory=dict[str, list[Any]])  # values within arrays
    parts: set[str] = field(default_factory=set[str])  # titles of values of image parts

    def add(self, value: Any, title: str, *, depth: int, is_part: bool, is_listed: bool) -> None:
        """Add a value and its inner values; `is_listed`: within an array."""
        if depth > _MAX_DEPTH or len(title) > _MAX_TITLE_LENGTH:
            return
        if isinstance(value, dict):
            self._add_object(cast("dict[str, Any]", value), title, depth=depth, is_part=is_part, is_listed=is_listed)
            return
        if isinstance(value, list):
            if not value and not is_listed:
                self.lists.setdefault(title, [])
            for each in cast("list[Any]", value):
                self.add(each, title, depth=depth + 1, is_part=is_part, is_listed=True)
        elif not is_listed:
            self.values[title] = value
        elif value is not None:
            self.lists.setdefault(title, []).append(value)
        self._note_part(title, is_part=is_part)

    def _add_object(self, entry: dict[str, Any], title: str, *, depth: int, is_part: bool, is_listed: bool) -> None:
        if depth and _is_by_id(entry):
            each = list(entry.values())
            value = each if len(each) > 1 else each[0]
            self.add(value, title, depth=depth + 1, is_part=is_part, is_listed=is_listed)
            return
        if is_listed and _is_absent_class(entry):
            return
        is_part = is_part or (depth > 0 and _has_geometry(entry))
        for key, value in entry.items():
            inner = f"{title}.{key}".strip(".")
            self.add(value, inner, depth=depth + 1, is_part=is_part, is_listed=is_listed)
        self._note_part(title, is_part=is_part)

    def _note_part(self, title: str, *, is_part: bool) -> None:
        """Record the title if the value belongs to an image part; VGG Image Annotator calls parts `regions`."""
        if is_part or (title.casefold().startswith("region") and "." in title):
            self.parts.add(title)


def _has_geometry(entry: dict[str, Any]) -> bool:
    """Return whether an object has the geometry of an image part: `{"boundingBox": [0, 0, 9, 9], "label": "ear"}`."""
    return not _GEOMETRY_KEYS.isdisjoint("".join(filter(str.isalnum, key)).casefold() for key in entry)


def _is_absent_class(entry: dict[str, Any]) -> bool:
    """Return whether an object in an array marks a class as absent: Clarifai's `{"name": "cat", "value": 0}`."""
    return entry.get("value") in (0, False) and any(isinstance(item, str) for item in entry.values())


def _is_by_id(value: dict[str, Any]) -> bool:
    """Return whether an object maps ids to objects; ids are numbers, or values of their objects.

    `{"0": {"shape_attributes": {}}}` of VGG Image Annotator 1; `{"k7": {"id": "k7", "label": "cat"}}`.
    """
    return bool(value) and all(
        isinstance(item, dict) and (key.isdecimal() or key in cast("dict[str, Any]", item).values())
        for key, item in value.items()
    )


def json_rows(value: Any, has_image: Callable[[str], bool]) -> Iterator[tuple[Entry, str]]:
    """Yield (entry, split or "") for each entry of a JSON value.

    Supported: arrays of objects, arrays or names; `{name: label or object}`; `{label: [names]}`; `{split: any of
    these}`; otherwise the longest array of objects inside.
    """
    splits = cast("dict[str, Any]", value) if isinstance(value, dict) else {}
    if len(splits) > 1 and all(map(is_split_name, splits)):
        for split, entries in splits.items():
            yield from ((entry, split) for entry in _entries(entries, has_image))
    else:
        yield from ((entry, "") for entry in _entries(value, has_image))


def _entries(value: Any, has_image: Callable[[str], bool]) -> Iterator[Entry]:
    if isinstance(value, dict):
        yield from _entries_of_object(cast("dict[str, Any]", value), has_image)
    elif isinstance(value, list):
        yield from map(_entry, cast("list[Any]", value))


def _entry(value: Any) -> Entry:
    if isinstance(value, (dict, list)):
        return cast("dict[str, Any] | list[Any]", value)
    return [value] if isinstance(value, str) else "not a JSON object"


def _entries_of_object(value: dict[str, Any], has_image: Callable[[str], bool]) -> Iterator[Entry]:
    first = list(value.items())[:_SAMPLE_ENTRIES]
    if sum(has_image(key) for key, _ in first) > len(first) / 2:
        yield from _entries_by_image(value)
    elif any(has_image(name) for _, names in first if _is_names(names) for name in names[:3]):
        yield from _entries_by_label(value)
    elif len(first) > 1 and all(isinstance(item, dict) for _, item in first):
        yield from map(_entry, value.values())
    else:
        yield from map(_entry, _longest_array_of_objects(value))


def _entries_by_image(value: dict[str, Any]) -> Iterator[Entry]:
    """Yield the entries of `{"a.jpg": "cat"}`, or `{"a.jpg": {"label": "cat"}}`."""
    for name, item in value.items():
        fields = cast("dict[str, Any]", item) if isinstance(item, dict) else {"label": item}
        yield {"file_name": name} | fields


def _entries_by_label(value: dict[str, Any]) -> Iterator[Entry]:
    """Yield the entries of `{"cat": ["a.jpg", "b.jpg"]}`."""
    for label, names in value.items():
        if _is_names(names):
            yield from ({"file_name": name, "label": label} for name in names)


def _longest_array_of_objects(value: dict[str, Any]) -> list[Any]:
    """Return the longest array of objects: `images` of `{"licenses": [{}], "images": [{}, {}]}`, or an empty list."""
    arrays = [cast("list[Any]", array) for array in value.values() if isinstance(array, list)]
    object_arrays = [array for array in arrays if any(isinstance(item, dict) for item in array)]
    return max(object_arrays, key=len, default=list[Any]())


def _is_names(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in cast("list[Any]", value))
