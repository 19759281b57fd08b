"""`visionft suggest` on a real run: it suggests, and accepts only what it was told to."""

import json
import sys
from pathlib import Path

import pytest

from visionft.cli import main
from visionft.project.edits.changes import UnlabelImages
from visionft.project.importing.importer import import_source
from visionft.project.splits import assign_splits
from visionft.project.store import Project


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """Return a function: arguments -> (exit code, stdout, stderr)."""

    def run(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["visionft", *map(str, arguments)])
        code = main()
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run


def test_suggest_and_accept(run, picture_folder: Path, tmp_path: Path):
    folder = tmp_path / "project"
    with Project.create(folder) as project:
        import_source(project, picture_folder)
        assign_splits(project)
        unlabelled = tuple(image.image_id for image in project.snapshot().labelled("test"))
        project.apply(UnlabelImages(unlabelled))
    sizes = ["--set", "weights=random", "--set", "image_size=32", "--set", "batch_size=8", "--device", "cpu"]
    run("train", folder, "--backbone", "test_resnet", "--method", "full", "--epochs", 1, *sizes)
    code, out, _ = run("suggest", folder, 1, "--json")
    value = json.loads(out)
    assert code == 0 and (value["suggested"], value["accepted"]) == (len(unlabelled), 0)
    code, out, _ = run("suggest", folder, 1, "--accept", 0, "--json")
    assert json.loads(out)["accepted"] == len(unlabelled)
    assert json.loads(run("info", folder, "--json")[1])["labelled"] == 48
    code, _, err = run("suggest", folder, 1, "--accept", 95)
    assert code == 2 and "0.95" in err
