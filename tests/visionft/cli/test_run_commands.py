"""Runs on the command line: organised, compared image by image, explained, and used for further training."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

FIRST = "001-test_resnet-lora"


@pytest.fixture
def trained(train, project: Path) -> Path:
    """Return a project with one trained run."""
    train(project, "lora", "--epochs", 1)
    return project


def test_runs_are_kept_compared_explained_and_trained_on_from(
    run, value, refused, train, trained: Path, image_folder: Path
) -> None:
    project = trained
    named = value("run", "list", project, 1, "--rename", "First light", "--pin")
    assert (named["run"], named["title"], named["pinned"]) == (FIRST, "First light", True)

    again = train(project, "lora", "--epochs", 1, "--set", f"start_from={FIRST}")
    listed = value("run", "list", project)
    assert [(each["run"], each["pinned"]) for each in listed] == [(FIRST, True), (again, False)]
    assert "* First light" in run("run", "list", project)[1]

    for stored in (project / "runs" / again).glob("eval*"):
        stored.unlink()
    assert "visionft evaluate" in refused("run", "compare", project, 1, 2)
    for number in (1, 2):
        evaluated = value("evaluate", project, number)
        assert evaluated["reliability"] and evaluated["ece_before"] >= 0
    compared = value("run", "compare", project, 1, 2)
    groups = [len(compared[name]) for name in ("fixed", "broken", "still_wrong")]
    assert sum(groups) + compared["both_right"] == compared["shared"] > 0
    assert f"{FIRST} to {again}" in run("run", "compare", project, 1, 2)[1]

    image, out = image_folder / "red" / "00.png", project.parent / "maps"
    (explained,) = value("run", "explain", project, 1, image, "--class", "blue", "--out", out)
    assert explained["class_name"] == "blue" and explained["method"] == "Grad-CAM"
    assert isinstance(explained["is_reliable"], bool) and len(explained["random_deletion"]) == 12
    with Image.open(explained["heat_map"]) as shown, Image.open(image) as original:
        assert shown.size == original.size
        assert not np.array_equal(np.asarray(shown), np.asarray(original.convert("RGB")))
    assert "'purple'" in refused("run", "explain", project, 1, image, "--class", "purple")

    lightened = value("run", "list", project, 1, "--delete-weights")
    assert lightened["freed_bytes"] > 0 and not lightened["weights"] and lightened["top1"] is not None
    for command, more in (("evaluate", ()), ("run explain", (image,)), ("model export", (out,))):
        assert "First light" in refused(*command.split(), project, 1, *more)


def test_mistakes_about_runs_are_one_clear_line(refused, tiny: list[str], trained: Path) -> None:
    start = ["train", trained, "--method", "lora", *tiny, "--epochs", 1, "--backbone"]
    for arguments, expected in (
        (["run", "list", trained, "--pin"], "RUN"),
        (["run", "list", trained, 9], "'9'"),
        (["run", "list", trained, 1, "--rename", "x" * 121], "120"),
        (["run", "compare", trained, 1, 9], "'9'"),
        (["run", "compare", trained, 1, 1, "--split", "train"], "'train'"),
        ([*start, "test_resnet", "--set", "start_from=9"], "'9'"),
        ([*start, "test_vit", "--set", "start_from=1"], "test_resnet"),
    ):
        assert expected in refused(*arguments)
    assert [path.name for path in (trained / "runs").iterdir()] == [FIRST]


def test_damaged_weights_are_told_of_by_every_command(run, value, refused, tiny, trained: Path, tmp_path: Path) -> None:
    assert value("run", "list", trained)[0]["faults"] == {}
    weights = trained / "runs" / FIRST / "best" / "model.safetensors"
    whole = weights.read_bytes()
    uses = (("evaluate", trained, 1), ("model", "export", trained, 1, tmp_path / "out"))

    weights.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))  # one bit: seen where every byte is read
    fault = value("run", "list", trained, 1)["faults"]["best"]
    assert fault in run("run", "list", trained, 1)[1]
    for command in uses:
        assert "model.safetensors" in refused(*command)

    weights.write_bytes(b"")  # as after a power cut: shown in the list as well
    fault = value("run", "list", trained)[0]["faults"]["best"]
    listed = run("run", "list", trained)[1]
    assert fault in listed and "  damaged\n" in listed
    start = ("train", trained, "--backbone", "test_resnet", "--method", "lora", *tiny, "--set", "start_from=1")
    for command in (*uses, start):
        assert "best: model.safetensors" in refused(*command)
    (trained / "runs" / FIRST / "classes.json").write_text("[")
    code, stdout, _ = run("run", "list", trained)
    assert code == 0 and FIRST in stdout


def test_a_run_without_epochs_tells_of_none(run, value, tiny, project: Path, tmp_path: Path) -> None:
    code, stdout, stderr = run("train", project, "--backbone", "test_resnet", "--method", "linear", *tiny)
    assert code == 0, stderr
    assert "solved" in stderr and "epoch 0" not in stdout + stderr and "-linear: " in stdout
    listed = value("run", "list", project)[-1]
    assert listed["epochs"] is None and listed["top1"] is not None
    assert run("model", "export", project, listed["run"], tmp_path / "out")[0] == 0
    training = json.loads((tmp_path / "out" / "export.json").read_text())["training"]
    assert training["epochs"] is training["kept_epoch"] is None and "epochs" not in training["settings"]
