"""The programs beside the model: the Python one with only onnxruntime, numpy and Pillow installed."""

import dataclasses
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from visionft.data.types import Snapshot
from visionft.export.exporter import export_run
from visionft.export.predictor import Predictor
from visionft.export.sample_programs import PYTHON, ROOT, SAMPLES, sample_files

ALLOWED = ("numpy", "numpy.libs", "onnxruntime", "PIL", "pillow.libs")


@pytest.fixture
def bare_packages(tmp_path: Path) -> Path:
    """Return a folder with only the three packages."""
    folder, installed = tmp_path / "packages", Path(np.__file__).parents[1]
    folder.mkdir()
    for name in ALLOWED:
        if (installed / name).is_dir():
            (folder / name).symlink_to(installed / name, target_is_directory=True)
    return folder


def save_turned(image: Image.Image, folder: Path) -> Path:
    """Return a JPEG file taken with the camera on its side, according to EXIF."""
    exif = Image.Exif()
    exif[0x0112] = 6
    image.save(folder / "turned.jpg", quality=95, exif=exif)
    return folder / "turned.jpg"


def run_bare(packages: Path, script: Path, *words: object) -> list[float]:
    """Return the percentages that a script prints; it must end well and load neither torch nor this program."""
    done = bare_run(packages, script, *words)
    assert done.returncode == 0, done.stderr
    assert done.stderr.strip().endswith("False False")
    return [float(share) for share in re.findall(r"([\d.]+)%", done.stdout)]


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


@pytest.mark.slow
def test_the_script_beside_the_model_answers_like_the_program(run_of, snapshot, tmp_path, bare_packages, monkeypatch):
    monkeypatch.chdir(tmp_path)
    model = export_run(run_of("test_vit", "lora"), snapshot, Path("out")).model  # as a terminal gives it
    script = model.with_name("predict.py")
    assert all((model.parent / name).read_bytes() == (ROOT / name).read_bytes() for name in sample_files())
    record = json.loads((model.parent / "export.json").read_text())
    said = record["samples"]["python"]
    assert said["agrees"] is True and said["output"].startswith("image1.png\n") and "image2.png\n" in said["output"]
    assert set(sample_files()) <= set(record["files"])
    turned = save_turned(Image.open(snapshot.images[20].path), tmp_path)
    images = [snapshot.images[0].path, turned]
    expected = [100 * share for prediction in Predictor(model).predict(images) for _, share in prediction.top5]
    assert run_bare(bare_packages, script, *images) == pytest.approx(expected, abs=0.02)


@pytest.fixture
def script(tmp_path: Path) -> Path:
    """Return the script in a folder without a model."""
    script = tmp_path / "out" / "predict.py"
    script.parent.mkdir()
    script.write_bytes(PYTHON.content)
    return script


def test_the_script_says_what_is_wrong_with_its_model(script: Path, bare_packages: Path) -> None:
    model = script.with_name("model.onnx")
    missing = refused(bare_run(bare_packages, script, "a.jpg"))
    model.write_bytes(b"no model")
    damaged = refused(bare_run(bare_packages, script, "a.jpg"))
    assert missing.startswith(f"{model} ") and damaged.startswith(f"{model} ") and missing != damaged


@pytest.mark.slow
def test_the_script_passes_over_what_it_cannot_read_and_says_so(export_of, snapshot, tmp_path, bare_packages) -> None:
    script = export_of("test_vit", "linear").model.with_name("predict.py")
    text, readable = tmp_path / "text.jpg", snapshot.images[0].path
    text.write_text("no image")
    done = bare_run(bare_packages, script, tmp_path / "gone.jpg", text, readable)
    said = done.stderr.splitlines()
    assert done.returncode == 2 and str(readable) in done.stdout and "%" in done.stdout
    assert [line.split(": ")[1] for line in said] == [str(tmp_path / "gone.jpg"), str(text)]


def refused(done: subprocess.CompletedProcess[str]) -> str:
    """Return a script's one-line reason for exit code 2."""
    assert (done.returncode, done.stdout) == (2, "") and len(done.stderr.splitlines()) == 1, done.stderr
    return done.stderr.strip().removeprefix("predict.py: ")


@pytest.mark.slow
def test_the_script_sees_what_training_sees(run_of, snapshot: Snapshot, tmp_path: Path, bare_packages: Path) -> None:
    """Transparent areas lie on white, and 16 bits are scaled, not clipped."""
    model = export_run(run_of("test_vit", "linear"), snapshot, tmp_path / "out").model
    random = np.random.default_rng(0)
    Image.fromarray(random.integers(0, 256, (40, 30, 4), np.uint8)).save(tmp_path / "clear.png")
    Image.fromarray(random.integers(0, 65536, (40, 30), np.uint16)).save(tmp_path / "deep.png")
    Image.fromarray(random.random((40, 30), np.float32)).save(tmp_path / "unit.tif")
    Image.fromarray(random.normal(0, 9, (40, 30)).astype(np.float32)).save(tmp_path / "signed.tif")
    Image.fromarray(random.integers(0, 999, (40, 30), np.int32)).save(tmp_path / "whole.tif")
    (tmp_path / "wide.pgm").write_bytes(b"P5 2 2 999\n" + random.integers(0, 999, 4, np.uint16).astype(">u2").tobytes())
    images = [tmp_path / name for name in ("clear.png", "deep.png", "unit.tif", "signed.tif", "whole.tif", "wide.pgm")]
    expected = [100 * share for prediction in Predictor(model).predict(images) for _, share in prediction.top5]
    assert run_bare(bare_packages, model.with_name("predict.py"), *images) == pytest.approx(expected, abs=0.02)


@pytest.fixture
def asked(tmp_path: Path, snapshot: Snapshot) -> list[Path]:
    """Return images of many kinds, decoded by JavaScript as by this program."""
    random = np.random.default_rng(0)
    plain = Image.fromarray(random.integers(0, 256, (60, 90, 3), np.uint8))
    save_turned(plain, tmp_path)
    plain.convert("L").save(tmp_path / "grey.png")
    plain.convert("P").save(tmp_path / "palette.gif")
    plain.save(tmp_path / "lossy.webp")
    Image.fromarray(random.integers(0, 65536, (40, 30), np.uint16)).save(tmp_path / "deep.png")
    plain.resize((1, 1)).save(tmp_path / "least.png")
    made = ("turned.jpg", "grey.png", "palette.gif", "lossy.webp", "deep.png", "least.png")
    return [snapshot.images[0].path, *(tmp_path / name for name in made)]


@pytest.mark.slow
@pytest.mark.parametrize("task", ["single", "multi"])
def test_the_javascript_prints_what_the_script_prints(
    task: str, run_of, trained, snapshot: Snapshot, asked, tmp_path: Path, install_samples
) -> None:
    run_dir = run_of("test_vit", "linear")
    if task == "multi":
        snapshot = dataclasses.replace(snapshot, task="multi")
        run_dir = trained(snapshot, tmp_path / "run", backbone="test_vit", method="linear")
    out = export_run(run_dir, snapshot, tmp_path / "out").model.parent
    assert not (out / "samples" / "node" / "node_modules").exists()
    install_samples(out)
    node, python = (
        subprocess.run([*start, *map(str, asked)], capture_output=True, text=True, timeout=120, check=True).stdout
        for start in (["node", str(out / "samples/node/predict.mjs")], [sys.executable, str(out / "predict.py")])
    )
    assert node == python and ("  *" in node) == (task == "multi")


def test_the_samples_are_files_and_name_no_address() -> None:
    assert all(sample.file in sample_files() for sample in SAMPLES)
    for name in sample_files():
        assert not re.search(r"https?://(?!127\.0\.0\.1)", (ROOT / name).read_text(encoding="utf-8")), name


@pytest.mark.slow
def test_the_c_plus_plus_prints_what_the_script_prints(run_of, snapshot: Snapshot, tmp_path: Path) -> None:
    if shutil.which("g++") is None or not Path("/usr/include/onnxruntime").is_dir():
        pytest.skip("g++ and ONNX Runtime are not installed (apt-get install g++ libonnxruntime-dev libopencv-dev)")
    if not Path("/usr/include/opencv4/opencv2/imgcodecs.hpp").is_file():
        pytest.skip("OpenCV is not installed (apt-get install libopencv-dev)")
    out = export_run(run_of("test_vit", "linear"), snapshot, tmp_path / "out").model.parent
    source = out / "samples" / "cpp" / "predict.cpp"
    places = ["-I/usr/include/onnxruntime", "-I/usr/include/opencv4"]
    libraries = ["-lonnxruntime", "-lopencv_imgcodecs", "-lopencv_imgproc", "-lopencv_core"]
    built = ["g++", "-std=c++17", "-O1", "-Wall", str(source), "-o", str(source.with_name("predict")), *places]
    subprocess.run([*built, *libraries], check=True, timeout=600)
    turned = save_turned(Image.open(snapshot.images[20].path), tmp_path)
    asked = [str(snapshot.images[0].path), str(turned), str(tmp_path / "gone.jpg")]
    native, python = (
        subprocess.run([*start, *asked], capture_output=True, text=True, timeout=120, check=False)
        for start in ([str(source.with_name("predict"))], [sys.executable, str(out / "predict.py")])
    )
    assert native.stdout == python.stdout and native.returncode == python.returncode == 2
    assert f"predict: {asked[2]}: " in native.stderr
