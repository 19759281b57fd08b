"""Untrusted files: none is unpickled or run, none is read without a limit."""

import ast
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest

import gui
import models
import resources
import visionft
from visionft.core.errors import ProjectError
from visionft.project.importing.importer import import_source
from visionft.project.store import ProjectStore

ROOTS = [Path(package.__path__[0]) for package in (visionft, gui, models, resources)]
# Calls able to run their input, take all memory for it, or write anywhere from an archive; with their safe form.
RUNS = {
    "pickle.load": "", "pickle.loads": "", "marshal.loads": "", "shelve.open": "", "yaml.load": "", "eval": "",
    "exec": "", "opened.extractall": "", "archive.extractall": "", "torch.load": "weights_only=True",
    "np.load": "allow_pickle=False", "np.lib.format.read_array": "", "onnx.load": "", "jsonpickle.decode": "",
}  # fmt: skip
# These load files written a moment before.
OURS = {(f"{name}.py", "onnx.load") for name in ("prepared", "precision_variants")}


def calls() -> Iterator[tuple[str, str, str]]:
    """Yield (file, called name, its arguments) of the whole program."""
    for path in (path for root in ROOTS for path in root.rglob("*.py") if "starter" not in path.parts):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                yield path.name, ast.unparse(node.func), ", ".join(map(ast.unparse, [*node.args, *node.keywords]))


def test_nothing_that_is_read_can_run() -> None:
    found = [
        (file, called)
        for file, called, given in calls()
        if called in RUNS and not (RUNS[called] and RUNS[called] in given) and (file, called) not in OURS
    ]
    assert not found


@pytest.mark.parametrize(
    ("name", "begins"),
    [
        ("labels.csv", b"file_name,label\n"),
        ("labels.jsonl", b'{"file_name": "a.png", "label": "x"}\n'),
        ("coco.json", b'{"images": [{"id": 1, "file_name": "a.png"}], "annotations": [], "categories": ['),
        ("annotations.xml", b"<annotations><version>1.1</version><image name='a.png'></image>"),
        ("labels.parquet", b"PAR1"),
    ],
)
def test_a_label_file_of_500_mb_is_refused_before_it_takes_memory(name: str, begins: bytes, tmp_path: Path) -> None:
    (tmp_path / "source").mkdir()
    with (tmp_path / "source" / name).open("wb") as file:
        file.write(begins)
        file.truncate(500_000_000)
    with ProjectStore.create(tmp_path / "project") as project:
        tracemalloc.start()
        try:
            with pytest.raises(ProjectError, match=r"500 MB.*210 MB") as raised:
                import_source(project, tmp_path / "source" / name)
            assert tracemalloc.get_traced_memory()[1] < 30_000_000 and raised.value.hint
        finally:
            tracemalloc.stop()
        assert not project.summary().images
