"""The price of a run is measured: what ships, how long an answer takes, what was forgotten of what the start knew."""

from dataclasses import replace
from pathlib import Path

import pytest
from safetensors.torch import save_file

from visionft.data.types import Snapshot
from visionft.errors import RunError
from visionft.evaluation.measuring import measure_runs
from visionft.evaluation.price import price_of, read_price
from visionft.evaluation.pricing import measure_price
from visionft.evaluation.scoreboard import read_scoreboard
from visionft.evaluation.timing import computer_id
from visionft.evaluation.training_free import make_answers
from visionft.events import Notice
from visionft.export.exporter import export_run
from visionft.training.config.train_config import TrainConfig
from visionft.training.loop.train import train
from visionft.training.runs.run_folder import delete_weights, list_runs, read_run

COMMON = {"backbone": "test_resnet", "image_size": 32, "epochs": 1, "batch_size": 8, "device": "cpu", "workers": 0}


@pytest.fixture
def weights(tmp_path: Path, state_of) -> str:
    """Return a file of weights that has a classifier head for 20 classes."""
    save_file(state_of("test_resnet", classes=20, image_size=32), tmp_path / "start.safetensors")
    return str(tmp_path / "start.safetensors")


def made(project: Path, name: str, images: Snapshot, **values) -> Path:
    run_dir = project / "runs" / name
    train(TrainConfig(**{**COMMON, **values}), images, run_dir)
    return run_dir


def test_a_linear_probe_forgets_nothing_and_that_is_measured(snapshot: Snapshot, tmp_path: Path, weights: str) -> None:
    run_dir = made(tmp_path, "001-linear", snapshot, method="linear", weights=weights)
    price = measure_price(run_dir, snapshot)
    assert price.drift == 0.0 and price.drift_pictures == len(snapshot.labelled("val"))
    (head,) = price.old_heads
    assert (head.kind, head.source, head.classes, head.agreement) == ("pretrained", "start.safetensors", 20, 1.0)
    assert price.time.computer == computer_id() and price.time.runs >= 10 and price.time.median_ms > 0
    assert read_price(run_dir) == price
    told = price_of(read_run(run_dir))
    assert told.memory_mb and told.seconds and told.learnt_bytes and 0 < told.trainable_share < 1


def test_full_fine_tuning_moves_features_and_the_old_head_notices(
    snapshot: Snapshot, tmp_path: Path, weights: str
) -> None:
    run_dir = made(tmp_path, "001-full", snapshot, method="full", weights=weights, epochs=3, learning_rate=0.02,
                   interpolation=False)  # fmt: skip
    price = measure_price(run_dir, snapshot)
    trained = read_run(run_dir).result
    assert trained is not None and trained.best is not None
    if trained.best.epoch:
        assert price.drift > 0 and price.old_heads[0].agreement < 1
    assert price.drift == pytest.approx(trained.feature_drift, abs=0.02)


def test_what_ships_is_what_an_export_writes(snapshot: Snapshot, tmp_path: Path, weights: str) -> None:
    run_dir = made(tmp_path, "001-lora", snapshot, method="lora", weights=weights)
    price = measure_price(run_dir, snapshot)
    exported = export_run(run_dir, snapshot, tmp_path / "out")
    assert 0 <= exported.bytes - price.shipped_bytes < 120_000  # the graph


def test_a_run_that_went_on_is_asked_with_the_head_it_came_from(
    snapshot: Snapshot, tmp_path: Path, weights: str
) -> None:
    first = made(tmp_path, "001-lora", snapshot, method="lora", weights=weights)
    second = made(tmp_path, "002-lora", snapshot, method="lora", weights=weights, start_from="001-lora")
    assert price_of(read_run(second)).drift is None  # training measured it from the earlier run's features
    head = measure_price(second, snapshot).old_heads[-1]
    assert (head.kind, head.source, head.classes) == ("run", "001-lora", 3)
    assert head.pictures == len(snapshot.labelled("val"))
    best = read_run(first).best
    assert best is not None and head.accuracy_before == pytest.approx(best.val_accuracy)
    assert head.accuracy is not None and 0 <= head.agreement <= 1

    delete_weights(read_run(first))
    events = []
    assert [each.kind for each in measure_price(second, snapshot, on_event=events.append).old_heads] == ["pretrained"]
    assert any(isinstance(each, Notice) and "forgot" in each.message for each in events)


def test_random_weights_have_nothing_to_forget(snapshot: Snapshot, tmp_path: Path) -> None:
    run_dir = made(tmp_path, "001-full", snapshot, method="full", weights="random")
    price = measure_price(run_dir, snapshot)
    assert price.drift is None and price.old_heads == () and price.shipped_bytes > 0


def test_everything_is_measured_once_and_a_failure_costs_the_others_nothing(
    snapshot: Snapshot, tmp_path: Path, weights: str
) -> None:
    made(tmp_path, "001-linear", snapshot, method="linear", weights=weights)
    broken = made(tmp_path, "002-linear", snapshot, method="linear", weights=weights, seed=1)
    made(tmp_path, "003-linear", snapshot, method="linear", weights=weights, seed=2)
    (broken / "weights.json").write_text("{")
    events = []
    found = measure_runs(tmp_path, snapshot, "val", on_event=events.append)
    assert found.evaluated == found.priced == ("001-linear", "003-linear") and not found.stopped
    assert list(found.failed) == ["002-linear"] and any(isinstance(each, Notice) for each in events)
    again = measure_runs(tmp_path, snapshot, "val")
    assert again.evaluated == again.priced == ()
    stopped = measure_runs(tmp_path, snapshot, "test", should_stop=lambda: True)
    assert stopped.stopped and stopped.evaluated == ()


def test_answers_without_training_are_made_once(snapshot: Snapshot, tmp_path: Path, weights: str) -> None:
    base = TrainConfig(**COMMON, weights=weights)
    found = make_answers(tmp_path, snapshot, base)
    methods = {read_run(tmp_path / "runs" / name).config.method for name in found.made}
    assert "linear" in methods and "lora" not in methods and not found.kept and not found.stopped
    assert "not on this computer" in found.left_out["zero_shot"]  # its own network is not fetched unasked
    for name in found.made:
        run = read_run(tmp_path / "runs" / name)
        assert not run.config.total_epochs and (run.path / "evaluation-val.json").is_file()
    again = make_answers(tmp_path, snapshot, base)
    assert again.made == () and set(again.kept) == set(found.made)
    place = next(n for n, image in enumerate(snapshot.images) if image.split == "train")
    images = list(snapshot.images)
    images[place] = replace(images[place], labels=((images[place].labels[0] + 1) % 3,))
    relabelled = replace(snapshot, images=tuple(images))
    live = {name for name in found.made if read_run(tmp_path / "runs" / name).config.method_row.is_live}
    states = {each.run: each.state for each in read_scoreboard(list_runs(tmp_path), relabelled, "val").standings}
    assert states == {name: "other_knowledge" if name in live else "measured" for name in found.made}
    anew = make_answers(tmp_path, relabelled, base)
    assert len(anew.made) == len(found.made) - len(live) and set(anew.kept) == live
    measure_runs(tmp_path, relabelled, "val")
    assert {each.state for each in read_scoreboard(list_runs(tmp_path), relabelled, "val").standings} == {"measured"}


def test_making_answers_stops_well(snapshot: Snapshot, tmp_path: Path, weights: str) -> None:
    found = make_answers(tmp_path, snapshot, TrainConfig(**COMMON, weights=weights), should_stop=lambda: True)
    assert found.stopped and found.made == ()


def test_weights_that_are_gone_are_said(snapshot: Snapshot, tmp_path: Path, weights: str) -> None:
    run_dir = made(tmp_path, "001-linear", snapshot, method="linear", weights=weights)
    delete_weights(read_run(run_dir))
    with pytest.raises(RunError, match="deleted"):
        measure_price(run_dir, snapshot)
