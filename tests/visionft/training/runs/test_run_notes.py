"""A person's choices for a run, its title in a list, and the message once its weights or folder are gone."""

import dataclasses
import gzip
import json
import shutil
from pathlib import Path

import pytest

from models.catalog import BACKBONES
from models.methods.table import METHODS
from visionft.errors import RunError
from visionft.evaluation.stored import read_evaluation
from visionft.suggest.suggestions import read_suggestions
from visionft.training.base_weights import read_base_weights
from visionft.training.config.train_config import TrainConfig
from visionft.training.runs.checkpoint import load_checkpoint
from visionft.training.runs.run_folder import (
    RunNotes,
    RunSummary,
    change_notes,
    delete_weights,
    first_title,
    list_runs,
    load_run,
    read_run,
    require_weights,
    scan_runs,
    weights_bytes,
)
from visionft.training.runs.run_snapshot import read_snapshot
from visionft.training.runs.run_titles import config_title, titles_of_runs


@pytest.fixture
def run_dir(tmp_path: Path) -> Path:
    folder = tmp_path / "runs" / "001-test_vit-lora"
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps(TrainConfig(backbone="test_vit").to_dict()))
    (folder / "classes.json").write_text('["a", "b"]')
    names = "epoch epochs train_loss train_top1 val_loss val_top1 learning_rate seconds images_per_second"
    epoch = dict.fromkeys(names.split(), 1) | {"is_best": True}
    (folder / "metrics.jsonl").write_text(json.dumps(epoch) + "\n")
    (folder / "evaluation-val.json").write_text("{}")
    for name, size in (("best", 100), ("last", 40), ("prev", 30), ("peft", 20)):
        (folder / name).mkdir()
        (folder / name / "manifest.json").write_bytes(b"x" * size)
    return folder


def test_a_run_keeps_its_new_name_and_pin(run_dir) -> None:
    change_notes(read_run(run_dir), title="  New\ncamera ")
    change_notes(read_run(run_dir), is_pinned=True)
    run = read_run(run_dir)
    assert (run.title, run.name, run.notes.is_pinned) == ("New camera", "001-test_vit-lora", True)
    change_notes(run, title="")
    assert read_run(run_dir).title == "001-test_vit-lora" and read_run(run_dir).notes.is_pinned


def test_a_run_is_found_by_its_title_and_two_of_one_title_are_refused(run_dir) -> None:
    change_notes(read_run(run_dir), title="Weather 2")
    assert load_run(run_dir.parents[1], "Weather 2").path == run_dir
    shutil.copytree(run_dir, run_dir.with_name("002-test_vit-lora"))
    with pytest.raises(RunError, match="Weather 2") as refused:
        load_run(run_dir.parents[1], "Weather 2")
    assert "002-test_vit-lora" in refused.value.hint and load_run(run_dir.parents[1], "2").name == "002-test_vit-lora"


def test_the_first_title_of_a_run_fits_whatever_the_project_is_called(tmp_path) -> None:
    assert first_title(tmp_path / "Weather" / "runs" / "003-resnet18-lora") == "Weather 3"
    assert len(first_title(tmp_path / ("x" * 200) / "runs" / "1000-resnet18-lora")) == 120


def test_a_name_that_is_too_long_is_refused_and_damaged_notes_lose_the_name_alone(run_dir) -> None:
    with pytest.raises(RunError, match="120.*121"):
        change_notes(read_run(run_dir), title="x" * 121)
    assert not (run_dir / "notes.json").exists()
    (run_dir / "notes.json").write_text("{")
    assert read_run(run_dir).title == "001-test_vit-lora"


def test_deleting_weights_frees_all_of_them_and_keeps_the_rest(run_dir) -> None:
    run = read_run(run_dir)
    assert run.has_weights and weights_bytes(run) == 190
    assert delete_weights(run) == 190
    left = sorted(path.name for path in run_dir.iterdir())
    assert left == ["classes.json", "config.json", "evaluation-val.json", "metrics.jsonl"]
    run = read_run(run_dir)
    assert not run.has_weights and run.best is not None and weights_bytes(run) == 0
    assert delete_weights(run) == 0
    with pytest.raises(RunError, match="001-test_vit-lora"):
        require_weights(run)


def test_what_a_crash_left_of_deleting_is_cleared_and_a_run_whose_folder_is_gone_says_so(run_dir) -> None:
    (run_dir / "best").rename(run_dir / ".best.deleted")
    assert not read_run(run_dir).has_weights
    delete_weights(read_run(run_dir))
    assert not (run_dir / ".best.deleted").exists()
    run = read_run(run_dir)
    run_dir.rename(run_dir.with_name("elsewhere"))
    for act in (require_weights, delete_weights, lambda each: change_notes(each, title="new")):
        with pytest.raises(RunError, match=str(run.path)):
            act(run)
    assert not run_dir.exists()


DEEP = "[" * 100_000


@pytest.mark.parametrize("name", ["config.json", "classes.json", "result.json"])
@pytest.mark.parametrize("content", [DEEP, '{"a":' * 100_000, "5", "null", "[5]", '"text"', '{"best": 5}', "\x00"])
def test_a_run_whose_files_hold_something_else_is_named(name, content, run_dir) -> None:
    shutil.copytree(run_dir, run_dir.with_name("002-test_vit-lora"))
    (run_dir.with_name("not a run")).mkdir()
    (run_dir / name).write_text(content)
    runs, damaged = scan_runs(run_dir.parents[1])
    assert [run.name for run in runs] == ["002-test_vit-lora"] == [run.name for run in list_runs(run_dir.parents[1])]
    assert list(damaged) == [run_dir.name] and str(run_dir) in damaged[run_dir.name]


@pytest.mark.parametrize("content", [DEEP, '{"title":' * 100_000])
def test_endless_nesting_is_damage_like_any_other(content, run_dir) -> None:
    for name in ("notes.json", "evaluation-val.json", "suggestions.jsonl", "weights.json", "best/manifest.json"):
        (run_dir / name).write_text(content)
    (run_dir / "snapshot.json.gz").write_bytes(gzip.compress(content.encode()))
    with (run_dir / "metrics.jsonl").open("a") as handle:
        handle.write(content + "\n")
    run = read_run(run_dir)
    assert (run.title, len(run.epochs)) == (run.name, 1)
    assert read_evaluation(run_dir, "val") is None and read_suggestions(run_dir) == {}
    for read in (read_snapshot, read_base_weights, lambda folder: load_checkpoint(folder / "best")):
        with pytest.raises(RunError):
            read(run_dir)


def run(name: str, method: str = "lora", *, title: str = "") -> RunSummary:
    config = TrainConfig(backbone="test_resnet", method=method)
    made = RunSummary(name=name, path=Path(name), config=config, class_names=(), epochs=(), result=None)
    return dataclasses.replace(made, notes=RunNotes(title=title))


def test_a_title_says_what_it_is_and_its_number_where_several_are_alike() -> None:
    runs = [run("001-a"), run("002-b", "linear"), run("010-c"), run("004-d", title="Mine"), run("odd", title="Mine")]
    backbone, probe = BACKBONES["test_resnet"].title, METHODS["linear"].title
    named = {"001-a": f"LoRA 1, {backbone}", "002-b": f"{probe}, {backbone}", "010-c": f"LoRA 10, {backbone}"}
    assert titles_of_runs(runs) == named | {"004-d": "Mine (4)", "odd": "Mine (odd)"}
    assert config_title(TrainConfig(backbone="nothing", method="linear")) == f"{probe}, nothing"
