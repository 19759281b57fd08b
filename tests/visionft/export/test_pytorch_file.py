"""The file for PyTorch: every kind of model as in `model.onnx`, read without this program and by transformers."""

import importlib.util
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from visionft.combining.combine import combine
from visionft.data.types import Snapshot
from visionft.errors import ExportError
from visionft.export.bundle.verifying import verify_export
from visionft.export.distance import fit_distance
from visionft.export.export_result import MAX_PYTORCH_DIFF, ExportResult, read_export
from visionft.export.exporter import export_run
from visionft.export.options import ExportOptions
from visionft.export.predictor import Predictor
from visionft.export.pytorch_comparison import Reference
from visionft.export.pytorch_file import ImageClassifier, PyTorchPredictor, write_compared, write_pytorch_file
from visionft.jobs import SILENT
from visionft.training.runs.run_folder import load_run, read_run
from visionft.training.runs.run_model import load_run_model

SIZES = ((1, 200, 90), (3, 31, 400), (1, 1, 1))  # batch, height, width


@pytest.fixture
def model_of(run_of, several, trained, snapshot: Snapshot, tmp_path: Path) -> Callable[[str], tuple]:
    """Return a function from a kind of model to it and its images."""

    def model(kind: str) -> tuple:
        if kind == "several labels":
            run_dir = trained(several, tmp_path / "run", backbone="test_vit", method="adapter")
            return load_run_model(read_run(run_dir)), several
        if kind == "ensemble":
            for source in (run_of("test_vit", "prefix"), run_of("test_resnet", "linear")):
                shutil.copytree(source, tmp_path / "runs" / source.name)
            numbers = [path.name for path in (tmp_path / "runs").iterdir()]
            return load_run_model(load_run(tmp_path, combine(tmp_path, numbers, snapshot).run)), snapshot
        backbone, method = kind.split()[:2]
        return load_run_model(read_run(run_of(backbone, method))), snapshot

    return model


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["several labels", "ensemble", "test_resnet linear", "test_vit knn"])
def test_every_model_is_the_same_in_the_file(kind: str, model_of, tmp_path: Path) -> None:
    model, images = model_of(kind)
    distance, _ = fit_distance(model.strongest, images, job=SILENT) or (None, None)
    path = tmp_path / "model.pt2"
    classifier = ImageClassifier(model, 1.3, images.task, distance, embeds="knn" in kind)
    write_pytorch_file(classifier, path, {"class_names": ["a"]})
    reference = Reference(model, 1.3, images.task, distance)
    found, random = PyTorchPredictor(path), np.random.default_rng(0)
    for size in SIZES:
        pixels = random.integers(0, 256, (*size, 3), np.uint8)
        for expected, got in zip(reference.outputs(pixels), found.outputs(pixels), strict=True):
            np.testing.assert_allclose(got, expected, atol=MAX_PYTORCH_DIFF)
    content = path.read_bytes()  # stored without compression
    assert str(Path(sys.prefix)).encode() not in content and str(Path(__file__).parents[3]).encode() not in content


@pytest.fixture(scope="module")
def made(run_of, snapshot: Snapshot, tmp_path_factory: pytest.TempPathFactory) -> ExportResult:
    out = tmp_path_factory.mktemp("pytorch") / "out"
    return export_run(run_of("test_vit", "knn"), snapshot, out, options=ExportOptions.for_target("python"))


@pytest.mark.slow
def test_an_export_for_pytorch_is_compared_recorded_and_described(made: ExportResult) -> None:
    folder, parity = made.model.parent, made.pytorch
    assert parity is not None and parity.max_abs_diff <= MAX_PYTORCH_DIFF and parity.images == made.parity.images
    assert read_export(folder) == made and verify_export(folder).is_whole
    assert {each.name: each.agrees for each in made.samples}["pytorch"] is True
    card = (folder / "README.md").read_text(encoding="utf-8")
    assert f"{parity.max_abs_diff:.1e}" in card and "samples/pytorch/predict.py" in card and "model.pt2" in card


def without_this_program(code: str, *words: object) -> str:
    """Run code in a new process that can import neither this program nor timm."""
    start = "import sys; sys.modules.update(dict.fromkeys(('visionft', 'models', 'resources', 'gui', 'timm')))\n"
    command = [sys.executable, "-I", "-c", start + code, *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=True).stdout


@pytest.mark.slow
def test_the_sample_answers_like_the_script_beside_the_model(made: ExportResult, snapshot, tmp_path: Path) -> None:
    image, exif = Image.open(snapshot.images[20].path), Image.Exif()
    exif[0x0112] = 6  # the camera was held on its side
    image.save(tmp_path / "turned.jpg", exif=exif)
    image.convert("RGBA").rotate(30).save(tmp_path / "clear.png")
    Image.fromarray(np.zeros((9, 9), np.uint16)).save(tmp_path / "deep.png")
    images = [tmp_path / "turned.jpg", tmp_path / "clear.png"]
    code = "import runpy; sys.argv = sys.argv[1:]; runpy.run_path(sys.argv[0], run_name='__main__')"
    said = without_this_program(code, made.model.parent / "samples" / "pytorch" / "predict.py", *images)
    expected = [100 * share for each in Predictor(made.model).predict(images) for _, share in each.top5]
    assert [float(share) for share in re.findall(r"([\d.]+)%", said)] == pytest.approx(expected, abs=0.011)
    with pytest.raises(subprocess.CalledProcessError) as refused:
        without_this_program(code, made.model.parent / "samples/pytorch/predict.py", tmp_path / "deep.png")
    assert refused.value.returncode == 2 and "deep.png" in refused.value.stderr and not refused.value.stdout


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("transformers") is None, reason="pip install transformers")
def test_transformers_loads_the_folder(made: ExportResult, snapshot: Snapshot) -> None:
    path = snapshot.images[0].path
    code = (
        "import json; from transformers import pipeline\n"
        "found = pipeline('image-classification', sys.argv[1], trust_remote_code=True)(sys.argv[2])\n"
        "print(json.dumps({each['label']: each['score'] for each in found}))"
    )
    said = json.loads(without_this_program(code, made.model.parent, path).splitlines()[-1])
    (expected,) = Predictor(made.model).predict([path])
    assert said == pytest.approx(dict(expected.top5), abs=1e-5)


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("transformers") is None, reason="pip install transformers")
def test_what_transformers_saves_answers_alike(made: ExportResult, snapshot: Snapshot, tmp_path: Path) -> None:
    code = (
        "import json; from transformers import pipeline\n"
        "ask = lambda folder: pipeline('image-classification', folder, trust_remote_code=True)\n"
        "first = ask(sys.argv[1]); first.save_pretrained(sys.argv[2])\n"
        "print(json.dumps([each(sys.argv[3]) for each in (first, ask(sys.argv[2]))]))"
    )
    said = without_this_program(code, made.model.parent, tmp_path / "saved", snapshot.images[0].path)
    first, again = json.loads(said.splitlines()[-1])
    assert first == again and (tmp_path / "saved" / "config.json").is_file()


@pytest.mark.slow
def test_a_file_that_differs_is_not_kept(made: ExportResult, model_of, tmp_path: Path) -> None:
    shutil.copy(made.model, tmp_path / "model.onnx")
    model, images, _ = model_of("test_resnet linear")
    classifier = ImageClassifier(model, 1.0, images.task, None)
    decoded = [np.zeros((40, 40, 3), np.uint8)]
    with pytest.raises(ExportError, match=r"model\.pt2"):
        write_compared(classifier, tmp_path, {}, decoded, job=SILENT)
    assert not (tmp_path / "model.pt2").exists()
