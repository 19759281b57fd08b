"""Runs on the command line: organised, compared, ranked, explained, combined, repeated from a recipe."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from models.methods.full import FullOptions
from visionft.export.options import TARGETS
from visionft.training.recipe import read_recipe

FIRST = "001-test_resnet-lora"


@pytest.fixture
def trained(train, project: Path) -> Path:
    """Return a project with one trained run."""
    train(project, "lora", "--epochs", 1)
    return project


@pytest.mark.slow
def test_runs_are_kept_compared_and_trained_on_from(run, value, refused, train, trained):
    project = trained
    named = value("run", "list", project, 1, "--rename", "First light")
    assert (named["run"], named["title"]) == (FIRST, "First light")

    again = train(project, "lora", "--epochs", 1, "--set", f"start_from={FIRST}")
    listed = value("run", "list", project)
    assert [each["run"] for each in listed] == [FIRST, again]
    assert "First light" in run("run", "list", project)[1]

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

    lightened = value("run", "list", project, 1, "--delete-weights")
    assert lightened["freed_bytes"] > 0 and not lightened["weights"] and lightened["top1"] is not None
    for command, more in (("evaluate", ()), ("model export", (project.parent / "out",))):
        assert "First light" in refused(*command.split(), project, 1, *more)


@pytest.mark.slow
def test_mistakes_about_runs_are_one_clear_line(refused, tiny: list[str], trained: Path) -> None:
    start = ["train", trained, "--method", "lora", *tiny, "--epochs", 1, "--backbone"]
    for arguments, expected in (
        (["run", "list", trained, "--rename", "x"], "RUN"),
        (["run", "list", trained, 9], "'9'"),
        (["run", "list", trained, 1, "--rename", "x" * 121], "120"),
        (["run", "compare", trained, 1, 9], "'9'"),
        (["run", "compare", trained, 1, 1, "--split", "train"], "'train'"),
        ([*start, "test_resnet", "--set", "start_from=9"], "'9'"),
        ([*start, "test_vit", "--set", "start_from=1"], "test_resnet"),
    ):
        assert expected in refused(*arguments)
    assert [path.name for path in (trained / "runs").iterdir()] == [FIRST]


@pytest.mark.slow
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


@pytest.mark.slow
def test_a_run_without_epochs_tells_of_none(run, value, refused, tiny, project: Path, tmp_path: Path) -> None:
    code, stdout, stderr = run("train", project, "--backbone", "test_resnet", "--method", "linear", *tiny)
    assert code == 0, stderr
    assert "solved" in stderr and "epoch 0" not in stdout + stderr and "-linear)" in stdout
    listed = value("run", "list", project)[-1]
    assert listed["epochs"] is None and listed["top1"] is not None
    export = ("model", "export", project, listed["run"], tmp_path / "out", "--for")
    message = refused(*export, "the-moon")
    assert "the-moon" in message and all(name in message for name in TARGETS)
    code, stdout, _ = run(*export, "python", "--opset", 18)
    assert code == 0 and "python predict.py" in stdout and "Left out" in stdout
    assert json.loads((tmp_path / "out" / "export.json").read_text())["opset"] == 18
    cost = value("run", "list", project)[-1]["cost"]
    assert cost["file_bytes"] == (tmp_path / "out" / "model.onnx").stat().st_size and cost["milliseconds"] > 0
    training = json.loads((tmp_path / "out" / "export.json").read_text())["training"]
    assert training["epochs"] is training["kept_epoch"] is None and "epochs" not in training["settings"]


@pytest.mark.slow
def test_a_file_of_the_target_can_be_switched_off(value, train, project: Path, tmp_path: Path) -> None:
    train(project, "linear")
    export = ("model", "export", project, 1, tmp_path / "out", "--for", "server")
    exported = value(*export, "--no-int8", "--fixed-size")
    assert exported["target"] == "server" and exported["artefacts"] == ["fixed-size"]
    assert not exported["variants"] and "model_fixed.onnx" in exported["files"]


@pytest.mark.slow
def test_runs_are_combined_listed_and_measured(run, value, refused, train, project: Path) -> None:
    first, second = train(project, "linear"), train(project, "prototype", "--set", "seed=1")
    found = value("run", "combine", project, 1, 2, "--title", "Both")
    assert {part["run"] for part in found["parts"]} == {first, second}
    assert sum(part["share"] for part in found["parts"]) == pytest.approx(1)
    assert found["accuracy_interval"][0] <= found["accuracy"] <= found["accuracy_interval"][1]
    assert found["verdict"] and isinstance(found["is_worth_it"], bool)
    listed = value("run", "list", project)[-1]
    assert listed["method"] == "combined" and listed["title"] == "Both"
    assert value("evaluate", project, 3, "--split", "test")["run"] == found["run"]
    code, stdout, _ = run("run", "combine", project, 1, 2)
    assert code == 0 and first in stdout and found["verdict"] in stdout
    assert "visionft run combine" in refused("run", "combine", project, 1)
    assert "'7'" in refused("run", "combine", project, 1, 7)


@pytest.mark.slow
def test_a_recipe_a_run_and_its_recipe_are_the_same(run, value, tiny, project: Path, tmp_path: Path) -> None:
    first, second, third = (tmp_path / f"{name}.toml" for name in ("first", "second", "third"))
    settings = ("--method", "prototype", "--backbone", "starter_vit", *tiny[2:], "--set", "seed=3", "--save", first)
    code, _, stderr = run("train", project, *settings)
    assert code == 0 and str(first) in stderr
    assert run("run", "list", project, 1, "--recipe", second)[0] == 0
    assert first.read_bytes() == second.read_bytes()
    assert "[weights]" in first.read_text(encoding="utf-8")
    again = value("train", project, "--recipe", first)["run"]
    assert run("run", "list", project, again, "--recipe", third)[0] == 0
    assert third.read_bytes() == first.read_bytes()


def test_options_win_over_a_recipe(run, refused, project: Path, tmp_path: Path) -> None:
    path = tmp_path / "r.toml"
    text = '[settings]\nbackbone = "test_vit"\nmethod = "linear"\nweights = "random"\nimage_size = 32\nepochs = 0\n'
    path.write_text(text, encoding="utf-8")
    error = refused("train", project, "--recipe", path, "--device", "cpu")
    assert "line 6, epochs: " in error and "Next: visionft train" in error
    saved = tmp_path / "saved.toml"
    given = ["--epochs", 2, "--method", "full", "--set", "full.layers=last", "--set", "seed=9", "--device", "cpu"]
    assert run("train", project, "--recipe", path, *given, "--estimate", "--save", saved)[0] == 0
    config = read_recipe(saved).config
    assert (config.backbone, config.method, config.epochs, config.seed) == ("test_vit", "full", 2, 9)
    assert config.methods["full"] == FullOptions(layers="last")


def test_what_cannot_be_trained_with_leaves_nothing(refused, project: Path, tmp_path: Path) -> None:
    path = tmp_path / "r.toml"
    path.write_text('[settings]\nbackbone = "starter_vit"\nmethod = "linear"\n', encoding="utf-8")
    for arguments, expected in (
        (["--recipe", tmp_path / "gone.toml"], "gone.toml"),
        (["--recipe", path, "--preset", "quick"], "preset"),
        (["--recipe", path, "--resume", "1"], f"visionft run list {project} 1 --recipe"),
        (["--recipe", path, "--save", tmp_path / "none" / "r.toml"], str(tmp_path / "none")),
        (["--recipe", path, "--save", "-"], "--save"),
    ):
        assert expected in refused("train", project, *arguments)
    other = path.read_text(encoding="utf-8") + f'[weights]\nfile = "w.safetensors"\nsha256 = "{"0" * 64}"\n'
    path.write_text(other, encoding="utf-8")
    assert "Next: visionft weights list --here" in refused("train", project, "--recipe", path)
    assert not list((project / "runs").iterdir())
    assert "'99'" in refused("run", "list", project, "99", "--recipe", path)


@pytest.mark.slow
def test_the_window_is_measured_at_the_import_chosen_and_forgotten(run, value, refused, project: Path, tmp_path: Path):
    def window(folder: Path, *options: object) -> Any:
        return value("project", "set", folder, *options)["window"]

    assert window(project) is None
    refused("project", "set", project, "--window", "measure")  # images of 8 bits
    folder, deep = tmp_path / "stacks", tmp_path / "deep"
    folder.mkdir()
    values = np.linspace(400, 1300, 3 * 30 * 40).reshape(3, 30, 40).astype("uint16")
    for number in range(2):
        tifffile.imwrite(folder / f"{number}.tif", values + np.uint16(number), imagej=True, metadata={"axes": "ZYX"})
    value("project", "new", deep)
    assert value("import", deep, folder)["added"] == 2
    value("import", project, folder)  # it holds images already: they are read as before
    assert window(project) is None
    measured = window(deep)
    assert measured["reading"]["plane"] == "max" and (measured["planes"], measured["images"]) == (3, 2)
    own = window(deep, "--window", "500,900", "--plane", "2")
    assert own["is_own"] and own["reading"] == {"window": "500,900", "plane": "2", "channels": ""}
    assert "500" in run("project", "set", deep)[1]
    first = window(deep, "--plane", "first")["reading"]
    low, high = map(float, first["window"].split(","))
    assert 400 <= low < 402 < 698 < high < 702  # of its own values
    for wrong in (("--window", "9,1"), ("--plane", "0"), ("--window", "stored", "--plane", "1"), ("--channels", "a,b")):
        refused("project", "set", deep, *wrong)
    assert window(deep, "--window", "stored") is None
    value("project", "undo", deep)
    assert window(deep)["reading"] == first
    assert window(deep, "--window", "measure")["reading"] == measured["reading"]


@pytest.mark.slow
def test_the_framing_is_measured_chosen_and_forgotten(run, value, refused, project: Path):
    def framing(*options: object) -> Any:
        return value("project", "set", project, *options)["framing"]

    assert framing() is None
    measured = framing("--framing", "measure", "--backbone", "starter_resnet", "--device", "cpu")
    assert measured["backbone"] == "starter_resnet" and len(measured["trials"]) >= 2
    assert framing() == measured and "%" in run("project", "set", project)[1]
    own = framing("--framing", "0.1,0.2,0.9,0.8", "--image-size", 96)
    assert (own["framing"]["framing"], own["framing"]["image_size"], own["trials"]) == ("region", 96, [])
    region = ("--framing", "0.3,0.1,0.66,0.96", "--image-size", 96)
    assert "64 x 128" in run("project", "set", project, *region)[1]
    for wrong in (("--framing", "0,0,2,2"), ("--framing", ".5,.5,.51,.51"), ("--image-size", 64)):
        refused("project", "set", project, *wrong)
    value("project", "undo", project)
    assert framing() == own and framing("--framing", "auto") is None
