"""Conventions that no linter knows: tests use public names, and a decision names the test of its promise."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PRODUCT = ("visionft", "gui", "models", "resources", "packaging")
# Private names that tests may use, each with its reason.
ALLOWED = {
    ("bench.py", "_fields"): "public: it is the list of fields of a named tuple",
}
DECISIONS = sorted((ROOT / "docs" / "decisions").glob("0*.md"))


def is_private(name: str) -> bool:
    """Tell names such as `_plot`; `__init__` is a protocol, which others call."""
    return name.startswith("_") and not name.endswith("_") and name.strip("_").isidentifier()


def defined_names(path: Path) -> Iterator[str]:
    """Yield the private functions, classes, variables and attributes that a file defines."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        match node:
            case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
                yield name
            case ast.Name(id=name, ctx=ast.Store()) | ast.Attribute(attr=name, ctx=ast.Store()):
                yield name


def used_names(path: Path) -> Iterator[tuple[int, str]]:
    """Yield (line, name) of each private name of another object, module or patched place in a file."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        match node:
            case ast.Attribute(value=ast.Name(id="self" | "cls")):
                pass
            case ast.Attribute(attr=name) if is_private(name):
                yield node.lineno, name
            case ast.ImportFrom(names=names):
                yield from ((node.lineno, each.name) for each in names if is_private(each.name))
            case ast.Call(func=ast.Attribute(attr="setattr" | "delattr"), args=[ast.Constant(value=str(place)), *_]):
                yield node.lineno, place.rpartition(".")[2]
            case ast.Call(func=ast.Attribute(attr="setattr" | "delattr"), args=[_, ast.Constant(value=str(name)), *_]):
                yield node.lineno, name
            case ast.Call(func=ast.Name(id="getattr" | "setattr"), args=[_, ast.Constant(value=str(name)), *_]):
                yield node.lineno, name


def test_no_test_uses_a_private_name_of_the_program() -> None:
    files = [path for package in PRODUCT for path in (ROOT / package).rglob("*.py")]
    own = {name for path in files for name in defined_names(path) if is_private(name)}
    assert "_show_values" in own  # of a chart
    used = {
        (path, line, name)
        for path in (ROOT / "tests").rglob("*.py")
        for line, name in used_names(path)
        if is_private(name) and name in own
    }
    unknown = [each for each in used if (each[0].name, each[2]) not in ALLOWED]
    assert not sorted(f"{path.relative_to(ROOT)}:{line}: {name}" for path, line, name in unknown)
    assert {(path.name, name) for path, _, name in used} >= ALLOWED.keys(), "no longer needed"


@pytest.mark.parametrize("decision", DECISIONS, ids=lambda path: path.stem[:4])
def test_a_decision_names_the_test_of_its_promise(decision: Path) -> None:
    lines = [line for line in decision.read_text(encoding="utf-8").splitlines() if line.startswith("Proof: ")]
    assert len(lines) == 1, "it has one line `Proof: tests/...`, or `Proof: none, ` with the reason"
    (line,) = lines
    named = re.findall(r"`([^`]+)`", line)
    assert named or line.startswith("Proof: none, ")
    assert all((ROOT / name).is_file() for name in named), named
    assert all(name == "pyproject.toml" or Path(name).name.startswith("test_") for name in named), named


def test_a_number_is_of_one_decision_and_the_list_names_it() -> None:
    listed = re.findall(
        r"^- \[(\d{4})\]\(([^)]+)\)", (DECISIONS[0].parent / "README.md").read_text(encoding="utf-8"), re.M
    )
    assert sorted(listed) == [(path.name[:4], path.name) for path in DECISIONS]
    assert len({number for number, _ in listed}) == len(listed)
