"""The `--json` output of the commands: JSON values, and JSON Schemas of the types that are printed.

A dataclass is printed with its fields, but those named in its `HIDDEN`, and the properties named in its `COMPUTED`. Ids
of images are printed as paths: `image_id` as `path`, `image_ids` as `images`. A dict is printed as it is. A number that
is none, NaN or infinite, is printed as null: JSON has no such numbers.
"""

import dataclasses
import importlib
import math
import types
import typing
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any, Final, TypeVar

Schema = dict[str, Any]
F = TypeVar("F", bound=Callable[..., Any])

_PLAIN: Final[dict[Any, Schema]] = {
    bool: {"type": "boolean"},
    int: {"type": "integer"},
    float: {"type": "number"},
    str: {"type": "string"},
    Path: {"type": "string"},
    None: {"type": "null"},
    type(None): {"type": "null"},
    Any: {},
}
# An accuracy with its 95 % interval, and the images behind it.
ACCURACY: Final = {"split": str, "top1": float, "low": float, "high": float, "images": int}
_SHORT: Final = {"boolean": "true or false", "integer": "integer", "number": "number", "string": "text", "null": "null"}


def prints(*kinds: Any) -> Callable[[F], F]:
    """Declare the type that a command prints with `--json`, or several.

    {"key": type} is an object with these keys, [type] a list, (type, type) one of them; a class with a slow import is
    given as "module:Class".
    """

    def declare(command: F) -> F:
        setattr(command, "__prints__", kinds)  # noqa: B010
        return command

    return declare


def output_of(kind: Mapping[str, Any], source: Any, **values: Any) -> dict[str, Any]:
    """Return an object with the keys of `kind`: the attributes of `source`, but those given by `values`."""
    return {name: values[name] if name in values else getattr(source, name) for name in kind}


def accuracy_output(evaluation: Any) -> dict[str, Any] | None:
    """Return an `Evaluation`'s accuracy with the keys of `ACCURACY`."""
    if evaluation is None:
        return None
    low, high = evaluation.top1_interval
    return output_of(ACCURACY, evaluation, low=low, high=high)


def schema_of(command: Callable[..., Any]) -> Schema | None:
    """Return the JSON Schema of a command's output; None where it declares none."""
    kinds = getattr(command, "__prints__", None)
    return None if kinds is None else _any_of(kinds)


def plain(value: Any, paths: Mapping[int, Path | str] | None = None) -> Any:
    """Return a value as JSON types; `paths` are those of the images by id."""
    names = paths or {}
    if isinstance(value, Mapping):
        return {str(key): plain(each, names) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [plain(each, names) for each in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if not dataclasses.is_dataclass(value) or isinstance(value, type):
        return str(value) if isinstance(value, Path) else value
    printed: dict[str, Any] = {}
    for name in _printed_names(type(value)):
        each = getattr(value, name)
        if name == "image_id":
            printed["path"] = str(names[each]) if each in names else None
        elif name == "image_ids":
            printed["images"] = [str(names[image_id]) for image_id in each if image_id in names]
        else:
            printed[name] = plain(each, names)
    return printed


def _printed_names(kind: Any) -> list[str]:
    fields = [field.name for field in dataclasses.fields(kind)]
    hidden = {*getattr(kind, "HIDDEN", ()), *(["image_id"] if "path" in fields else [])}
    return [name for name in (*fields, *getattr(kind, "COMPUTED", ())) if name not in hidden]


def to_schema(kind: Any) -> Schema:
    """Return the JSON Schema of a type as in `prints`; `plain` writes such values."""
    if isinstance(kind, dict):
        return _object({name: to_schema(each) for name, each in kind.items()})
    if isinstance(kind, list):
        return {"type": "array", "items": to_schema(kind[0])}
    if isinstance(kind, tuple):
        return _any_of(kind)
    if isinstance(kind, str):
        module, _, class_name = kind.partition(":")
        return to_schema(getattr(importlib.import_module(module), class_name))
    if dataclasses.is_dataclass(kind):
        hints = _hints(kind)
        properties = dict[str, Schema]()
        for name in _printed_names(kind):
            if name == "image_id":
                properties["path"] = _any_of((str, None))
            elif name == "image_ids":
                properties["images"] = to_schema(list[str])
            elif isinstance(found := getattr(kind, name, None), property):
                properties[name] = to_schema(_hints(found.fget).get("return", Any))
            else:
                properties[name] = to_schema(hints.get(name, Any))
        return _object(properties)
    return _PLAIN[kind] if kind in _PLAIN else _of_generic(kind)


def _object(properties: dict[str, Schema]) -> Schema:
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}


def _hints(annotated: Any) -> dict[str, Any]:
    try:
        return typing.get_type_hints(annotated)
    except NameError:  # a name imported only for the type checker
        return {}


def _of_generic(kind: Any) -> Schema:
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is typing.Literal:
        return {"enum": list(arguments)}
    if origin in (typing.Union, types.UnionType):
        return _any_of(arguments)
    if origin is tuple and arguments[-1:] != (...,):
        items = [to_schema(each) for each in arguments]
        return {"type": "array", "prefixItems": items, "minItems": len(items), "maxItems": len(items)}
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return {"type": "object", "additionalProperties": to_schema(arguments[1])}
    if isinstance(origin, type) and issubclass(origin, Collection):
        return {"type": "array", "items": to_schema(arguments[0])}
    return {}


def _any_of(kinds: Collection[Any]) -> Schema:
    found: list[Schema] = []
    for each in map(to_schema, kinds):
        if each not in found:
            found.append(each)
    return found[0] if len(found) == 1 else {"anyOf": found}


def in_short(schema: Schema) -> str:
    """Return a schema as a line: `{run: text, best: {epoch: integer} or null, more: [number, ...]}`."""
    if "anyOf" in schema:
        return " or ".join(in_short(each) for each in schema["anyOf"])
    if "enum" in schema:
        return " or ".join(f'"{each}"' if isinstance(each, str) else str(each).lower() for each in schema["enum"])
    kind = schema.get("type")
    if kind == "array":
        items = schema["prefixItems"] if "prefixItems" in schema else [schema["items"]]
        return f"[{', '.join(in_short(each) for each in items)}{'' if 'prefixItems' in schema else ', ...'}]"
    if kind == "object" and "properties" in schema:
        return f"{{{', '.join(f'{name}: {in_short(each)}' for name, each in schema['properties'].items())}}}"
    if kind == "object":
        return f"{{NAME: {in_short(schema['additionalProperties'])}, ...}}"
    return _SHORT[kind] if kind else "anything"
