"""Export of a run with a retrieval index: one verified file, and the images beside it."""

import dataclasses
import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from visionft.cli import main
from visionft.core.errors import ExportError
from visionft.data.decode import decode
from visionft.data.types import Snapshot
from visionft.export.contents import INDEX_FILE
from visionft.export.export_result import read_export
from visionft.export.exporter import export_run
from visionft.export.predictor import ExportedIndex, IndexEntry, Predictor, read_index, write_index
from visionft.export.record import ProjectFacts
from visionft.training.config.train_config import TrainConfig
from visionft.training.loop.train import train
from visionft.training.runs.run_folder import RUNS_FOLDER


@pytest.fixture(scope="module")
def images(snapshot: Snapshot) -> Snapshot:
    """Return images with a class name in two possible Unicode spellings."""
    return dataclasses.replace(snapshot, class_names=("blue", "grün", "red"))


@pytest.fixture(scope="module")
def exported(images: Snapshot, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("project")
    config = TrainConfig(backbone="starter_resnet", method="knn", image_size=64, device="cpu")
    train(config, images, folder / RUNS_FOLDER / "001-knn")
    first = images.labelled("train")[0]
    remarks = {first.image_id: ("dawn", ("dark", "wet"))}
    result = export_run(folder / RUNS_FOLDER / "001-knn", images, folder / "out", facts=ProjectFacts(remarks=remarks))
    assert result.parity.is_equal and result.remembered == len(images.labelled("train"))
    return folder / "out"


@pytest.fixture
def out(exported: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(exported, tmp_path / "out"))


def index_of(folder: Path) -> ExportedIndex:
    index = read_index(folder / "model.onnx")
    assert index is not None
    return index


@pytest.mark.slow
def test_the_file_answers_with_those_for_and_against(out: Path, images: Snapshot):
    assert read_export(out) is not None
    predictor, asked = Predictor(out, device="cpu"), images.labelled("test")
    right = 0
    for image, said in zip(asked, predictor.predict([image.path for image in asked]), strict=True):
        evidence = said.evidence
        assert evidence is not None and evidence.classes == (said.class_name,)
        assert evidence.probability == pytest.approx(said.probability, abs=1e-3)
        assert {each.classes for each in evidence.supporting} == {(said.class_name,)}
        right += said.class_name == images.class_names[image.labels[0]]
    assert right > len(asked) / 3  # of three classes; 4 or 5 of 9, by the processor's rounding
    first = images.labelled("train")[0]
    assert index_of(out).images[first.image_id] == IndexEntry("00.png", first.sha256, "dawn", ("dark", "wet"))
    assert str(first.path.parent) not in (out / INDEX_FILE).read_bytes().decode("latin-1")
    assert (out / INDEX_FILE).stat().st_mode == (out / "labels.txt").stat().st_mode  # as readable


def test_the_command_names_them_too(out: Path, images: Snapshot, capsys: pytest.CaptureFixture[str], monkeypatch):
    asked = images.labelled("test")[0]
    monkeypatch.setattr(sys, "argv", ["visionft", "predict", str(out), str(asked.path), "--json"])
    assert main() == 0
    (said,) = json.loads(capsys.readouterr().out)
    supporting = said["evidence"]["supporting"]
    assert supporting and {each["classes"][0] for each in supporting} == {said["class"]}
    assert all(each["name"].endswith(".png") for each in supporting)


def test_an_index_that_an_earlier_version_changed_predicts_in_place_of_the_model(out: Path, images: Snapshot):
    index = index_of(out)
    fewer = index.memory.among(np.arange(20))  # ten of blue, ten of green
    changed = dataclasses.replace(index, memory=fewer, removed=10)
    write_index(out / INDEX_FILE, changed)
    predictor, pixels = Predictor(out, device="cpu"), decode(images.labelled("test")[0].path)[None]
    assert predictor.index is not None and (predictor.index.removed, len(predictor.index.memory)) == (10, 20)
    said = predictor.probabilities(pixels)
    assert said == pytest.approx(changed.probabilities(predictor.embeddings(pixels)), abs=1e-5)


def test_an_index_that_is_damaged_or_of_another_model_is_refused(out: Path):
    write_index(out / INDEX_FILE, dataclasses.replace(index_of(out), model="0" * 64))
    with pytest.raises(ExportError, match=INDEX_FILE):
        Predictor(out)
    (out / INDEX_FILE).write_bytes(b"\0" * 20)
    with pytest.raises(ExportError, match=INDEX_FILE):
        Predictor(out)
    (out / INDEX_FILE).unlink()
    assert Predictor(out).index is None
    with pytest.raises(ExportError):
        Predictor(out).embeddings(np.zeros((1, 8, 8, 3), np.uint8))


def test_the_script_beside_it_needs_nothing_and_says_the_same(out: Path, images: Snapshot):
    asked = images.labelled("test")[0].path
    (expected,) = Predictor(out, device="cpu").predict([asked])
    assert expected.evidence is not None
    done = subprocess.run(
        [sys.executable, "-I", out / "predict.py", asked], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert f"{expected.probability:7.2%}  {expected.class_name}" in done.stdout
    nearest = expected.evidence.supporting[0]
    assert f"{nearest.similarity:.2f}  blue  {index_of(out).images[nearest.image_id].name}" in done.stdout
    assert "against" in done.stdout
