"""What tests of commands share: running one in this process, and holding its JSON against what it declares."""

import json
import sys
from collections.abc import Callable
from typing import Any

import pytest
from typer.main import get_command

from visionft.cli import app, main

KINDS: dict[str, tuple[type, ...]] = {
    "boolean": (bool,), "integer": (int,), "number": (int, float), "string": (str,), "null": (type(None),),
    "array": (list,), "object": (dict,),
}  # fmt: skip


def faults(value: Any, schema: dict[str, Any], place: str = "$") -> list[str]:
    """Return where a value is not as a schema of `visionft.cli.schemas` says; all that such a schema can hold."""
    if "anyOf" in schema:
        each = [faults(value, one, place) for one in schema["anyOf"]]
        return [] if not all(each) else min(each, key=len)
    if "enum" in schema:
        return [] if value in schema["enum"] else [f"{place}: {value!r} is none of {schema['enum']}"]
    kind = schema.get("type")
    if kind is None:
        return []
    if not isinstance(value, KINDS[kind]) or (isinstance(value, bool) and kind != "boolean"):
        return [f"{place}: {value!r:.80} is no {kind}"]
    found: list[str] = []
    if kind == "array":
        items = schema.get("prefixItems") or [schema["items"]] * len(value)
        found += [] if len(items) == len(value) else [f"{place}: {len(value)} for {len(items)}"]
        for number, (one, of_it) in enumerate(zip(value, items, strict=False)):
            found += faults(one, of_it, f"{place}[{number}]")
    if kind == "object":
        known = schema.get("properties", {})
        found += [f"{place}.{name} is missing" for name in schema.get("required", ()) if name not in value]
        for name, one in value.items():
            of_it = known.get(name, schema["additionalProperties"])
            found += [f"{place}.{name} is not declared"] if of_it is False else faults(one, of_it, f"{place}.{name}")
    return found


@pytest.fixture(scope="session")
def faults_of() -> Callable[[Any, dict[str, Any]], list[str]]:
    """Return the function: value, schema -> where it does not fit."""
    return faults


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """Return a function: arguments -> (exit code, stdout, stderr); JSON has to be as the command declares it."""

    def run(*arguments: object) -> tuple[int, str, str]:
        words = list(map(str, arguments))
        monkeypatch.setattr(sys, "argv", ["visionft", *words])
        code = main()
        captured = capsys.readouterr()
        if "--json" in words and captured.out:
            assert not declared_faults(words, captured.out)
        return code, captured.out, captured.err

    return run


def declared_faults(words: list[str], stdout: str) -> list[str]:
    """Return where a command's JSON is not as it declares."""
    from visionft.cli.agents_page import commands
    from visionft.cli.schemas import schema_of

    known = dict(commands(get_command(app)))
    command = known.get(words[0]) or known[" ".join(words[:2])]
    schema = schema_of(command.callback)
    return ["it declares nothing"] if schema is None else faults(json.loads(stdout), schema)
