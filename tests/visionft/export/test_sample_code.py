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
from visionft.export.sample_code import sample_code

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
    """Run a script with the standard library and `packages` alone: no site-packages, no working folder."""
    start = (
        "import sys, runpy; sys.path.append(sys.argv[1]); sys.argv = sys.argv[2:]; "
        "runpy.run_path(sys.argv[0], run_name='__main__'); "
        "print('torch' in sys.modules, 'visionft' in sys.modules, file=sys.stderr)"
    )
    command = [sys.executable, "-I", "-S", "-c", start, str(packages), str(script), *map(str, pictures)]
    env = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    done = subprocess.run(command, capture_output=True, text=True, env=env, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr.strip().endswith("False False")
    return done.stdout


def test_the_script_beside_the_model_answers_like_the_program(
    run_of, snapshot: Snapshot, tmp_path: Path, bare_packages: Path
) -> None:
    model = export_run(run_of("test_vit", "lora"), snapshot, tmp_path / "out").model
    script = model.with_name("predict.py")
    assert script.read_text(encoding="utf-8") == sample_code()
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


def test_the_script_needs_nothing_else() -> None:
    imported = set(re.findall(r"^(?:import|from) (\w+)", sample_code(), re.MULTILINE))
    assert imported <= {"json", "os", "sys", "pathlib", "numpy", "onnxruntime", "PIL"}
