"""The command line as its user meets it: JSON, exit codes, one clear line for each mistake, nothing touched."""

import hashlib
import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from models.catalog import DEFAULT_BACKBONE

TINY = ["--set", "weights=random", "--set", "image_size=32", "--set", "batch_size=8", "--device", "cpu"]


def tree_hash(folder: Path) -> str:
    parts = [
        (str(p.relative_to(folder)), p.stat().st_mtime_ns, p.stat().st_mode, p.read_bytes() if p.is_file() else b"")
        for p in sorted(folder.rglob("*"))
    ]
    return hashlib.sha256(repr(parts).encode()).hexdigest()


def test_the_whole_path_in_json(run, picture_folder: Path, tmp_path: Path) -> None:
    before = tree_hash(picture_folder)
    project, out = tmp_path / "project", tmp_path / "out"

    def value(*arguments: object):
        code, stdout, stderr = run(*arguments, "--json")
        assert code == 0, stderr
        return json.loads(stdout)

    assert value("new", project)["task"] == "single"
    imported = value("import", project, picture_folder)
    assert imported["added"] == 48 and imported["classes"] == {"blue": 16, "green": 16, "red": 16}
    assert imported["duplicates"] == imported["unreadable"] == imported["skipped"] == []
    assert value("split", project)["splits"]["train"] == 33 or value("info", project)["splits"]["train"] > 30
    trained = value("train", project, "--backbone", "test_resnet", "--method", "lora", "--epochs", 2, *TINY)
    told = {"run", "best", "seconds", "stopped", "left_out", "trainable_parameters", "total_parameters"}
    assert set(trained) == told
    assert set(trained["best"]) == {"epoch", "val_loss", "top1"} and not trained["stopped"]
    (listed,) = value("runs", project)
    assert listed["run"] == trained["run"] and listed["state"] == "finished"
    evaluated = value("evaluate", project, trained["run"], "--split", "test")
    assert {"images", "top1", "balanced_accuracy", "per_class", "confusion"} <= set(evaluated)
    exported = value("export", project, "1", out)
    assert set(exported["parity"]) == {"images", "max_abs_diff", "max_distance_diff", "top1_agreement", "batches"}
    assert exported["bytes"] == Path(exported["model"]).stat().st_size
    (tmp_path / "bad.png").write_bytes(b"no picture")
    good, bad = value(
        "predict", out, picture_folder / "red" / "00.png", tmp_path / "bad.png", "--csv", tmp_path / "p.csv"
    )
    assert set(good) == {"path", "class", "probability", "distance", "unlike", "top5"} and set(bad) == {"path", "error"}
    assert (tmp_path / "p.csv").read_text().count("\n") == 3
    info = value("info", project)
    assert {"task", "images", "labelled", "classes", "splits", "runs"} <= set(info) and info["runs"] == [trained["run"]]
    assert tree_hash(picture_folder) == before


def test_label_creates_the_class_and_names_what_is_missing(run, picture_folder: Path, tmp_path: Path) -> None:
    run("new", tmp_path / "p")
    run("import", tmp_path / "p", picture_folder)
    picture = picture_folder / "red" / "00.png"
    assert run("label", tmp_path / "p", "violet", picture)[0] == 0
    info = json.loads(run("info", tmp_path / "p", "--json")[1])
    assert info["classes"]["violet"] == 1 and info["classes"]["red"] == 15
    code, _, stderr = run("label", tmp_path / "p", "violet", tmp_path / "nowhere.png")
    assert code == 2 and "nowhere.png" in stderr


@pytest.fixture
def project(run, picture_folder: Path, tmp_path: Path) -> Path:
    """Return a project with pictures and splits."""
    run("new", tmp_path / "project")
    run("import", tmp_path / "project", picture_folder)
    run("split", tmp_path / "project")
    return tmp_path / "project"


def mistakes(project: Path) -> list[tuple[list[object], str]]:
    train = ["train", project, "--backbone", "test_resnet", "--method", "lora", *TINY]
    return [
        (["info", project / "nowhere"], "does not exist"),
        (["new", project / "project.db"], "is a file"),
        (["new", project], "already"),
        (["import", project, project.parent / "nothing"], "nothing"),
        (["train", project, "--backbone", "vgg", "--method", "lora"], "'vgg'"),
        (["train", project, "--backbone", "test_resnet", "--method", "dream"], "'dream'"),
        (["train", project, "--backbone", "test_resnet", "--method", "prefix"], "no attention"),
        (["train", project, "--method", "lora"], "What to train is not said"),
        ([*train, "--epochs", "0"], "epochs: must be at least 1"),
        ([*train, "--set", "lora.rank=many"], "lora.rank: must be a whole number"),
        ([*train, "--set", "weights=/nowhere.pth"], "no file /nowhere.pth"),
        (["evaluate", project, "7"], "no run '7'"),
        (["evaluate", project, "7", "--split", "train"], "no run '7'"),
        (["export", project, "7", project.parent / "out"], "no run '7'"),
        (["predict", project.parent / "out", "a.png"], "no model"),
        (["methods", "--backbone", "vgg"], "no backbone 'vgg'"),
        (["split", project, "--val", "0.9", "--test", "0.9"], "leave nothing to train on"),
        (["dance"], "dance"),
    ]


def test_each_mistake_is_one_clear_line_and_exit_2(run, project: Path) -> None:
    before = {path: path.stat().st_size for path in project.rglob("*") if "project.db" not in path.name}
    for arguments, expected in mistakes(project):
        code, stdout, stderr = run(*arguments)
        assert code == 2, (arguments, stderr)
        assert expected in stderr and "Traceback" not in stderr and not stdout, (arguments, stderr)
    assert {path: path.stat().st_size for path in project.rglob("*") if "project.db" not in path.name} == before
    assert not (project.parent / "out").exists()


def test_what_needs_no_training_needs_no_backbone_to_be_named(run, project: Path) -> None:
    code, stdout, stderr = run("train", project, "--method", "prototype", "--json")
    assert code == 0, stderr
    assert json.loads(stdout)["run"] == f"001-{DEFAULT_BACKBONE}-prototype"


@pytest.mark.parametrize("folders", [{}, {"only": 3}, {"a": 1, "b": 1}, {"a": 9, "b": 1}])
def test_too_few_pictures_are_refused_with_the_next_step(folders, run, picture_folder: Path, tmp_path: Path) -> None:
    source = tmp_path / "few"
    source.mkdir()
    pictures = iter(sorted(picture_folder.rglob("*.png")))
    for name, count in folders.items():
        (source / name).mkdir()
        for number in range(count):
            (source / name / f"{number}.png").write_bytes(next(pictures).read_bytes())
    run("new", tmp_path / "p")
    codes = [run("import", tmp_path / "p", source), run("split", tmp_path / "p")]
    codes.append(run("train", tmp_path / "p", "--backbone", "test_resnet", "--method", "linear", *TINY))
    failed = [result for result in codes if result[0]]
    assert failed and all(code == 2 for code, _, _ in failed)
    for _, _, stderr in failed:
        said = stderr.strip().splitlines()
        assert len(said) == 2 or (len(said) == 3 and said[2].startswith("  Next: visionft ")), stderr
    assert not list((tmp_path / "p" / "runs").iterdir())


def test_weights_that_are_not_there_are_never_silently_random(run, project: Path) -> None:
    code, _, stderr = run("train", project, "--backbone", "resnet18", "--method", "linear", "--device", "cpu")
    assert code == 2 and "not on this computer" in stderr and "random weights" in stderr
    assert not list((project / "runs").iterdir())


def test_a_bug_is_exit_1_with_its_traceback(run, project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from visionft.project.store import Project

    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr(Project, "summary", broken)
    assert run("info", project)[0] == 1


def test_the_first_ctrl_c_keeps_a_checkpoint(project: Path) -> None:
    command = [sys.executable, "-m", "visionft", "train", str(project), "--backbone", "test_resnet", "--method", "full"]
    process = subprocess.Popen(
        [*command, *TINY, "--epochs", "1000", "--json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    runs = project / "runs"
    deadline = time.monotonic() + 120
    while not list(runs.glob("*/best/manifest.json")) and time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate(timeout=120)
    assert process.returncode == 130, stderr
    result = json.loads(stdout)
    assert result["stopped"] and result["best"] and (runs / result["run"] / "last" / "manifest.json").exists()


def test_help_and_version_load_no_torch() -> None:
    code = (
        "import sys; sys.argv = ['', 'backbones']; from visionft.cli import main; main(); print('torch' in sys.modules)"
    )
    output = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert output.strip().endswith("False")


def test_a_preset_and_an_estimate_need_no_other_word(run, picture_folder: Path, tmp_path: Path) -> None:
    project = tmp_path / "project"
    for arguments in (("new", project), ("import", project, picture_folder), ("split", project)):
        assert run(*arguments)[0] == 0
    tiny = ["--backbone", "test_resnet", *TINY, "--preset", "quick"]
    code, stdout, stderr = run("train", project, *tiny, "--estimate", "--json")
    assert code == 0, stderr
    found = json.loads(stdout)
    assert found["method"] == "linear" and found["seconds"] > 0 and found["memory_mb"] > 0
    assert not (project / "runs").exists() or not list((project / "runs").iterdir())
    code, stdout, stderr = run("train", project, *tiny, "--epochs", 2, "--json")
    assert code == 0 and "linear" in json.loads(stdout)["run"], stderr
    code, _, stderr = run("train", project, "--preset", "fastest")
    assert code == 2 and "fastest" in stderr and "balanced" in stderr
