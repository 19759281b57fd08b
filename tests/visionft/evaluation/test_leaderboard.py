"""The leaderboard: ranks on the same images only, insignificant differences marked, costs next to them."""

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path

import pytest
import run_events

from visionft.data.types import Snapshot, SnapshotImage
from visionft.evaluation.leaderboard import ComparedModel, Leaderboard, read_leaderboard
from visionft.evaluation.run_cost import MeasuredCost, PredictionTime, write_cost
from visionft.evaluation.timing import computer_id
from visionft.events import EpochDone
from visionft.training.config.train_config import TrainConfig
from visionft.training.runs.manifest import Part
from visionft.training.runs.run_folder import RunSummary

CLASSES = ("cat", "dog")


def project(count: int, *, classes: tuple[str, ...] = CLASSES) -> Snapshot:
    """Return a project of validation images; image n is a cat for even n."""
    images = tuple(SnapshotImage(n, Path(f"{n}.png"), f"{n}", (n % 2,), "val") for n in range(count))
    return Snapshot("single", classes, images)


def epoch(accuracy: float) -> EpochDone:
    return run_events.epoch_done(epochs=1, val_accuracy=accuracy)


@pytest.fixture
def make_run(tmp_path: Path) -> Callable[..., RunSummary]:
    """Return a function to make an evaluated run with the images `wrong` predicted wrong."""

    def make_run(
        name: str, count: int, wrong: set[int], *, method: str = "lora", ms: float = 0.0, computer: str = "", **values
    ) -> RunSummary:
        path = tmp_path / "runs" / name
        path.mkdir(parents=True)
        lines = [
            {
                "image_id": n,
                "classes": [CLASSES[n % 2]],
                "predicted": [CLASSES[(n + (n in wrong)) % 2]],
                "probability": 0.9,
            }
            for n in range(count)
        ]
        score = {"precision": 1, "recall": 1, "f1": 1, "support": 1}
        top1 = (count - len(wrong)) / max(1, count)
        stored = {
            "run": name,
            "split": "val",
            "images": count,
            "top1": top1,
            "top1_interval": [0, 1],
            "balanced_accuracy": top1,
            "ece": 0.1,
            "temperature": 1,
            "unreadable": 0,
            "confusion": [[0, 0], [0, 0]],
            "per_class": dict.fromkeys(CLASSES, score),
        }
        if count:
            (path / "evaluation-val.json").write_text(json.dumps(stored))
            (path / "predictions-val.jsonl").write_text("\n".join(map(json.dumps, lines)))
        if ms:
            place = computer or computer_id()
            time = PredictionTime(median_ms=ms, p95_ms=ms, runs=9, images=8, device="here", computer=place)
            write_cost(path, MeasuredCost(weights="", shipped_bytes=1000, time=time))
        result = run_events.result(run=name, best=epoch(top1), seconds=ms, total_parameters=4, feature_drift=0.25)
        config, epochs = TrainConfig(backbone="test_resnet", method=method), (epoch(top1),)
        made = RunSummary(name=name, path=path, config=config, class_names=CLASSES, epochs=epochs, result=result)
        return dataclasses.replace(made, **values)

    return make_run


def by_run(board: Leaderboard) -> dict[str, ComparedModel]:
    return {each.run: each for each in board.rows}


def test_the_best_comes_first_and_a_difference_of_luck_shares_its_place(make_run) -> None:
    runs = [make_run("001", 100, set(range(60))), make_run("002", 100, {1, 2}), make_run("003", 100, {1, 3, 4, 5})]
    board = read_leaderboard(runs, project(100), "val")
    assert [each.run for each in board.rows] == ["002", "003", "001"]
    assert board.best is not None and board.best.run == "002" and board.best.to_best is None
    near, far = by_run(board)["003"], by_run(board)["001"]
    assert near.is_tied and near.rank == 1 and (near.to_best.won, near.to_best.lost) == (1, 3)
    assert near.to_best.difference == pytest.approx(-0.02)
    assert near.to_best.interval[0] < -0.02 < near.to_best.interval[1]
    assert not far.is_tied and far.rank == 3 and far.to_best.p_value < 1e-9


def test_of_many_the_luck_of_the_best_is_not_taken_for_skill(make_run) -> None:
    one = make_run("001", 100, {1, 2, 3, 4, 5, 6})
    alone = read_leaderboard([make_run("000", 100, set()), one], project(100), "val")
    assert not by_run(alone)["001"].is_tied  # 6 to 0: p = .03
    others = [make_run(f"{n:03d}", 100, {n, n + 1, n + 2, n + 3, n + 4, n + 5}) for n in range(10, 20)]
    among = read_leaderboard([make_run("002", 100, set()), one, *others], project(100), "val")
    assert by_run(among)["001"].is_tied


def test_what_was_measured_on_other_images_or_labels_has_no_place(make_run) -> None:
    snapshot = project(10)
    relabelled = dataclasses.replace(snapshot.images[3], labels=(0,))
    changed = dataclasses.replace(snapshot, images=(*snapshot.images[:3], relabelled, *snapshot.images[4:]))
    board = read_leaderboard([make_run("001", 10, set())], changed, "val")
    (row,) = board.rows
    assert row.state == "other_images" and row.rank is None and board.best is None
    assert row.top1 == 1.0 and row.needs_evaluation and board.unmeasured == (row,)
    for other in (project(9), project(11)):
        assert read_leaderboard([make_run(f"{len(other.images)}", 10, set())], other, "val").best is None
    run = make_run("002", 9, set())  # images that cannot be read are no other images
    file = run.path / "evaluation-val.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "unreadable": 1}))
    assert read_leaderboard([run], project(10), "val").best is not None


def test_a_model_that_lacks_a_class_of_the_images_is_not_ranked(make_run) -> None:
    snapshot = project(4, classes=("cat", "dog", "emu"))
    emu = SnapshotImage(4, Path("4.png"), "4", (2,), "val")
    snapshot = dataclasses.replace(snapshot, images=(*snapshot.images, emu))
    (row,) = read_leaderboard([make_run("001", 4, set())], snapshot, "val").rows
    assert row.state == "other_classes" and row.rank is None and not row.needs_evaluation


def test_runs_that_cannot_be_measured_say_why(make_run) -> None:
    runs = [
        make_run("001", 0, set(), has_weights=False),
        make_run("002", 0, set(), epochs=()),
        make_run("003", 0, set()),
        make_run("004", 0, set(), faults={"best": "damaged"}),
    ]
    board = read_leaderboard(runs, project(4), "val")
    states = {each.run: each.state for each in board.rows}
    assert states == {"001": "no_weights", "002": "no_checkpoint", "003": "unmeasured", "004": "no_weights"}
    assert [each.run for each in board.unmeasured] == ["003"]


def test_times_of_another_computer_are_not_compared(make_run) -> None:
    here, there = make_run("001", 10, {1}, ms=5), make_run("002", 10, set(), ms=1, computer="another")
    board = read_leaderboard([here, there], project(10), "val")
    assert by_run(board)["001"].milliseconds == 5 and by_run(board)["002"].milliseconds is None
    assert [each.run for each in board.unmeasured] == ["002"]
    assert [each.run for each in board.pareto_front(lambda each: each.milliseconds)] == ["001"]


def test_the_front_holds_whom_no_other_beats_in_cost_and_accuracy(make_run) -> None:
    runs = [
        make_run("001", 10, {1, 2, 3}, ms=1),
        make_run("002", 10, {1, 2, 3, 4}, ms=2),
        make_run("003", 10, set(), ms=3),
        make_run("004", 10, set(), ms=4),
    ]
    board = read_leaderboard(runs, project(10), "val")
    assert [each.run for each in board.pareto_front(lambda each: each.cost.seconds)] == ["001", "003"]
    empty = read_leaderboard([], project(0), "val")
    assert empty.best is None and empty.rows == () == empty.ranked == empty.unmeasured


def test_each_model_has_a_title_of_its_own(make_run) -> None:
    runs = [make_run("001-a", 4, set()), make_run("002-b", 4, set()), make_run("003-c", 4, set(), method="linear")]
    titles = {run: each.title for run, each in by_run(read_leaderboard(runs, project(4), "val")).items()}
    assert len(set(titles.values())) == 3 and "1" in titles["001-a"] and "2" in titles["002-b"]


def test_a_measured_cost_counts_for_its_weights_only(make_run) -> None:
    run = make_run("001", 4, set(), ms=2)
    (row,) = read_leaderboard([run], project(4), "val").rows
    assert row.cost.drift == 0.25 and row.cost.shipped_bytes == 1000 and not row.needs_timing
    assert row.cost.trainable_share == 0.25
    best = run.path / "best"
    best.mkdir()
    (best / "manifest.json").write_text(json.dumps({"model.safetensors": "of other weights"}))
    (row,) = read_leaderboard([run], project(4), "val").rows
    assert row.cost.time is None and row.cost.drift == 0.25 and row.needs_timing


def test_a_combination_costs_what_its_parts_cost_and_is_trained_where_one_is(make_run) -> None:
    linear, lora = make_run("001", 4, set(), method="linear", ms=3), make_run("002", 4, set(), ms=5)
    figures = {"weights": "", "share": 0.5, "temperature": 1.0, "accuracy": 1.0, "loss": 0.1}
    parts = tuple(Part(run=run.name, **figures) for run in (linear, lora))
    both = make_run("003", 4, set(), method="combined", ms=1, parts=parts)
    row = by_run(read_leaderboard([linear, lora, both], project(4), "val"))["003"]
    assert row.title == "Combination 1 + 2" and row.cost.seconds == 9
    assert not row.is_training_free and by_run(read_leaderboard([linear], project(4), "val"))["001"].is_training_free
    alone = make_run("004", 4, set(), method="combined", ms=1, parts=parts[:1])
    assert by_run(read_leaderboard([linear, alone], project(4), "val"))["004"].is_training_free
