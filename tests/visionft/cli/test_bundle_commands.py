"""`visionft verify`, `bench-model` and `push`: what they print, their exit codes, and that nothing is sent unasked."""

import json
import shutil
import sys
from pathlib import Path

import pytest

from visionft.cli import main
from visionft.data.types import Snapshot
from visionft.export.exporter import export_run
from visionft.training.config.train_config import TrainConfig
from visionft.training.loop.train import train


@pytest.fixture(scope="module")
def made(snapshot: Snapshot, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model")
    config = TrainConfig(
        backbone="test_resnet", method="linear", weights="random", image_size=32, epochs=1, device="cpu"
    )
    train(config, snapshot, folder / "001-run")
    return export_run(folder / "001-run", snapshot, folder / "out").model.parent


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """Return a function: arguments -> (exit code, stdout, stderr)."""

    def run(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["visionft", *map(str, arguments)])
        code = main()
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run


def test_a_whole_export_passes_and_a_changed_one_fails(run, made: Path, tmp_path: Path) -> None:
    code, out, _ = run("verify", made)
    assert code == 0 and "is as it was exported; " in out and "model.onnx: same answers" in out
    spoilt = shutil.copytree(made, tmp_path / "copy")
    (spoilt / "labels.txt").write_text("a\nb\nc\n")
    (spoilt / "evil\x1b.txt").write_text("")
    code, out, _ = run("verify", spoilt)
    assert code == 1 and "NOT as it was" in out and "changed: labels.txt" in out and "not of the export: evil" in out
    assert "\x1b" not in out
    code, out, _ = run("verify", spoilt, "--json")
    said = json.loads(out)
    assert code == 1 and said["is_whole"] is False and said["faults"] == [{"name": "labels.txt", "fault": "changed"}]
    assert run("verify", tmp_path)[0] == 2


def test_of_very_many_foreign_files_some_are_named(run, made: Path, tmp_path: Path) -> None:
    spoilt = shutil.copytree(made, tmp_path / "copy")
    packages = spoilt / "samples" / "node" / "node_modules"  # what `npm install` brings there
    packages.mkdir()
    for number in range(50):
        (packages / f"{number}.js").write_text("")
    code, out, _ = run("verify", spoilt)
    assert code == 0 and out.count("not of the export: ") == 20 and "not of the export either: 30 other files" in out
    assert len(json.loads(run("verify", spoilt, "--json")[1])["foreign"]) == 50


def test_speed_is_told_by_batch(run, made: Path) -> None:
    code, out, _ = run("bench-model", made, "--threads", 1, "--pictures", 32, "--json")
    (speed,) = json.loads(out)["speeds"]
    assert code == 0 and [row["batch"] for row in speed["batches"]] == [1, 4, 16]


@pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")  # of how huggingface_hub sends large files
def test_nothing_is_sent_unless_it_was_said(run, made: Path, hub) -> None:
    code, _, err = run("push", made, "me/model")
    assert code == 2 and not hub.asked and "model.onnx" in err and "Nothing was sent" in err
    code, out, _ = run("push", made, "me/model", "--yes", "--json")
    names = {"README.md", "export.json", "labels.txt", "model.onnx", "predict.py", "samples/node/predict.mjs"}
    said = json.loads(out)
    assert code == 0 and names <= set(hub.files) and sorted(said["files"]) == sorted(hub.files)
    assert said["address"] == f"{hub.url}/me/model" and not said["is_public"] and hub.is_private
    assert hub.files["model.onnx"] == (made / "model.onnx").read_bytes()
    hub.is_private = False
    assert run("push", made, "me/model", "--yes")[0] == 2
    assert run("push", made, "me/model", "--yes", "--public")[0] == 0
