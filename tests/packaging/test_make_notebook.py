"""The notebook in docs: it is the executed page, and its outputs can be passed on."""

import json
import re
from pathlib import Path
from typing import Any

import make_notebook


def notebook() -> dict[str, Any]:
    return json.loads(make_notebook.NOTEBOOK.read_text(encoding="utf-8"))


def test_its_cells_are_those_of_the_page():
    cells = [(cell["cell_type"], "".join(cell["source"])) for cell in notebook()["cells"]]
    assert cells == list(make_notebook.blocks(make_notebook.PAGE.read_text(encoding="utf-8")))
    assert sum(kind == "code" for kind, _ in cells) >= 8


def test_its_outputs_are_whole_and_name_no_folder_of_a_computer():
    found = notebook()
    assert (found["nbformat"], found["metadata"]["kernelspec"]["language"]) == (4, "python")
    outputs = [output for cell in found["cells"] for output in cell.get("outputs", [])]
    assert {output["output_type"] for output in outputs} == {"stream", "execute_result"}  # no error
    pictures = [output for output in outputs if "text/html" in output.get("data", {})]
    assert len(pictures) >= 5 and make_notebook.NOTEBOOK.stat().st_size < 1_000_000
    text = re.sub(r"data:image/\w+;base64,[\w+/=]+", "", json.dumps(outputs))
    assert "<img" in text and "<svg" in text and "Warning" not in text
    assert not re.search(r"/tmp|/home|/root|/Users|[A-Z]:\\\\", text)


def test_a_page_is_executed_as_a_kernel_would(tmp_path: Path):
    page = (
        "# Title\n\n```python\nimport sys\nsys.stderr.write('10%\\r90%\\r    \\rdone\\n')\nx = 2\nprint(x)\n```\n\n"
        "More.\n\n```python\nclass Shown:\n    def _repr_html_(self):\n        return '<b>1</b>'\n\nShown()\n```\n"
        "```python\nimport os\nos.getcwd()\n```\n"
    )
    cells = make_notebook.notebook_of(page, {}, tmp_path)["cells"]
    assert [cell["cell_type"] for cell in cells] == ["markdown", "code", "markdown", "code", "code"]
    first, second, third = (cell["outputs"] for cell in cells if cell["cell_type"] == "code")
    assert [(output["name"], output["text"]) for output in first] == [("stderr", ["done\n"]), ("stdout", ["2\n"])]
    assert second[0]["data"]["text/html"] == ["<b>1</b>"] and third[0]["data"]["text/plain"] == ["'~'"]
