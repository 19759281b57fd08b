"""Runs on the command line: kept in order, compared picture by picture, explained, and trained on from."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

TINY = ["--set", "weights=random", "--set", "image_size=32", "--set", "batch_size=8", "--device", "cpu"]


@pytest.fixture
def project(run, picture_folder: Path, tmp_path: Path) -> Path:
    """Return a project with one trained run."""
    path = tmp_path / "project"
    run("new", path)
    run("import", path, picture_folder)
    run("split", path)
    code, _, stderr = run("train", path, "--backbone", "test_resnet", "--method", "lora", "--epochs", 1, *TINY)
    assert code == 0, stderr
    return path


def test_runs_are_kept_compared_explained_and_trained_on_from(run, project: Path, picture_folder: Path) -> None:
    def value(*arguments: object):
        code, stdout, stderr = run(*arguments, "--json")
        assert code == 0, stderr
        return json.loads(stdout)

    first = "001-test_resnet-lora"
    named = value("runs", project, 1, "--rename", "First light", "--pin")
    assert (named["run"], named["title"], named["pinned"]) == (first, "First light", True)

    again = value(
        "train", project, "--backbone", "test_resnet", "--method", "lora", "--epochs", 1, *TINY, "--set",
        f"start_from={first}",
    )  # fmt: skip
    listed = value("runs", project)
    assert [(each["run"], each["pinned"]) for each in listed] == [(first, True), (again["run"], False)]
    assert "* First light" in run("runs", project)[1]

    code, _, stderr = run("compare", project, 1, 2)
    assert code == 2 and "has not been evaluated" in stderr and "visionft evaluate" in stderr
    for number in (1, 2):
        evaluated = value("evaluate", project, number)
        assert evaluated["reliability"] and evaluated["ece_before"] >= 0
    compared = value("compare", project, 1, 2)
    groups = [len(compared[name]) for name in ("fixed", "broken", "still_wrong")]
    assert sum(groups) + compared["both_right"] == compared["pictures"] > 0
    assert "From 001-test_resnet-lora to 002-test_resnet-lora" in run("compare", project, 1, 2)[1]

    picture, out = picture_folder / "red" / "00.png", project.parent / "maps"
    (explained,) = value("explain", project, 1, picture, "--class", "blue", "--out", out)
    assert explained["class"] == "blue" and explained["method"] == "Grad-CAM"
    assert isinstance(explained["trustworthy"], bool) and len(explained["random_deletion"]) == 12
    with Image.open(explained["heat_map"]) as shown, Image.open(picture) as original:
        assert shown.size == original.size
        assert not np.array_equal(np.asarray(shown), np.asarray(original.convert("RGB")))
    code, _, stderr = run("explain", project, 1, picture, "--class", "purple")
    assert code == 2 and "does not know the class 'purple'" in stderr

    lightened = value("runs", project, 1, "--delete-weights")
    assert lightened["freed_bytes"] > 0 and not lightened["weights"] and lightened["top1"] is not None
    for command in (["evaluate", project, 1], ["explain", project, 1, picture], ["export", project, 1, out]):
        code, _, stderr = run(*command)
        assert code == 2 and "weights of First light were deleted" in stderr


def test_mistakes_about_runs_are_one_clear_line(run, project: Path) -> None:
    train = ["train", project, "--backbone", "test_resnet", "--method", "lora", *TINY, "--epochs", 1]
    for arguments, expected in (
        (["runs", project, "--pin"], "Which run is not said"),
        (["runs", project, 9], "no run '9'"),
        (["runs", project, 1, "--rename", "x" * 121], "at most 120 characters"),
        (["compare", project, 1, 9], "no run '9'"),
        (["compare", project, 1, 1, "--split", "train"], "Cannot evaluate on 'train'"),
        ([*train, "--set", "start_from=9"], "no run '9'"),
        (
            ["train", project, "--backbone", "test_vit", "--method", "lora", *TINY, "--set", "start_from=1"],
            "test_resnet",
        ),
    ):
        code, stdout, stderr = run(*arguments)
        assert code == 2 and not stdout, (arguments, stderr)
        assert expected in stderr and "Traceback" not in stderr, (arguments, stderr)
    assert [path.name for path in (project / "runs").iterdir()] == ["001-test_resnet-lora"]


def test_a_damaged_run_is_named_below_the_list(run, project: Path) -> None:
    (project / "runs" / "001-test_resnet-lora" / "classes.json").write_text("[")
    code, stdout, _ = run("runs", project)
    assert code == 0 and "Cannot be read" in stdout and "001-test_resnet-lora" in stdout


def test_damaged_weights_are_told_of_by_every_command(run, project: Path, tmp_path: Path) -> None:
    first = "001-test_resnet-lora"
    assert json.loads(run("runs", project, "--json")[1])[0]["faults"] == {}
    model = project / "runs" / first / "best" / "model.safetensors"
    whole = model.read_bytes()

    model.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))  # one bit: seen where every byte is read
    told = f"{first}: the checkpoint best is damaged (model.safetensors has changed since it was written)."
    assert told in run("runs", project, 1)[1]
    assert "best" in json.loads(run("runs", project, 1, "--json")[1])["faults"]
    for command in (("evaluate", project, 1), ("export", project, 1, tmp_path / "out")):
        code, _, stderr = run(*command)
        assert code == 2 and "is damaged: model.safetensors has changed" in stderr and "Traceback" not in stderr

    model.write_bytes(b"")  # what a power cut leaves: seen in the list as well
    listed = run("runs", project)[1]
    assert (
        f"{first}: the checkpoint best is damaged (model.safetensors is cut short or damaged)." in listed
        and "  damaged\n" in listed
    )
    for command in (("evaluate", project, 1), ("export", project, 1, tmp_path / "out")):
        code, _, stderr = run(*command)
        assert code == 2 and "are damaged (best: model.safetensors is cut short or damaged)" in stderr
    code, _, stderr = run(
        "train", project, "--backbone", "test_resnet", "--method", "lora", *TINY, "--set", "start_from=1"
    )
    assert code == 2 and "are damaged" in stderr


def test_a_run_without_epochs_tells_of_none(run, project):
    code, stdout, stderr = run("train", project, "--backbone", "test_resnet", "--method", "linear", *TINY)
    assert code == 0, stderr
    assert "solved  validation loss" in stderr and "epoch 0" not in stdout + stderr
    assert "-linear: validation top-1" in stdout
