"""A person's choices for a run, its title in a list, and the message once its weights or folder are gone."""

import json
import shutil
from pathlib import Path

import pytest

from visionft.core.errors import RunError
from visionft.training.config.train_config import TrainConfig
from visionft.training.runs.run_folder import (
    delete_weights,
    list_runs,
    load_run,
    read_run,
    rename_run,
    require_weights,
    scan_runs,
    weights_bytes,
)


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


def test_a_run_keeps_its_new_name(run_dir) -> None:
    (run_dir / "notes.json").write_text('{"title": "Old", "is_pinned": true}')  # of version 0.2.0
    run = read_run(run_dir)
    assert run.title == "Old"
    rename_run(run, "  New\ncamera ")
    run = read_run(run_dir)
    assert (run.title, run.name) == ("New camera", "001-test_vit-lora")
    rename_run(run, "")
    assert read_run(run_dir).title == "001-test_vit-lora"


def test_a_run_is_found_by_its_title_and_two_of_one_title_are_refused(run_dir) -> None:
    rename_run(read_run(run_dir), "Weather 2")
    assert load_run(run_dir.parents[1], "Weather 2").path == run_dir
    shutil.copytree(run_dir, run_dir.with_name("002-test_vit-lora"))
    with pytest.raises(RunError, match="Weather 2") as refused:
        load_run(run_dir.parents[1], "Weather 2")
    assert "002-test_vit-lora" in refused.value.hint and load_run(run_dir.parents[1], "2").name == "002-test_vit-lora"


def test_a_name_that_is_too_long_is_refused_and_damaged_notes_lose_the_name_alone(run_dir) -> None:
    with pytest.raises(RunError, match="120.*121"):
        rename_run(read_run(run_dir), "x" * 121)
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
    for act in (require_weights, delete_weights, lambda each: rename_run(each, "new")):
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
