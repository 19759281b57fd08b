"""`visionft predict`: the target of its table, of any kind, and its messages about missing images."""

import csv
import io
import json
import os
import subprocess
import sys
import threading
from functools import partial
from pathlib import Path

import pytest
from PIL import Image

from visionft.data.depth import FIRST_PLANE

COMMAND = [sys.executable, "-m", "visionft", "predict"]
ON_POSIX = pytest.mark.skipif(os.name == "nt", reason="there are no such files there")
HEADER = ["path", "class", "probability", "distance", "unlike", "error"]


@pytest.fixture
def images(image_folder: Path) -> list[Path]:
    """Return three images."""
    return sorted((image_folder / "red").iterdir())[:3]


@pytest.fixture
def predict(run):
    """Return a function: arguments -> (exit code, stdout, stderr)."""
    return partial(run, "predict")


def rows(text: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text)))


@ON_POSIX
def test_a_pipe_is_written_into(predict, model: Path, images: list[Path], tmp_path: Path) -> None:
    pipe, got = tmp_path / "pipe", []
    os.mkfifo(pipe)
    reader = threading.Thread(target=lambda: got.append(pipe.read_text()), daemon=True)
    reader.start()
    assert predict(model, *images, "--csv", pipe)[0] == 0
    reader.join(30)
    assert rows(got[0])[0] == HEADER and len(rows(got[0])) == 4
    assert pipe.is_fifo()


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="there is no /proc")
@pytest.mark.parametrize(("target", "is_file"), [("-", False), ("/proc/self/fd/1", True)])  # target of /dev/stdout
def test_stdout_gets_the_table_alone(target: str, is_file: bool, model, images, tmp_path) -> None:
    command = [*COMMAND, model, *images, "--csv", target]
    if is_file:
        with (tmp_path / "out").open("w") as out:
            subprocess.run(command, stdout=out, timeout=120, check=True)
        said = (tmp_path / "out").read_text()
    else:
        said = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout
    assert rows(said)[0] == HEADER and len(rows(said)) == 4


def test_what_is_not_there_is_an_error(predict, refused, model: Path, images: list[Path], tmp_path: Path) -> None:
    nowhere, empty, broken = tmp_path / "nowhere.png", tmp_path / "empty", tmp_path / "broken.png"
    empty.mkdir()
    broken.write_bytes(b"no image")
    for name in (nowhere, empty):
        assert str(name) in refused("predict", model, name)
    assert predict(model, broken)[0] == 2
    assert "--json" in refused("predict", model, *images, "--json", "--csv", "-")  # both are for stdout
    code, stdout, stderr = predict(model, images[0], nowhere, broken, "--json")
    assert code == 2 and str(nowhere) in stderr
    good, *bad = json.loads(stdout)
    assert good["class"] and [each["path"] for each in bad] == [str(nowhere), str(broken)]
    assert predict(model, images[0], broken)[0] == 0  # as in the table


@ON_POSIX
def test_no_cell_is_run_by_a_spreadsheet(predict, model: Path, tmp_path: Path, images: list[Path], monkeypatch) -> None:
    import onnx

    foreign = onnx.load(model / "model.onnx")
    for entry in foreign.metadata_props:
        if entry.key == "class_names":
            entry.value = json.dumps(["=1+1", "+\x1b[31m", "@x"])
    (tmp_path / "foreign").mkdir()
    onnx.save(foreign, tmp_path / "foreign" / "model.onnx")
    monkeypatch.chdir(tmp_path)
    names = ["=cmd|' C'!A0.png", "+1.png", "@a.png"]
    for name in names:
        Image.open(images[0]).save(name)
    code, stdout, stderr = predict("foreign", *names, "missing.png", "--csv", "answers.csv")
    assert code == 2 and "\x1b" not in stdout + stderr
    table = rows(Path("answers.csv").read_text())
    assert not [cell for row in table for cell in row if cell.startswith(("=", "+", "-", "@"))]
    assert [Path(row[0]) for row in table[1:4]] == list(map(Path, names))  # still the same files
    assert {row[1] for row in table[1:4]} <= {"'=1+1", "'+\\x1b[31m", "'@x"}


def test_what_is_lost_of_an_image_is_said(predict, model: Path, tmp_path: Path) -> None:
    frames = [Image.new("L", (40, 40), 60 * place) for place in range(3)]
    frames[0].save(tmp_path / "planes.tif", save_all=True, append_images=frames[1:])
    frames[0].save(tmp_path / "plain.tif")
    code, out, _ = predict(model, tmp_path, "--json")
    warnings = {Path(each["path"]).name: each["warnings"] for each in json.loads(out)}
    assert code == 0 and warnings == {"planes.tif": [FIRST_PLANE], "plain.tif": []}
    assert FIRST_PLANE in predict(model, tmp_path)[1]
