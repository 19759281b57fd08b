"""The scoreboard: places on the same pictures only, luck marked as such, the price beside it."""

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from visionft.data.types import Snapshot, SnapshotImage
from visionft.evaluation.price import AnswerTime, MeasuredPrice, write_price
from visionft.evaluation.scoreboard import Scoreboard, Standing, read_scoreboard
from visionft.evaluation.timing import computer_id
from visionft.events import EpochDone
from visionft.training.config.train_config import TrainConfig
from visionft.training.runs.parts import Part
from visionft.training.runs.run_folder import RunSummary, TrainResult

CLASSES = ("cat", "dog")


def project(count: int, *, classes: tuple[str, ...] = CLASSES) -> Snapshot:
    """Return a project whose pictures validate; picture n is a cat where n is even."""
    images = tuple(SnapshotImage(n, Path(f"{n}.png"), f"{n}", (n % 2,), "val") for n in range(count))
    return Snapshot("single", classes, images)


def epoch(accuracy: float) -> EpochDone:
    return EpochDone(
        epoch=1, epochs=1, train_loss=1, train_accuracy=1, val_loss=1, val_accuracy=accuracy, learning_rate=0.1,
        seconds=1, images_per_second=1, is_best=True,
    )  # fmt: skip


@pytest.fixture
def answerer(tmp_path: Path) -> Callable[..., RunSummary]:
    """Return a function that makes a run, evaluated on pictures of which it has `wrong` wrong."""

    def answerer(
        name: str, count: int, wrong: set[int], *, method: str = "lora", ms: float = 0.0, computer: str = "", **values
    ) -> RunSummary:
        path = tmp_path / "runs" / name
        path.mkdir(parents=True)
        right = {n: CLASSES[n % 2] for n in range(count)}
        lines = [
            {"image_id": n, "classes": [true], "predicted": [CLASSES[1 - n % 2] if n in wrong else true],
             "probability": 0.9}
            for n, true in right.items()
        ]  # fmt: skip
        score = {"precision": 1, "recall": 1, "f1": 1, "support": 1}
        top1 = (count - len(wrong)) / max(1, count)
        stored = {
            "run": name, "split": "val", "images": count, "top1": top1, "top1_interval": [0, 1],
            "balanced_accuracy": top1, "ece": 0.1, "temperature": 1, "unreadable": 0, "confusion": [[0, 0], [0, 0]],
            "per_class": dict.fromkeys(CLASSES, score),
        }  # fmt: skip
        if count:
            (path / "evaluation-val.json").write_text(json.dumps(stored))
            (path / "predictions-val.jsonl").write_text("\n".join(map(json.dumps, lines)))
        if ms:
            time = AnswerTime(
                median_ms=ms, p95_ms=ms, runs=9, pictures=8, device="here", computer=computer or computer_id()
            )
            write_price(path, MeasuredPrice(weights="", shipped_bytes=1000, time=time, drift=0.0))
        result = TrainResult(
            run=name, best=epoch(top1), seconds=ms, stopped=False, trainable_parameters=1, total_parameters=4,
            device="CPU", precision="fp32", feature_drift=0.25,
        )  # fmt: skip
        config = TrainConfig(backbone="test_resnet", method=method)
        made = RunSummary(
            name=name, path=path, config=config, class_names=CLASSES, epochs=(epoch(top1),), result=result
        )
        return dataclasses.replace(made, **values)

    return answerer


def by_run(board: Scoreboard) -> dict[str, Standing]:
    return {each.run: each for each in board.standings}


def test_the_best_comes_first_and_a_difference_of_luck_shares_its_place(answerer) -> None:
    runs = [answerer("001", 100, set(range(60))), answerer("002", 100, {1, 2}), answerer("003", 100, {1, 3, 4, 5})]
    board = read_scoreboard(runs, project(100), "val")
    assert [each.run for each in board.standings] == ["002", "003", "001"]
    assert board.best is not None and board.best.run == "002" and board.best.beside is None
    near, far = by_run(board)["003"], by_run(board)["001"]
    assert near.is_tied and near.place == 1 and (near.beside.won, near.beside.lost) == (1, 3)
    assert near.beside.difference == pytest.approx(-0.02)
    assert near.beside.interval[0] < -0.02 < near.beside.interval[1]
    assert not far.is_tied and far.place == 3 and far.beside.p_value < 1e-9


def test_of_many_the_luck_of_the_best_is_not_taken_for_skill(answerer) -> None:
    one = answerer("001", 100, {1, 2, 3, 4, 5, 6})
    alone = read_scoreboard([answerer("000", 100, set()), one], project(100), "val")
    assert not by_run(alone)["001"].is_tied  # 6 to 0: p = .03
    others = [answerer(f"{n:03d}", 100, {n, n + 1, n + 2, n + 3, n + 4, n + 5}) for n in range(10, 20)]
    among = read_scoreboard([answerer("002", 100, set()), one, *others], project(100), "val")
    assert by_run(among)["001"].is_tied


def test_what_was_measured_on_other_pictures_or_labels_has_no_place(answerer) -> None:
    snapshot = project(10)
    relabelled = dataclasses.replace(snapshot.images[3], labels=(0,))
    changed = dataclasses.replace(snapshot, images=(*snapshot.images[:3], relabelled, *snapshot.images[4:]))
    board = read_scoreboard([answerer("001", 10, set())], changed, "val")
    (standing,) = board.standings
    assert standing.state == "other_pictures" and standing.place is None and board.best is None
    assert standing.top1 == 1.0 and standing.can_measure and board.to_measure == (standing,)
    for other in (project(9), project(11)):
        assert read_scoreboard([answerer(f"{len(other.images)}", 10, set())], other, "val").best is None


def test_pictures_that_cannot_be_read_are_no_other_pictures(answerer) -> None:
    run = answerer("001", 9, set())
    file = run.path / "evaluation-val.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "unreadable": 1}))
    assert read_scoreboard([run], project(10), "val").best is not None


def test_an_answerer_that_lacks_a_class_of_the_pictures_is_not_ranked(answerer) -> None:
    snapshot = project(4, classes=("cat", "dog", "emu"))
    emu = SnapshotImage(4, Path("4.png"), "4", (2,), "val")
    snapshot = dataclasses.replace(snapshot, images=(*snapshot.images, emu))
    (standing,) = read_scoreboard([answerer("001", 4, set())], snapshot, "val").standings
    assert standing.state == "other_classes" and standing.place is None and not standing.can_measure


def test_runs_that_cannot_be_measured_say_why(answerer) -> None:
    runs = [
        answerer("001", 0, set(), has_weights=False),
        answerer("002", 0, set(), epochs=()),
        answerer("003", 0, set()),
        answerer("004", 0, set(), faults={"best": "damaged"}),
    ]
    board = read_scoreboard(runs, project(4), "val")
    states = {name: each.state for name, each in by_run(board).items()}
    assert states == {"001": "no_weights", "002": "not_made", "003": "unmeasured", "004": "no_weights"}
    assert [each.run for each in board.to_measure] == ["003"]


def test_times_of_another_computer_are_not_compared(answerer) -> None:
    here, there = answerer("001", 10, {1}, ms=5), answerer("002", 10, set(), ms=1, computer="another")
    board = read_scoreboard([here, there], project(10), "val")
    assert by_run(board)["001"].milliseconds == 5 and by_run(board)["002"].milliseconds is None
    assert [each.run for each in board.to_measure] == ["002"]
    assert [each.run for each in board.front(lambda each: each.milliseconds)] == ["001"]


def test_the_front_holds_whom_no_other_beats_in_cost_and_accuracy(answerer) -> None:
    runs = [
        answerer("001", 10, {1, 2, 3}, ms=1),
        answerer("002", 10, {1, 2, 3, 4}, ms=2),
        answerer("003", 10, set(), ms=3),
        answerer("004", 10, set(), ms=4),
    ]
    board = read_scoreboard(runs, project(10), "val")
    assert [each.run for each in board.front(lambda each: each.price.seconds)] == ["001", "003"]


def test_each_answerer_has_a_title_of_its_own(answerer) -> None:
    runs = [answerer("001-a", 4, set()), answerer("002-b", 4, set()), answerer("003-c", 4, set(), method="linear")]
    titles = {run: each.title for run, each in by_run(read_scoreboard(runs, project(4), "val")).items()}
    assert titles == {
        "001-a": "LoRA 1, Test ResNet",
        "002-b": "LoRA 2, Test ResNet",
        "003-c": "Linear probe, Test ResNet",
    }


def test_a_measured_price_counts_for_its_weights_only(answerer) -> None:
    run = answerer("001", 4, set(), ms=2)
    (standing,) = read_scoreboard([run], project(4), "val").standings
    assert standing.price.drift == 0.0 and standing.price.shipped_bytes == 1000 and not standing.can_time
    assert standing.price.trainable_share == 0.25
    best = run.path / "best"
    best.mkdir()
    (best / "manifest.json").write_text(json.dumps({"model.safetensors": "of other weights"}))
    (standing,) = read_scoreboard([run], project(4), "val").standings
    assert standing.price.time is None and standing.price.drift == 0.25 and standing.can_time


def test_an_empty_project_has_an_empty_board() -> None:
    board = read_scoreboard([], project(0), "val")
    assert board.best is None and board.standings == () == board.placed == board.to_measure


def test_a_combination_costs_what_its_parts_cost_and_is_trained_where_one_is(answerer) -> None:
    linear, lora = answerer("001", 4, set(), method="linear", ms=3), answerer("002", 4, set(), ms=5)
    parts = [
        Part(run=run.name, weights="", share=0.5, temperature=1.0, accuracy=1.0, loss=0.1) for run in (linear, lora)
    ]
    both = answerer("003", 4, set(), method="combined", ms=1, parts=tuple(parts))
    standing = by_run(read_scoreboard([linear, lora, both], project(4), "val"))["003"]
    assert standing.title == "Combination 1 + 2" and standing.price.seconds == 9
    assert (
        not standing.is_training_free and by_run(read_scoreboard([linear], project(4), "val"))["001"].is_training_free
    )
    alone = answerer("004", 4, set(), method="combined", ms=1, parts=(parts[0],))
    assert by_run(read_scoreboard([linear, alone], project(4), "val"))["004"].is_training_free
