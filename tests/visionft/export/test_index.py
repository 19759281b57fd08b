"""Export of a run with a retrieval index: one verified file, the images beside it, more of them without training."""

import dataclasses
import json
import shutil
import subprocess
import sys
import unicodedata
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
from visionft.export.index_editing import change_index, with_images
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


def test_images_that_are_added_answer_from_then_on(out: Path, images: Snapshot):
    index = index_of(out)
    width = index.memory.rows.shape[1]
    random = np.random.default_rng(0)
    place = np.linalg.svd(index.memory.rows)[2][-1]  # where no image is
    near = place + random.normal(0, (0.35 / width) ** 0.5, (60, width))  # and each is one of its own
    near /= np.linalg.norm(near, axis=1, keepdims=True)
    grown = with_images(index, near[1:], [2] * 59, [IndexEntry(f"{n}.png", str(n)) for n in range(59)])
    before, after = (each.probabilities(near[:1])[0] for each in (index, grown))
    assert after.argmax() == 2 and after[2] > before[2]
    write_index(out / INDEX_FILE, grown)
    predictor, pixels = Predictor(out, device="cpu"), decode(images.labelled("test")[0].path)[None]
    assert predictor.index is not None and (predictor.index.added, len(predictor.index.memory)) == (59, 89)
    said = predictor.probabilities(pixels)
    assert said == pytest.approx(grown.probabilities(predictor.embeddings(pixels)), abs=1e-5)


def test_a_folder_of_images_is_added(out: Path, images: Snapshot, tmp_path: Path):
    held = change_index(Predictor(out))
    assert held.per_class == {"blue": 10, "grün": 10, "red": 10} and held.images == 30
    folder, asked = tmp_path / "more", images.labelled("test")
    for image in (*asked[:2], *asked[3:5]):
        class_name = unicodedata.normalize("NFD", images.class_names[image.labels[0]])  # as macOS may write it
        target = folder / class_name / f"{image.image_id}.png"
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(image.path, target)
    (folder / "mauve").mkdir()
    shutil.copy(asked[0].path, folder / "mauve" / "odd.png")
    (folder / "blue" / "broken.png").write_bytes(b"")
    held = change_index(Predictor(out), folder)
    assert (held.added, held.known, held.images) == (4, 0, 34)
    assert {Path(path).name for path, _ in held.left_out} == {"odd.png", "broken.png"}
    assert change_index(Predictor(out), folder).known == 4
    (said,) = Predictor(out).predict([asked[0].path])
    assert said.evidence is not None and len(said.evidence.doubles) == 1
    assert index_of(out).images[said.evidence.doubles[0].image_id].name == f"{asked[0].image_id}.png"
    with pytest.raises(ExportError, match="mauve"):
        change_index(Predictor(out), folder / "mauve")


def test_images_that_are_removed_have_no_say_any_more(out: Path, images: Snapshot, tmp_path: Path, capsys, monkeypatch):
    asked = images.labelled("test")[0]
    (before,) = Predictor(out).predict([asked.path])
    folder = tmp_path / "more" / "red"
    folder.mkdir(parents=True)
    shutil.copy(asked.path, folder / "unlike-any.png")
    assert change_index(Predictor(out), folder.parent).per_class["red"] == 11
    (again,) = Predictor(out).predict([asked.path])
    assert again.evidence is not None and len(again.evidence.doubles) == 1
    (folder / "unlike-any.png").rename(tmp_path / "renamed.png")  # it is found by its content
    capsys.readouterr()
    command = ["visionft", "model", "index", str(out), "--remove", str(tmp_path / "renamed.png"), "--json"]
    monkeypatch.setattr(sys, "argv", command)
    assert main() == 0
    held = json.loads(capsys.readouterr().out)
    assert (held["removed"], held["images"], held["per_class"]["red"]) == (1, 30, 10)
    (after,) = Predictor(out).predict([asked.path])
    assert after.evidence is not None and not after.evidence.doubles
    assert after.probability == pytest.approx(before.probability, abs=1e-6)


def test_what_cannot_be_removed_changes_nothing(out: Path):
    index = index_of(out)
    names = [each.name for each in index.images.values()]
    once = dataclasses.replace(next(iter(index.images.values())), name="once.png")
    first = next(iter(index.images))
    write_index(out / INDEX_FILE, dataclasses.replace(index, images={**index.images, first: once}))
    before = (out / INDEX_FILE).read_bytes()
    for name in ("no.png", names[-1], str(out / "labels.txt")):
        with pytest.raises(ExportError, match=name):
            change_index(Predictor(out), remove=["once.png", name])
    assert (out / INDEX_FILE).read_bytes() == before
    assert change_index(Predictor(out), remove=["once.png"]).removed == 1


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
