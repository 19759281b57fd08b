"""The Python interface: a project, a run and a model, and that it is the program's own."""

import ast
import os
import re
import shutil
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from PIL import Image

import visionft
import visionft.api
from models.catalog import DEFAULT_BACKBONE
from visionft.analysis.check import Check, CheckResult, Issue
from visionft.analysis.scan import CHECKS
from visionft.api import console
from visionft.api.console import ProgressLine, running_job
from visionft.api.python_steps import CALLS, call_for
from visionft.cli.demo import EPOCHS, demo_config
from visionft.core.errors import (
    Action,
    ConfigError,
    ExportError,
    ImageError,
    NextStep,
    ProjectError,
    RunError,
    VisionFTError,
    WeightsError,
)
from visionft.core.events import EpochDone, Progress
from visionft.core.jobs import JobCancelled, JobContext
from visionft.project.edits.changes import AssignSplits
from visionft.training.run_settings import run_settings

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "python.md"
TINY = {"backbone": "test_resnet", "weights": "random", "image_size": 32, "framing": "centre", "workers": 0}


class First(Check):
    """Flags the first two images."""

    name, title, summary = "first", "First images", "The images that came first."

    def find_issues(self, inputs):
        images = sorted(inputs.images.images, key=lambda image: image.image_id)[:2]
        issues = tuple(
            Issue(image_id=each.image_id, sha256=each.sha256, score=1, kind="first", reason="It came first.")
            for each in images
        )
        return CheckResult(check=self.name, issues=issues, threshold=0.5, checked=len(inputs.images.images))


@pytest.fixture(scope="module")
def project(tmp_path_factory, image_folder):
    """Return a project of `image_folder` with a run."""
    with visionft.create(tmp_path_factory.mktemp("api") / "birds") as project:
        project.add(image_folder)
        project.train("quick", callback=lambda _event: None, **TINY)
        yield project


@pytest.fixture
def own(tmp_path, image_folder):
    """Return a project of `image_folder` for this test alone."""
    with visionft.create(str(tmp_path / "own")) as project:
        project.add(str(image_folder))
        yield project


@pytest.fixture(scope="module")
def model(project, tmp_path_factory):
    return project.runs[0].export(tmp_path_factory.mktemp("out") / "model", callback=lambda _event: None)


def test_the_import_loads_neither_torch_nor_qt(tmp_path):
    code = """
import sys, visionft
assert "visionft.api" not in sys.modules and visionft.__version__
assert set(visionft.__all__) <= set(dir(visionft))
project = visionft.create("p")
project.images, project.classes, visionft.load, visionft.open
heavy = {"torch", "timm", "peft", "accelerate", "onnx", "onnxruntime", "PySide6", "typer"} & set(sys.modules)
assert not heavy, heavy
try:
    visionft.nonsense
except AttributeError as error:
    print(error)
"""
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", code]
    found = subprocess.run(command, check=False, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert found.returncode == 0, found.stderr
    assert "nonsense" in found.stdout


def test_type_checkers_see_the_names_that_there_are():
    stub = ast.parse((ROOT / "visionft" / "__init__.pyi").read_text(encoding="utf-8"))
    imports = [node for node in stub.body if isinstance(node, ast.ImportFrom)]
    names = {alias.asname: alias.name for node in imports for alias in node.names}
    assert {*names, "__version__"} == set(visionft.__all__)
    assert all(getattr(visionft, name) is getattr(visionft.api, there) for name, there in names.items())


def test_adding_says_what_was_read_and_left_out(tmp_path, image_folder):
    source = tmp_path / "source"
    source.mkdir()
    for name in ("blue", "red"):
        (source / name).symlink_to(image_folder / name)
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "no.png").write_bytes(b"no image")
    with visionft.create(tmp_path / "p") as project:
        report = project.add(image_folder)
        assert report.added == 48 and report.classes == {"blue": 16, "green": 16, "red": 16}
        assert report.to_dict()["classes"] == report.classes
        assert len(project.add(image_folder).duplicates) == 48
        with pytest.raises(VisionFTError, match="Nothing was imported"):
            project.add(tmp_path / "broken")
        with pytest.raises(VisionFTError, match="label_column and without_labels contradict"):
            project.add(image_folder, label_column="species", without_labels=True)
        assert repr(project).endswith("48 images, 48 labelled, 3 classes)")


def test_labels_are_steps_that_can_be_undone(own, image_folder):
    ids = own.images["image_id"][:2]
    assert own.label(ids, "wren") == 2 and own.classes["wren"] == 2
    assert own.label(image_folder / "red" / "00.png", "wren") == 1
    assert own.label(np.array(ids[:1]), "blue") == 1  # as pandas gives ids
    assert own.undo() and own.undo() and own.undo() and "wren" not in own.classes
    assert own.redo() and own.classes["wren"] == 2
    table = own.labels
    assert len(table["image_id"]) == len(table["label"]) == 48 and table["label"].count("wren") == 2
    assert {len(column) for column in own.images.values()} == {48}
    with pytest.raises(ProjectError, match="no image 999") as caught:
        own.label(999, "wren")
    assert caught.value.__notes__ == ["Next: project.add('FILE_OR_FOLDER')"]


def test_the_settings_are_those_of_the_command_line_and_the_demonstration(own):
    own.split()
    images = own.snapshot()
    quick = own.settings("quick")
    assert quick == run_settings(images, own.path, {}, preset="quick")
    balanced = own.settings("balanced")
    fixed = {"framing": "centre", "try_networks": False, "epochs": EPOCHS}
    assert demo_config(images, own.path) == replace(balanced, **fixed)
    given = {"backbone": "starter_resnet", "method": "lora"}
    expected = run_settings(
        images, own.path, given, ["lora.rank=2", "epochs=3", "try_networks=false"], preset="balanced"
    )
    assert own.settings("balanced", **given, lora={"rank": 2}, epochs=3, try_networks=False) == expected
    assert own.settings(method="linear") == run_settings(
        images, own.path, {"method": "linear", "backbone": DEFAULT_BACKBONE}
    )
    with pytest.raises(ConfigError, match="no such setting") as caught:
        own.settings("quick", nonsense=1)
    assert caught.value.__notes__ == ['Next: project.settings("balanced")']


@pytest.mark.slow
def test_a_run_is_evaluated_and_its_mistakes_and_history_are_tables(project):
    run = project.run(1)
    assert run.name == project.runs[0].name and not run.is_stopped and "validation accuracy" in repr(run)
    assert {"train", "val", "test"} == set(project.images["split"])  # divided by `train`
    evaluation = run.evaluate("test", callback=lambda _event: None)
    assert evaluation.accuracy == evaluation.top1 == evaluation.to_dict()["top1"]
    wrong = run.mistakes("test")
    assert len(wrong["path"]) == round((1 - evaluation.accuracy) * evaluation.images)
    assert all(label != predicted for label, predicted in zip(wrong["label"], wrong["predicted"], strict=True))
    assert len(run.history["epoch"]) == len(run.history["val_accuracy"]) >= 1
    with pytest.raises(VisionFTError, match="train"):
        run.evaluate("train")
    with pytest.raises(RunError, match="no run"):
        project.run("nonsense")


def test_mistakes_are_true_of_the_labels_as_they_are_now(own):
    run = own.train("quick", callback=print, **TINY)
    images = own.images
    tests = [
        (id_, name)
        for id_, name, split in zip(*(images[c] for c in ("image_id", "label", "split")), strict=True)
        if split == "test"
    ]
    wrong = set(run.mistakes(callback=print)["image_id"])
    image_id, label = next(each for each in tests if each[0] not in wrong)
    own.label(image_id, "green" if label != "green" else "red")  # not evaluated anew by the caller
    now = run.mistakes(callback=print)
    assert set(now["image_id"]) == wrong | {image_id}
    assert now["label"][now["image_id"].index(image_id)] != label == now["predicted"][now["image_id"].index(image_id)]
    own.undo()
    assert set(run.mistakes(callback=print)["image_id"]) == wrong
    own.label(image_id, "a class that the run does not know")
    assert image_id not in run.mistakes(callback=print)["image_id"]


@pytest.mark.slow
def test_mistakes_of_a_run_that_follows_the_labels_are_of_now(own):
    run = own.train(method="knn", callback=print, **TINY)
    images = own.images
    of_split = {
        split: [each for each, name in zip(images["image_id"], images["split"], strict=True) if name == split]
        for split in ("train", "test")
    }

    def evaluated() -> bool:
        seen = []
        run.mistakes(callback=seen.append)
        return bool(seen)

    assert not evaluated()
    own.label(of_split["train"][0], "a new class")
    assert evaluated() and not evaluated()
    own.label(of_split["test"][0], "a new class")
    assert evaluated() and not evaluated() and of_split["test"][0] in run.mistakes(callback=print)["image_id"]
    own.label(of_split["test"][0], "a class without training images")
    evaluated()
    assert not evaluated()


def test_a_stopped_run_is_resumed(own):
    seen = []
    epochs = {"method": "full", "epochs": 3, "patience": 0} | TINY
    stop = JobContext(seen.append, lambda: any(isinstance(each, EpochDone) for each in seen))
    run = own.train(callback=stop, **epochs)
    assert run.is_stopped and run.history["epoch"] == [0] and not run.evaluations
    assert run.resume(callback=seen.append) is run and not run.is_stopped
    assert run.history["epoch"] == [0, 1, 2, 3]
    assert set(run.evaluations) == {"val", "test"} and run.unseen.split == "test"
    with pytest.raises(RunError):
        run.resume(callback=seen.append)


def test_a_run_that_is_cancelled_before_it_has_a_folder_is_none(own):
    stop = JobContext(cancelled=lambda: True)
    for framing in ("auto", "centre"):
        with pytest.raises(JobCancelled):
            own.train(method="linear", callback=stop, **TINY | {"framing": framing})
    assert not own.runs and not list((own.path / "runs").glob("*"))


@pytest.mark.slow
def test_suggestions_label_what_is_sure(own, image_folder):
    (new := own.path.parent / "new").mkdir()
    for name in ("blue", "red"):
        with Image.open(image_folder / name / "00.png") as opened:
            opened.transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(new / f"{name}.png")
    own.add(new, without_labels=True, callback=print)
    found = own.suggest(callback=print)
    assert len(found["path"]) == len(found.suggestions) == 2 and found.accepted == found.unreadable == 0
    assert found["confidence"] == sorted(found["confidence"], reverse=True)
    assert [Path(path).stem for path in found["path"]] == found["label"]
    least = found["confidence"][-1]
    assert own.suggest(accept=least, callback=print).accepted == 2 and None not in own.images["label"]
    own.undo()
    assert own.images["label"].count(None) == 2


def test_a_run_predicts_as_its_export(project, model, image_folder, tmp_path):
    run = project.run(1)
    paths = [image_folder / name / "03.png" for name in ("blue", "green", "red")]
    pixels = np.array(Image.open(paths[0]))
    with Image.open(paths[1]) as opened:
        palette, large = opened.quantize(), opened.resize((90, 60))
    given = [*map(str, paths), pixels, np.full((30, 70, 3), 200, np.uint8), palette, large]
    loaded = visionft.load(model.path.parent)
    for mine, exported in zip(run.predict(given), loaded.predict(given), strict=True):
        assert mine.class_name == exported.class_name and mine.path == exported.path
        assert mine.probability == pytest.approx(exported.probability, abs=1e-3)
        assert mine.distance == pytest.approx(exported.distance, abs=1e-2)
    assert run.predict(pixels).top5 == run.predict(paths[0]).top5 == run.predict(Image.open(paths[0])).top5
    for one in (paths[1], str(paths[1]), palette, pixels):
        assert run.predict(one).class_name == loaded.predict(one).class_name
        assert run.predict([one])[0].probability == pytest.approx(loaded.predict(one).probability, abs=1e-3)
    assert len(run.predict(image_folder / "red")) == 16
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"no image")
    assert run.predict([broken])[0].error
    with pytest.raises(ImageError, match="broken"):
        run.predict(broken)
    for array in (pixels.astype(float), pixels[..., 0], pixels[None]):
        with pytest.raises(ImageError, match="no image"):
            loaded.predict(array)
    assert loaded.export.parity.is_equal and loaded.class_names == run.class_names
    assert loaded.predict(paths[0]).to_dict()["path"] == str(paths[0])


def test_an_export_names_targets_and_options(project, tmp_path):
    with pytest.raises(ExportError, match="moon"):
        project.run(1).export(tmp_path / "out", target="moon")
    with pytest.raises(VisionFTError, match="nonsense"):
        project.run(1).export(tmp_path / "out", nonsense=True)
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_a_share_and_a_kind_that_cannot_be_are_refused(own, monkeypatch):
    for share in (5, -0.1, float("nan")):
        for call in (
            lambda share: own.check("quality", threshold=share, callback=print),
            lambda share: own.keep_best(threshold=share, callback=print),
            lambda share: own.suggest(accept=share, callback=print),
        ):
            with pytest.raises(VisionFTError, match="share"):
                call(share)
    with pytest.raises(VisionFTError, match="share"):
        own.keep_best(threshold=0, callback=print)
    for name in ("quality", "duplicates", "leaks", "label-errors"):
        with pytest.raises(VisionFTError, match="blury") as caught:
            own.check(name, kind="blury", callback=print)
        assert all(kind in caught.value.hint for kind in CHECKS[name].kinds)
    assert not own.check("quality", kind="corrupt", callback=print)["path"]
    monkeypatch.setitem(CHECKS, First.name, First())  # it does not say which kinds it has
    assert not own.check("first", kind="second", callback=print)["path"]


def test_checks_and_suggestions_are_tables(own, monkeypatch):
    with pytest.raises(VisionFTError, match="There are .*label-errors"):
        own.check("nonsense")
    found = own.check("quality", threshold=0.0, callback=lambda _event: None)
    assert len({len(column) for column in found.values()}) == 1 and "reason" in found


@pytest.mark.slow
def test_a_time_ends_a_run_with_the_best_so_far(own, monkeypatch):
    began = time.monotonic()
    run = own.train(method="full", time=0.01, epochs=500, callback=lambda _event: None, **TINY)
    assert time.monotonic() - began < 60 and not run.is_stopped
    assert run.settings.epochs == 1 and run.summary.result.best.epoch == 0  # one look at each image is the least


@pytest.mark.slow
def test_a_project_is_cleaned_repaired_and_restored(tmp_path, image_folder):
    photos = tmp_path / "photos"
    shutil.copytree(image_folder, photos)
    for name in ("blue", "red"):
        with Image.open(photos / name / "00.png") as opened:
            opened.save(photos / name / "copy.png", compress_level=1)  # the same pixels in another file
    with visionft.create(tmp_path / "p") as project:
        project.add(photos, callback=print)
        table = project.images
        copies = [id_ for id_, path in zip(table["image_id"], table["path"], strict=True) if path.endswith("copy.png")]
        splits = {id_: "test" if id_ in copies else "train" for id_ in table["image_id"]}
        project.apply(AssignSplits(splits))
        assert project.mend_leaks(sure=True, callback=print) == 2 and project.mend_leaks(callback=print) == 0
        assert project.keep_best(sure=True, callback=print) == 2 and len(project.images["path"]) == 48
        project.undo()
        assert len(project.images["path"]) == 50
        moved = photos.rename(tmp_path / "elsewhere")
        assert len(project.repair(callback=print).missing) == 50
        assert project.relink(moved, callback=print).relinked == 50 and not project.repair(callback=print).missing
        backup = project.back_up()
        project.label(copies, "changed")
        with pytest.raises(ProjectError):
            visionft.restore(project.path)  # it is open
    with visionft.restore(str(tmp_path / "p"), backup.name) as project:
        assert "changed" not in project.classes and len(project.images["path"]) == 50


def test_runs_are_combined(project):
    other = project.train(method="prototype", callback=print, **TINY)
    found = project.combine([1, other.name], title="Both", callback=print)
    assert {each.run for each in found.parts} <= {project.run(1).name, other.name}
    assert project.run(found.run).summary.title == "Both" and project.run(found.run).predict(project.images["path"][0])
    with pytest.raises(RunError) as caught:
        project.combine([1, 1], callback=print)
    assert caught.value.__notes__ == ["Next: project.combine([1, 2])"]


def test_weights_are_fetched_and_imported(tmp_path):
    assert visionft.fetch_weights("starter_resnet", callback=print).is_file()  # comes with the program
    with pytest.raises(WeightsError):
        visionft.import_weights(tmp_path / "none.pth", callback=print)


def test_every_action_has_words_in_python():
    assert set(CALLS) == set(get_args(Action))
    for action in get_args(Action):
        words = call_for(NextStep(action, requirement="timm>=1"))
        assert "{" not in words.replace('{"', ""), words
        if not words.startswith(("in a terminal", "%pip", "del ")):
            ast.parse(words)
            for owner, name in re.findall(r"\b(project|visionft)\.(\w+)", words):
                assert hasattr(visionft.Project if owner == "project" else visionft, name), words
    assert call_for(NextStep("evaluate", run="003", split="test")) == "project.run('003').evaluate('test')"


def test_errors_name_the_next_step_in_python(tmp_path):
    with pytest.raises(ProjectError) as caught:
        visionft.open(tmp_path / "nowhere")
    assert caught.value.__notes__ == [f"Next: project = visionft.create({str(tmp_path / 'nowhere')!r})"]
    with visionft.create(tmp_path / "empty") as project:
        with pytest.raises(VisionFTError) as caught:
            project.train("quick")
        assert caught.value.__notes__ == [f"Next: {call_for(caught.value.next_step)}"]
        with pytest.raises(RunError) as none:
            project.run(1)
        assert none.value.__notes__ == ['Next: run = project.train("balanced")']


def test_progress_is_a_line_that_is_rewritten(capsys, monkeypatch):
    monkeypatch.setattr(console, "EVENT_INTERVAL_S", 0.0)
    line = ProgressLine()
    line(Progress(stage="Import", done=1, total=2))
    line.close()
    assert re.fullmatch(r"\r 50%\|█{10} {10}\| Import 1/2 \[.*\]\r +\r", capsys.readouterr().err)


def test_an_interrupt_lets_a_job_end_well():
    with running_job() as job:
        assert not job.is_cancelled
        os.kill(os.getpid(), 2)
        assert job.is_cancelled
    with pytest.raises(KeyboardInterrupt), running_job():
        os.kill(os.getpid(), 2)
        os.kill(os.getpid(), 2)


def code_of_the_page() -> list[str]:
    return re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)


def test_the_page_names_what_there_is():
    owners = {"project": visionft.Project, "run": visionft.Run, "model": visionft.Model, "visionft": visionft}
    text = PAGE.read_text(encoding="utf-8")
    used = re.findall(r"\b(project|run|model|visionft)\.([a-z_]+)\(", text)
    assert len(code_of_the_page()) >= 5 and len(used) > 15
    assert not [f"{owner}.{name}" for owner, name in used if not hasattr(owners[owner], name)]


@pytest.mark.slow
def test_the_code_of_the_page_runs(photographs, tmp_path, monkeypatch, capsys):
    shutil.copytree(photographs, tmp_path / "photos")
    monkeypatch.chdir(tmp_path)
    scope: dict = {}
    for block in code_of_the_page():
        exec(compile(block, str(PAGE), "exec"), scope)
    assert (tmp_path / "waste-model" / "model.onnx").is_file()
    assert "Next: project = visionft.create('nowhere')" in capsys.readouterr().out
