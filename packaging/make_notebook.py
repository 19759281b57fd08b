"""Execute the code of docs/python.md on the bundled photographs, and write it with its outputs as a notebook.

    python packaging/make_notebook.py                    # writes docs/python.ipynb, in a few minutes
    python packaging/make_notebook.py OUT.ipynb --images 12    # of each class, 24 unless given

Each code block is a cell, the text between is Markdown. The cells run one after the other in this process, as a kernel
would run them: the outputs are what they printed and how the value of their last line shows itself (`_repr_html_`, else
`repr`). The folder in which they run is written as `~`; nothing else is changed. Jupyter is not needed for this, only
to open the notebook.
"""

import argparse
import ast
import contextlib
import io
import json
import os
import re
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from resources.photographs import PHOTOGRAPHS

PAGE = Path(__file__).resolve().parents[1] / "docs" / "python.md"
NOTEBOOK = PAGE.with_suffix(".ipynb")


def blocks(page: str) -> Iterator[tuple[str, str]]:
    """Yield (`markdown` or `code`, text) of a page, in order."""
    for place, text in enumerate(re.split(r"^```python\n(.*?)^```$", page, flags=re.DOTALL | re.MULTILINE)):
        if text.strip():
            yield ("code" if place % 2 else "markdown"), text.strip("\n")


def unpack_photographs(folder: Path, most: int | None = None) -> None:
    """Write the bundled photographs into class folders; of each class, at most `most`."""
    with zipfile.ZipFile(PHOTOGRAPHS) as archive:
        names = sorted(name for name in archive.namelist() if not name.endswith("/"))
        for parent in {Path(name).parent for name in names}:
            for name in [name for name in names if Path(name).parent == parent][:most]:
                target = folder / parent.name / Path(name).name
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(archive.read(name))


def execute(source: str, scope: dict[str, Any], number: int) -> list[dict[str, Any]]:
    """Run a cell in `scope`, and return its outputs in the format of notebooks."""
    tree = ast.parse(source)
    last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        exec(compile(tree, f"cell {number}", "exec"), scope)
        value = None
        if isinstance(last, ast.Expr):
            value = eval(compile(ast.Expression(last.value), f"cell {number}", "eval"), scope)
    outputs = [
        {"output_type": "stream", "name": name, "text": lines(text)}
        for name, text in (("stderr", settled(err.getvalue())), ("stdout", out.getvalue()))
        if text
    ]
    if value is not None:
        data = {"text/plain": lines(repr(value))}
        if hasattr(value, "_repr_html_"):
            data = {"text/html": lines(value._repr_html_()), "text/plain": [f"<{type(value).__name__}>"]}
        outputs.append({"output_type": "execute_result", "execution_count": number, "metadata": {}, "data": data})
    return outputs


def settled(text: str) -> str:
    """Return what a line that is rewritten with carriage returns shows in the end."""
    shown = (line.rstrip("\r").rpartition("\r")[2].rstrip() for line in text.split("\n"))
    return "".join(f"{line}\n" for line in shown if line)


def lines(text: str) -> list[str]:
    return text.splitlines(keepends=True)


def notebook_of(page: str, scope: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Execute the code blocks of a page in a folder, and return the notebook."""
    cells: list[dict[str, Any]] = []
    number = 0
    with contextlib.chdir(folder):
        for kind, text in blocks(page):
            cell: dict[str, Any] = {"cell_type": kind, "id": f"cell-{len(cells)}", "metadata": {}}
            cell["source"] = lines(text)
            if kind == "code":
                number += 1
                cell |= {"execution_count": number, "outputs": execute(text, scope, number)}
            cells.append(cell)
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    metadata = {"kernelspec": kernel, "language_info": {"name": "python"}}
    found = {"cells": cells, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}
    return json.loads(json.dumps(found).replace(json.dumps(str(folder))[1:-1], "~"))


def main() -> None:
    """Write the notebook."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, nargs="?", default=NOTEBOOK)
    parser.add_argument("--images", type=int, default=24, help="of each class, 24 unless given")
    options = parser.parse_args()
    os.environ["VISIONFT_CACHE_MB"] = "0"
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary).resolve()
        unpack_photographs(folder / "photos", options.images)
        found = notebook_of(PAGE.read_text(encoding="utf-8"), {"__name__": "__main__"}, folder)
    options.out.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    print(f"{options.out}: {options.out.stat().st_size / 1000:.0f} KB")


if __name__ == "__main__":
    main()
