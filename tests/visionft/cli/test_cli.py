"""The command line as its user meets it: JSON, exit codes, one clear line for each mistake, nothing touched."""

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest


def tree_hash(folder: Path) -> str:
    parts = [
        (str(p.relative_to(folder)), p.stat().st_mtime_ns, p.stat().st_mode, p.read_bytes() if p.is_file() else b"")
        for p in sorted(folder.rglob("*"))
    ]
    return hashlib.sha256(repr(parts).encode()).hexdigest()


def test_the_whole_path_in_json(value, tiny: list[str], image_folder: Path, tmp_path: Path) -> None:
    before = tree_hash(image_folder)
    project, out = tmp_path / "project", tmp_path / "out"
    assert value("project", "new", project)["task"] == "single"
    imported = value("import", project, image_folder)
    assert imported["added"] == 48 and imported["classes"] == {"blue": 16, "green": 16, "red": 16}
    assert imported["duplicates"] == imported["unreadable"] == imported["skipped"] == []
    assert value("split", project)["splits"]["train"] > 30
    trained = value("train", project, "--backbone", "test_resnet", "--method", "lora", "--epochs", 2, *tiny)
    assert trained["best"]["epoch"] in (0, 1, 2) and not trained["stopped"]  # the keys: as it declares
    (listed,) = value("run", "list", project)
    assert listed["run"] == trained["run"] and listed["state"] == "finished"
    evaluated = value("evaluate", project, trained["run"], "--split", "test")
    assert trained["test"]["top1"] == evaluated["top1"] and trained["test"]["images"] == evaluated["images"]
    assert trained["unseen"] == listed["unseen"] == trained["test"] and listed["unseen"]["split"] == "test"
    exported = value("model", "export", project, "1", out)
    assert exported["bytes"] == Path(exported["model"]).stat().st_size
    (tmp_path / "bad.png").write_bytes(b"no image")
    good, bad = value(
        "predict", out, image_folder / "red" / "00.png", tmp_path / "bad.png", "--csv", tmp_path / "p.csv"
    )
    assert good["class"] and good["top5"] and not good["error"] and bad["error"]
    assert (tmp_path / "p.csv").read_text().count("\n") == 3
    assert value("project", "info", project)["runs"] == [trained["run"]]
    assert tree_hash(image_folder) == before


@pytest.mark.slow
def test_training_divides_images_without_a_split(value, run, tiny: list[str], image_folder: Path, tmp_path) -> None:
    project = tmp_path / "project"
    value("project", "new", project)
    value("import", project, image_folder)
    train = ["train", project, "--backbone", "test_resnet", "--method", "linear", *tiny]
    value(*train, "--estimate")
    assert run("train", project, "--backbone", "vgg")[0] == 2
    assert value("project", "info", project)["splits"]["unassigned"] == 48  # nothing was to be trained
    assert value(*train)["test"]["images"] > 3
    splits = value("project", "info", project)["splits"]
    assert splits["train"] > 30 and splits["val"] > 3 and splits["test"] > 3 and splits["unassigned"] == 0


def test_each_mistake_is_one_clear_line_and_exit_2(refused, tiny: list[str], project: Path) -> None:
    train = ["train", project, "--backbone", "test_resnet", "--method", "lora", *tiny]
    mistakes = [
        (["project", "info", project / "nowhere"], "nowhere"),
        (["project", "new", project / "project.db"], "project.db"),
        (["project", "new", project], str(project)),
        (["import", project, project.parent / "nothing"], "nothing"),
        (["train", project, "--backbone", "vgg", "--method", "lora"], "'vgg'"),
        (["train", project, "--backbone", "test_resnet", "--method", "dream"], "'dream'"),
        (["train", project, "--backbone", "test_resnet", "--method", "prefix"], "test_resnet"),
        (["train", project, "--preset", "fastest"], "fastest"),
        (["train", project, "--backbone", "resnet18", "--method", "linear", "--device", "cpu"], "resnet18"),  # no file
        ([*train, "--epochs", "0"], "epochs: "),
        ([*train, "--set", "lora.rank=many"], "lora.rank: "),
        ([*train, "--set", "weights=/nowhere.pth"], "/nowhere.pth"),
        (["evaluate", project, "7"], "'7'"),
        (["evaluate", project, "7", "--split", "train"], "'7'"),
        (["model", "export", project, "7", project.parent / "out"], "'7'"),
        (["predict", project.parent / "out", "a.png"], str(project.parent / "out")),
        (["split", project, "--val", "0.9", "--test", "0.9"], ""),
        (["label", "set", project, "violet", project / "nowhere.png"], "nowhere.png"),
        (["dance"], "dance"),
    ]
    before = {path: path.stat().st_size for path in project.rglob("*") if "project.db" not in path.name}
    for arguments, expected in mistakes:
        assert expected in refused(*arguments)
    assert {path: path.stat().st_size for path in project.rglob("*") if "project.db" not in path.name} == before
    assert not (project.parent / "out").exists()


@pytest.mark.parametrize("folders", [{}, {"only": 3}, {"a": 1, "b": 1}, {"a": 9, "b": 1}])
def test_too_few_images_are_refused_with_the_next_step(folders, run, tiny, image_folder: Path, tmp_path: Path) -> None:
    source = tmp_path / "few"
    source.mkdir()
    images = iter(sorted(image_folder.rglob("*.png")))
    for name, count in folders.items():
        (source / name).mkdir()
        for number in range(count):
            (source / name / f"{number}.png").write_bytes(next(images).read_bytes())
    run("project", "new", tmp_path / "p")
    codes = [run("import", tmp_path / "p", source), run("split", tmp_path / "p")]
    codes.append(run("train", tmp_path / "p", "--backbone", "test_resnet", "--method", "linear", *tiny))
    failed = [result for result in codes if result[0]]
    assert failed and all(code == 2 for code, _, _ in failed)
    for _, _, stderr in failed:
        _, _, *step = stderr.strip().splitlines()
        assert not step or (len(step) == 1 and step[0].startswith("  Next: visionft ")), stderr
    assert not list((tmp_path / "p" / "runs").iterdir())


def test_a_bug_is_exit_1_with_its_traceback(run, project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from visionft.project.store import ProjectStore

    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr(ProjectStore, "summary", broken)
    assert run("project", "info", project)[0] == 1


@pytest.mark.slow
@pytest.mark.parametrize(("number", "expected"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_stop_signal_to_the_group_keeps_the_best(project, tiny, number: signal.Signals, expected: int) -> None:
    command = [sys.executable, "-m", "visionft", "train", str(project), "--backbone", "test_resnet", "--method", "full"]
    process = subprocess.Popen(
        [*command, *tiny, "--set", "workers=1", "--epochs", "1000", "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    runs = project / "runs"
    deadline = time.monotonic() + 120
    while not list(runs.glob("*/best/manifest.json")) and time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.05)
    os.killpg(process.pid, number)
    stdout, stderr = process.communicate(timeout=120)
    assert process.returncode == expected, stderr
    result = json.loads(stdout)
    assert result["stopped"] and result["best"] and (runs / result["run"] / "last" / "manifest.json").exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stop_before_the_run_has_a_folder_is_told(run, project, tiny, monkeypatch, number: signal.Signals) -> None:
    from visionft.training.evaluation import trained_run

    def stopped(*inputs: Any, **options: Any) -> Any:
        os.kill(os.getpid(), number)
        return train(*inputs, **options)

    train = trained_run.train
    monkeypatch.setattr(trained_run, "train", stopped)
    command = ["train", project, "--backbone", "test_resnet", "--method", "linear", *tiny]
    code, stdout, _ = run(*command, "--json")
    told = json.loads(stdout)
    assert code == 128 + number and told["stopped"] and told["best"] is None and told["run"].startswith("001-")
    code, stdout, _ = run(*command)
    assert code == 128 + number and told["run"] in stdout
    assert not list((project / "runs").glob("*"))


def test_ctrl_c_while_the_program_loads_leaves_no_traceback() -> None:
    code = (
        "import os, signal, sys\nsignal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "from visionft.__main__ import main\n"
        "class Sender:\n    def find_spec(self, name, *_):\n"
        "        if name == 'visionft.cli': os.kill(os.getpid(), signal.SIGINT)\n"
        "sys.meta_path.insert(0, Sender())\nsys.exit(main())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 130 and len(done.stderr.splitlines()) == 1


def test_a_preset_and_an_estimate_need_no_other_word(value, tiny: list[str], project: Path) -> None:
    quick = ["train", project, "--backbone", "test_resnet", *tiny, "--preset", "quick"]
    found = value(*quick, "--estimate")
    assert found["method"] == "linear"
    assert found["estimate"]["seconds"] > 0 and found["estimate"]["memory_mb"] > 0
    assert not list((project / "runs").iterdir())
    assert "linear" in value(*quick, "--epochs", 2)["run"]
