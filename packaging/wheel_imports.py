"""The imports of the wheel, whose packages all lie in `visionft`: `models.errors` is `visionft.models.errors` there.

`visionft/__init__.py` gives the sources the same names. A name is an import, or a text that is nothing but a module of
these packages with at least one dot ("gui.app", "gui.app:main"): the build and the tests find no other form.
"""

import ast
import re

INSIDE = ("gui", "models", "resources")
_NAME = re.compile(rf"(?:{'|'.join(INSIDE)})(?:\.[A-Za-z_]\w*)*")
_TEXT = re.compile(rf"(?:{'|'.join(INSIDE)})(?:\.[A-Za-z_]\w*)+(?::[A-Za-z_]\w*)?")


def with_wheel_imports(source: str) -> str:
    """Return the source of a module with the names of the wheel; its lines keep their numbers.

    Raises:
        ValueError: An import binds the name of a package and needs one of its modules (`import models.errors`).
    """
    lines = source.encode().splitlines(keepends=True)  # ast counts the bytes of a line
    found = [edit for node in ast.walk(ast.parse(source)) for edit in _edits(node, lines)]
    for line, start, old, new in sorted(found, reverse=True):
        text = lines[line - 1]
        assert text[start:].startswith(old), (line, text)
        lines[line - 1] = text[:start] + new + text[start + len(old) :]
    return b"".join(lines).decode()


def _edits(node: ast.AST, lines: list[bytes]) -> list[tuple[int, int, bytes, bytes]]:
    """Return (line, offset, old, new) of what changes in a node of the syntax tree."""
    if isinstance(node, ast.ImportFrom) and not node.level and _NAME.fullmatch(node.module or ""):
        return [(node.lineno, node.col_offset, b"from ", b"from visionft.")]
    if isinstance(node, ast.Import):
        return [edit for alias in node.names for edit in _import_edits(alias)]
    if isinstance(node, ast.Constant) and isinstance(node.value, str) and _TEXT.fullmatch(node.value):
        start = lines[node.lineno - 1].index(node.value.encode(), node.col_offset)
        name = node.value.encode()
        return [(node.lineno, start, name, b"visionft." + name)]
    return []


def _import_edits(alias: ast.alias) -> list[tuple[int, int, bytes, bytes]]:
    if not _NAME.fullmatch(alias.name):
        return []
    if "." in alias.name and alias.asname is None:
        package, _, module = alias.name.rpartition(".")
        raise ValueError(f"line {alias.lineno}: write `from {package} import {module}` for `import {alias.name}`")
    name, bound = alias.name.encode(), b"" if alias.asname else b" as " + alias.name.encode()
    return [(alias.lineno, alias.col_offset, name, b"visionft." + name + bound)]
