"""`visionft predict`: where its table goes, whatever the target, and what it says of pictures that are not there."""

import csv
import io
import json
import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from PIL import Image

from visionft.cli import main
from visionft.data.types import Snapshot
from visionft.export.exporter import export_run
from visionft.training.config.train_config import TrainConfig
from visionft.training.loop.train import train

COMMAND = [sys.executable, "-m", "visionft", "predict"]
ON_POSIX = pytest.mark.skipif(os.name == "nt", reason="there are no such files there")
HEADER = ["path", "class", "probability", "distance", "unlike", "error"]


@pytest.fixture(scope="module")
def model(snapshot: Snapshot, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with an exported model."""
    folder = tmp_path_factory.mktemp("model")
    config = TrainConfig(
        backbone="test_resnet", method="linear", weights="random", image_size=32, epochs=1, device="cpu"
    )
    train(config, snapshot, folder / "001-run")
    return export_run(folder / "001-run", snapshot, folder / "out").model.parent


@pytest.fixture
def pictures(picture_folder: Path) -> list[Path]:
    """Return three pictures."""
    return sorted((picture_folder / "red").iterdir())[:3]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """Return a function: arguments -> (exit code, stdout, stderr)."""

    def run(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["visionft", "predict", *map(str, arguments)])
        code = main()
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run


def rows(text: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text)))


@ON_POSIX
def test_a_link_stays_and_its_file_gets_the_table(run, model: Path, pictures: list[Path], tmp_path: Path) -> None:
    target, link = tmp_path / "there" / "real.csv", tmp_path / "link.csv"
    target.parent.mkdir()
    link.symlink_to("there/real.csv")
    assert run(model, *pictures, "--csv", link)[0] == 0
    assert link.is_symlink() and len(rows(target.read_text())) == 4
    assert sorted(path.name for path in tmp_path.iterdir()) == ["link.csv", "there"]


@ON_POSIX
def test_a_pipe_is_written_into(run, model: Path, pictures: list[Path], tmp_path: Path) -> None:
    pipe, got = tmp_path / "pipe", []
    os.mkfifo(pipe)
    reader = threading.Thread(target=lambda: got.append(pipe.read_text()), daemon=True)
    reader.start()
    assert run(model, *pictures, "--csv", pipe)[0] == 0
    reader.join(30)
    assert rows(got[0])[0] == HEADER and len(rows(got[0])) == 4
    assert pipe.is_fifo()


@ON_POSIX
def test_a_device_stays_one(run, model: Path, pictures: list[Path], tmp_path: Path) -> None:
    device = tmp_path / "null"  # where root may make one, so that no mistake can harm the machine's own
    try:
        os.mknod(device, 0o666 | 0o020000, os.makedev(1, 3))
    except (OSError, AttributeError):
        pytest.skip("only root makes devices")
    assert run(model, *pictures, "--csv", device)[0] == 0
    assert device.is_char_device() and list(tmp_path.iterdir()) == [device]


@pytest.mark.skipif(sys.platform != "linux", reason="there is no /proc")
@pytest.mark.parametrize("is_file", [False, True])
@pytest.mark.parametrize("target", ["-", "/proc/self/fd/1"])  # what /dev/stdout leads to, and nobody can replace
def test_stdout_gets_the_table_alone(
    target: str, is_file: bool, model: Path, pictures: list[Path], tmp_path: Path
) -> None:
    command = [*COMMAND, model, *pictures, "--csv", target]
    if is_file:
        with (tmp_path / "out").open("w") as out:
            subprocess.run(command, stdout=out, timeout=120, check=True)
        said = (tmp_path / "out").read_text()
    else:
        said = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout
    assert rows(said)[0] == HEADER and len(rows(said)) == 4


def test_json_and_the_table_cannot_share_stdout(run, model: Path, pictures: list[Path]) -> None:
    code, stdout, stderr = run(model, *pictures, "--json", "--csv", "-")
    assert code == 2 and not stdout and "--json" in stderr


def test_what_is_not_there_is_an_error(run, model: Path, pictures: list[Path], tmp_path: Path) -> None:
    nowhere, empty, broken = tmp_path / "nowhere.png", tmp_path / "empty", tmp_path / "broken.png"
    empty.mkdir()
    broken.write_bytes(b"no picture")
    for names, words in (([nowhere], "does not exist"), ([empty], "no pictures"), ([broken], "None of the pictures")):
        code, _, stderr = run(model, *names)
        assert code == 2 and words in stderr and "Traceback" not in stderr
    code, stdout, stderr = run(model, pictures[0], nowhere, broken, "--json")
    assert code == 2 and f"{nowhere} does not exist" in stderr
    good, *bad = json.loads(stdout)
    assert good["class"] and [each["path"] for each in bad] == [str(nowhere), str(broken)]
    assert run(model, pictures[0], broken)[0] == 0  # the table says so


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere every name is Unicode")
def test_names_that_are_no_utf8_keep_their_answers(run, model: Path, pictures: list[Path], tmp_path: Path) -> None:
    odd = tmp_path / os.fsdecode(b"caf\xe9")
    shutil.copytree(model, odd)
    picture = shutil.copy(pictures[0], odd / os.fsdecode(b"\xff.png"))
    code, stdout, stderr = run(odd, picture, pictures[1], "--csv", tmp_path / "answers.csv", "--json")
    assert code == 0, stderr
    assert stdout.isascii() and Path(json.loads(stdout)[0]["path"]).samefile(picture)
    table = rows((tmp_path / "answers.csv").read_text(encoding="utf-8"))
    assert len(table) == 3 and table[1][0].endswith("caf\\xe9/\\xff.png")
    code, stdout, _ = run(odd, picture)
    assert code == 0 and "\\xff.png" in stdout


@ON_POSIX
def test_no_cell_is_run_by_a_spreadsheet(
    run, model: Path, tmp_path: Path, pictures: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
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
        Image.open(pictures[0]).save(name)
    code, stdout, stderr = run("foreign", *names, "missing.png", "--csv", "answers.csv")
    assert code == 2 and "\x1b" not in stdout + stderr
    table = rows(Path("answers.csv").read_text())
    assert not [cell for row in table for cell in row if cell.startswith(("=", "+", "-", "@"))]
    assert [Path(row[0]) for row in table[1:4]] == list(map(Path, names))  # still the same files
    assert {row[1] for row in table[1:4]} <= {"'=1+1", "'+\\x1b[31m", "'@x"}
