"""The script beside the model: it runs where nothing but onnxruntime, numpy and Pillow is installed."""

import os
import re
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest
from PIL import Image

from visionft.data.types import Snapshot
from visionft.export.exporter import export_run
from visionft.export.predictor import Predictor
from visionft.export.samples import PYTHON

ALLOWED = ("numpy", "numpy.libs", "onnxruntime", "PIL", "pillow.libs")


@pytest.fixture
def bare_packages(tmp_path: Path) -> Path:
    """Return a folder that holds the three packages and nothing else."""
    folder, installed = tmp_path / "packages", Path(sysconfig.get_paths()["purelib"])
    folder.mkdir()
    for name in ALLOWED:
        if (installed / name).is_dir():
            (folder / name).symlink_to(installed / name, target_is_directory=True)
    return folder


def run_bare(packages: Path, script: Path, *pictures: Path) -> str:
    """Return what a script prints, which must end well and load neither torch nor this program."""
    done = bare_run(packages, script, *pictures)
    assert done.returncode == 0, done.stderr
    assert done.stderr.strip().endswith("False False")
    return done.stdout


def bare_run(packages: Path, script: Path, *words: object) -> subprocess.CompletedProcess[str]:
    """Run a script with the standard library and `packages` alone: no site-packages, no working folder."""
    start = (
        "import sys, runpy; sys.path.append(sys.argv[1]); sys.argv = sys.argv[2:]; "
        "runpy.run_path(sys.argv[0], run_name='__main__'); "
        "print('torch' in sys.modules, 'visionft' in sys.modules, file=sys.stderr)"
    )
    command = [sys.executable, "-I", "-S", "-c", start, str(packages), str(script), *map(str, words)]
    env = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    return subprocess.run(command, capture_output=True, text=True, env=env, timeout=120, check=False)


def test_the_script_beside_the_model_answers_like_the_program(
    run_of, snapshot: Snapshot, tmp_path: Path, bare_packages: Path
) -> None:
    model = export_run(run_of("test_vit", "lora"), snapshot, tmp_path / "out").model
    script = model.with_name("predict.py")
    assert script.read_text(encoding="utf-8") == PYTHON.code
    turned = tmp_path / "turned.jpg"  # shot with the camera on its side: EXIF says so
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.open(snapshot.images[20].path).save(turned, quality=95, exif=exif)
    pictures = [snapshot.images[0].path, turned]
    printed = run_bare(bare_packages, script, *pictures)
    said = re.findall(r"([\d.]+)%  (\w+)", printed)
    assert len(said) == 6
    expected = [answer for prediction in Predictor(model).predict(pictures) for answer in prediction.top5]
    for (share, name), (class_name, probability) in zip(said, expected, strict=True):
        assert name == class_name and float(share) == pytest.approx(100 * probability, abs=0.02)


@pytest.fixture
def script(tmp_path: Path) -> Path:
    """Return the script in a folder without a model."""
    script = tmp_path / "out" / "predict.py"
    script.parent.mkdir()
    script.write_text(PYTHON.code, encoding="utf-8")
    return script


@pytest.mark.parametrize("word", ["-h", "--help"])
def test_the_script_says_how_it_is_used_without_any_library(script: Path, tmp_path: Path, word: str) -> None:
    done = bare_run(tmp_path / "no packages", script, word)
    assert done.returncode == 0 and done.stderr == ""
    assert done.stdout.startswith("Classify pictures with model.onnx: python predict.py PICTURE...")


def test_the_script_asks_for_pictures_where_none_is_named(script: Path, tmp_path: Path) -> None:
    assert refused(bare_run(tmp_path / "no packages", script)).startswith("name one picture or more, such as: python ")


def test_the_script_names_the_library_that_is_missing(script: Path, tmp_path: Path) -> None:
    said = refused(bare_run(tmp_path / "no packages", script, "a.jpg"))
    assert said.startswith("numpy is not installed. Run: ") and said.endswith("pip install onnxruntime numpy pillow")


@pytest.mark.parametrize(("content", "why"), [(None, "is missing. Keep this file"), (b"no model", "cannot be used (")])
def test_the_script_says_what_is_wrong_with_its_model(
    script: Path, bare_packages: Path, content: bytes | None, why: str
) -> None:
    model = script.with_name("model.onnx")
    if content is not None:
        model.write_bytes(content)
    said = refused(bare_run(bare_packages, script, "a.jpg"))
    assert said.startswith(f"{model} {why}")


def test_the_script_passes_over_what_it_cannot_read_and_says_so(
    run_of, snapshot: Snapshot, tmp_path: Path, bare_packages: Path
) -> None:
    script = export_run(run_of("test_vit", "linear"), snapshot, tmp_path / "out").model.with_name("predict.py")
    text, readable = tmp_path / "text.jpg", snapshot.images[0].path
    text.write_text("no picture")
    done = bare_run(bare_packages, script, tmp_path / "gone.jpg", text, readable)
    said = done.stderr.splitlines()
    assert done.returncode == 2 and str(readable) in done.stdout and "%" in done.stdout
    assert said[0] == f"predict.py: {tmp_path / 'gone.jpg'}: there is no such file"
    assert said[1].startswith(f"predict.py: {text}: cannot identify image file") and len(said) == 2


def refused(done: subprocess.CompletedProcess[str]) -> str:
    """Return the one line in which a script says why it ended with 2."""
    assert (done.returncode, done.stdout) == (2, "") and len(done.stderr.splitlines()) == 1, done.stderr
    return done.stderr.strip().removeprefix("predict.py: ")


def test_the_script_needs_nothing_else() -> None:
    imported = set(re.findall(r"^ *(?:import|from) (\w+)", PYTHON.code, re.MULTILINE))
    assert imported <= {"hashlib", "json", "os", "sys", "pathlib", "numpy", "onnxruntime", "PIL"}
