"""What `--json` prints: declared beside each command by `prints`, told as JSON Schema and in short for people.

A declaration is data: a class, `[x]` for an array, `(x, y)` for one or the other, `{"key": x}` for an object in which
`"key?"` may be missing. A class that takes time to import stands as "module:Class", which nobody imports before it is
asked for; `{"...": "module:Class", ...}` has its fields and more, without those under `"-"`.
"""

import dataclasses
import importlib
import types
import typing
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any, Final, TypeVar

Schema = dict[str, Any]
F = TypeVar("F", bound=Callable[..., Any])

_DECLARED: Final = "__prints__"
_REST, _LEFT_OUT = "...", "-"
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
_SHORT: Final = {"boolean": "true or false", "integer": "integer", "number": "number", "string": "text", "null": "null"}


def prints(*shapes: Any) -> Callable[[F], F]:
    """Declare what a command prints with `--json`: one of these shapes."""

    def declare(command: F) -> F:
        setattr(command, _DECLARED, shapes)
        return command

    return declare


def schema_of(command: Callable[..., Any]) -> Schema | None:
    """Return the JSON Schema of what a command prints; None where it declares nothing."""
    shapes = getattr(command, _DECLARED, None)
    return None if shapes is None else _any_of(shapes)


def to_schema(shape: Any) -> Schema:
    """Return the JSON Schema of a declaration or an annotation."""
    if isinstance(shape, str):
        module, _, name = shape.partition(":")
        return to_schema(getattr(importlib.import_module(module), name))
    if isinstance(shape, dict):
        return _of_dict(shape)
    if isinstance(shape, list):
        return {"type": "array", "items": to_schema(shape[0])}
    if isinstance(shape, tuple):
        return _any_of(shape)
    if dataclasses.is_dataclass(shape):
        return _object({name: to_schema(hint) for name, hint in _fields(shape).items()})
    return _PLAIN[shape] if shape in _PLAIN else _of_generic(shape)


def _of_dict(shape: Mapping[str, Any]) -> Schema:
    known = to_schema(shape[_REST]) if _REST in shape else _object({})
    own = {key: to_schema(each) for key, each in shape.items() if key not in (_REST, _LEFT_OUT)}
    missing = {key.rstrip("?") for key in own if key.endswith("?")}
    properties = {**known["properties"], **{key.rstrip("?"): each for key, each in own.items()}}
    left_out = shape.get(_LEFT_OUT, ())
    return _object({name: each for name, each in properties.items() if name not in left_out}, missing)


def _object(properties: dict[str, Schema], missing: Collection[str] = ()) -> Schema:
    required = [name for name in properties if name not in missing]
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


def _fields(kind: Any) -> dict[str, Any]:
    try:
        hints = typing.get_type_hints(kind)
    except NameError:  # it names what is imported for the type checker alone
        hints = {}
    return {field.name: hints.get(field.name, Any) for field in dataclasses.fields(kind)}


def _of_generic(shape: Any) -> Schema:
    origin, arguments = typing.get_origin(shape), typing.get_args(shape)
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


def _any_of(shapes: Collection[Any]) -> Schema:
    found: list[Schema] = []
    for each in map(to_schema, shapes):
        if each not in found:
            found.append(each)
    return found[0] if len(found) == 1 else {"anyOf": found}


def in_short(schema: Schema) -> str:
    """Return a schema as a line: `{run: text, best: {epoch: integer} or null, more?: [number]}`."""
    if "anyOf" in schema:
        return " or ".join(in_short(each) for each in schema["anyOf"])
    if "enum" in schema:
        return " or ".join(f'"{each}"' if isinstance(each, str) else str(each).lower() for each in schema["enum"])
    kind = schema.get("type")
    if kind == "array":
        items = schema["prefixItems"] if "prefixItems" in schema else [schema["items"]]
        return f"[{', '.join(in_short(each) for each in items)}{'' if 'prefixItems' in schema else ', ...'}]"
    if kind == "object" and "properties" in schema:
        fields = schema["properties"].items()
        return f"{{{', '.join(f'{name}{_mark(name, schema)}: {in_short(each)}' for name, each in fields)}}}"
    if kind == "object":
        return f"{{NAME: {in_short(schema['additionalProperties'])}, ...}}"
    return _SHORT[kind] if kind else "anything"


def _mark(name: str, schema: Schema) -> str:
    return "" if name in schema["required"] else "?"
