"""Training a run in stages: each ends with a run that can be used, and a better one takes its place."""

import dataclasses
import json
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from models.methods.full import FullOptions
from visionft.core.events import EpochDone, Event, Progress, ResultStored, StepDone
from visionft.core.files import sha256_file
from visionft.core.jobs import JobContext
from visionft.data.types import Snapshot, SnapshotImage
from visionft.training.budget import Budget
from visionft.training.config.presets import Circumstances, preset_config
from visionft.training.config.train_config import TrainConfig
from visionft.training.evaluation import trained_run
from visionft.training.evaluation.report import evaluate_run
from visionft.training.evaluation.stored import read_evaluation
from visionft.training.evaluation.trained_run import resume_and_evaluate, train_and_evaluate
from visionft.training.runs.checkpoint import BEST, load_checkpoint
from visionft.training.runs.metrics_file import read_accuracies
from visionft.training.runs.run_folder import NEXT_FOLDER, list_runs, read_run, scan_runs


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Snapshot:
    """Return noisy images whose class is the direction of faint stripes: a network that is trained gains."""
    folder, random, found = tmp_path_factory.mktemp("stripes"), np.random.default_rng(0), []
    for number in range(72):
        label = number % 2
        stripes = np.where(np.arange(48) // 2 % 2, 12, -12)
        pattern = stripes[:, None] if label else stripes[None, :]
        pixels = np.clip(128 + pattern[..., None] + random.normal(0, 40, (48, 48, 3)), 0, 255).astype(np.uint8)
        path = folder / f"{number}.png"
        Image.fromarray(pixels).save(path)
        split = "train" if number < 40 else "val" if number < 60 else "test"
        found.append(SnapshotImage(number + 1, path, sha256_file(path), (label,), split))
    return Snapshot("single", ("across", "down"), tuple(found))


def settings(preset: str, images: Snapshot, **changes: object) -> TrainConfig:
    config = preset_config(preset, Circumstances.of(images, device="cpu"), backbone="starter_resnet")
    values = {"device": "cpu", "workers": 0, "image_size": 64, "framing": "centre", "batch_size": 8, **changes}
    return dataclasses.replace(config, **values)


def trained(images: Snapshot, **changes: object) -> TrainConfig:
    """Return settings that train the network and gain: with so few images Balanced itself does not."""
    methods: dict[str, object] = {"full": FullOptions(layers="joined")}
    fixed: dict[str, object] = {
        "epochs": 2,
        "patience": 0,
        "augmentation": "none",
        "method": "full",
        "methods": methods,
    }
    return settings("best", images, **{**fixed, "methods": methods, **changes})


def is_step(event: Event) -> bool:
    return isinstance(event, StepDone) or (isinstance(event, EpochDone) and event.epoch > 0)


class Stop:
    """A context that is cancelled at an event."""

    def __init__(self, at: Callable[[Event], bool]) -> None:
        self.events: list[Event] = []
        self._at = at
        self.is_over = False

    @property
    def job(self) -> JobContext:
        def take(event: Event) -> None:
            self.events.append(event)
            self.is_over |= self._at(event)

        return JobContext(take, lambda: self.is_over)


@pytest.mark.slow
def test_a_run_can_be_used_while_its_network_is_trained(images: Snapshot, tmp_path: Path) -> None:
    found = []

    def look(event: Event) -> None:
        """Evaluate the run as it is on the disk, in the middle of an epoch."""
        if isinstance(event, StepDone) and not found:
            run = read_run(tmp_path / "runs" / "001-a")
            assert run.has_weights and run.is_going and not run.is_unfinished and run.config.method == "linear"
            assert run.next is not None and run.next.config.method == "full"
            found.append((read_evaluation(run.path, "test"), evaluate_run(run.path, images, "test")))
            assert [each.name for each in list_runs(tmp_path)] == [run.name]

    events = list[Event]()

    def take(event: Event) -> None:
        look(event)
        events.append(event)

    job = JobContext(take)
    run_dir = tmp_path / "runs" / "001-a"
    run = train_and_evaluate(trained(images), images, run_dir, budget=Budget("balanced"), job=job)
    (stored, again), *_ = found
    assert stored is not None and stored.top1 == again.top1
    assert run == read_run(run.path) and run.plan is None and run.next is None and not run.is_unfinished
    assert not (run.path / NEXT_FOLDER).exists() and run.evaluations["test"].run == run.name
    assert read_evaluation(run.path, "test").top1 == run.evaluations["test"].top1
    points = read_accuracies(run.path)
    assert [point.at_s for point in points] == sorted(point.at_s for point in points)
    assert [(point.epoch, point.is_kept) for point in points[:2]] == [(0, True), (0, False)]  # once, though twice there
    assert any(point.is_kept for point in points[2:]) == (run.config.method == "full")
    assert run.result.seconds >= points[-1].at_s > points[0].at_s > 0
    assert run.result.best.at_s <= run.result.seconds
    names = [event.name for event in events if isinstance(event, ResultStored)]
    assert set(names) <= {run.name} and len(names) == (run.config.method == "full")


@pytest.mark.slow
def test_what_is_stopped_keeps_the_best_and_goes_on_the_same(images: Snapshot, tmp_path: Path) -> None:
    config = trained(images, epochs=3)
    whole = train_and_evaluate(config, images, tmp_path / "a" / "runs" / "001-a", budget=Budget("balanced"))
    stop = Stop(lambda event: isinstance(event, EpochDone) and event.epoch == 2)
    run_dir = tmp_path / "b" / "runs" / "001-a"
    run = train_and_evaluate(config, images, run_dir, budget=Budget("balanced"), job=stop.job)
    assert run.is_unfinished and run.has_weights and run.evaluations["test"].images == 12
    assert run.next is not None and run.next.last_epoch == 2
    assert read_evaluation(run.path, "test") is not None
    before = read_accuracies(run.path)
    resumed = resume_and_evaluate(run.path)
    assert not resumed.is_unfinished and resumed.evaluations["test"].top1 == pytest.approx(whole_top1(whole))
    mine, theirs = (load_checkpoint(each.path / BEST).model for each in (resumed, whole))
    assert mine.keys() == theirs.keys() and all(mine[name].equal(theirs[name]) for name in mine)
    points = read_accuracies(resumed.path)
    assert points[: len(before)] == before and points[-1].at_s > before[-1].at_s
    assert [(each.epoch, each.accuracy) for each in points] == [
        (each.epoch, each.accuracy) for each in read_accuracies(whole.path)
    ]


def whole_top1(run) -> float:
    return read_evaluation(run.path, "test").top1


@pytest.mark.slow
def test_a_budget_can_be_lowered_and_raised_while_the_run_goes_on(images: Snapshot, tmp_path: Path) -> None:
    budget = Budget("balanced")

    def lower(event: Event) -> None:
        if isinstance(event, StepDone) and event.epoch == 2:
            budget.preset = "quick"

    config = trained(images, epochs=200)
    run = train_and_evaluate(config, images, tmp_path / "runs" / "001-a", budget=budget, job=JobContext(lower))
    assert not run.is_unfinished and run.last_epoch < 5 and run.evaluations["test"].images == 12

    budget, events = Budget("quick"), list[Event]()

    def rise(event: Event) -> None:
        events.append(event)
        if isinstance(event, EpochDone) and not event.epoch:
            budget.preset = "best"
        elif isinstance(event, StepDone):  # of the network, which is trained now
            budget.preset = "quick"

    quick = settings("quick", images)
    run = train_and_evaluate(quick, images, tmp_path / "runs" / "002-a", budget=budget, job=JobContext(rise))
    assert any(map(is_step, events)) and not run.is_unfinished


def test_many_images_have_a_first_answer_from_some(images: Snapshot, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(trained_run, "FIRST_IMAGES", 10)
    events = list[Event]()
    config = settings("quick", images, framing="auto")
    run = train_and_evaluate(
        config, images, tmp_path / "runs" / "001-a", budget=Budget("quick"), job=JobContext(events.append)
    )
    first = next(event for event in events if isinstance(event, Progress) and event.total)
    assert first.total < 20 and run.evaluations["test"].images == 12  # of 60, and then all
    assert run.result.best.val_accuracy == run.evaluations["val"].top1
    assert sum(isinstance(event, ResultStored) for event in events) == 2


@pytest.mark.slow
def test_a_crash_while_a_stage_takes_its_place_is_mended(images: Snapshot, tmp_path: Path) -> None:
    stop = Stop(lambda event: isinstance(event, EpochDone) and event.epoch == 2)
    run_dir = tmp_path / "runs" / "001-a"
    run = train_and_evaluate(trained(images, epochs=3), images, run_dir, budget=Budget("balanced"), job=stop.job)
    following = run.path / NEXT_FOLDER
    names = [each.name for each in following.iterdir() if each.name != "run.lock"]
    (following / "adopted.json").write_text(json.dumps(names))
    (run.path / "best").rename(run.path / ".best.old")
    (following / "best").rename(run.path / "best")  # and then the computer loses its power
    mended = read_run(run.path)
    assert mended.config.method == "full" and mended.next is None and mended.has_weights and mended.title == run.title
    assert not mended.faults and not following.exists()


@pytest.mark.slow
@pytest.mark.parametrize(
    "content", ["{", "[]", '{"preset": 1, "config": {"backbone": 5}}', '{"preset": "x", "config": {}}']
)
def test_a_damaged_plan_or_stage_does_not_hide_the_run(images: Snapshot, tmp_path: Path, content: str) -> None:
    quick = settings("quick", images)
    run = train_and_evaluate(quick, images, tmp_path / "runs" / "001-a", budget=Budget("quick"))
    (run.path / "plan.json").write_text(content)
    (run.path / NEXT_FOLDER).mkdir()
    (run.path / NEXT_FOLDER / "config.json").write_text(content)
    (run.path / NEXT_FOLDER / "adopted.json").write_text(content)
    runs, damaged = scan_runs(tmp_path)
    assert [each.name for each in runs] == [run.name] and not damaged and runs[0].next is None
    assert runs[0].plan is None and not runs[0].is_unfinished and runs[0].has_weights


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="links need a privilege")
def test_a_stage_that_leads_out_of_the_project_is_not_taken(images: Snapshot, tmp_path: Path) -> None:
    project, elsewhere = tmp_path / "project", tmp_path / "elsewhere"
    (project / "runs").mkdir(parents=True)
    (project / "project.db").touch()
    run = train_and_evaluate(settings("quick", images), images, project / "runs" / "001-a", budget=Budget("quick"))
    elsewhere.mkdir()
    (elsewhere / "diary.txt").write_text("mine")
    (elsewhere / "adopted.json").write_text('["diary.txt"]')
    (run.path / NEXT_FOLDER).symlink_to(elsewhere)
    assert read_run(run.path).has_weights
    assert sorted(each.name for each in elsewhere.iterdir()) == ["adopted.json", "diary.txt"]
    assert not (run.path / "diary.txt").exists()


@pytest.mark.slow
def test_a_raised_budget_is_remembered_over_a_crash(images: Snapshot, tmp_path: Path) -> None:
    budget = Budget("quick")
    stop = Stop(lambda event: isinstance(event, StepDone))
    quick = settings("quick", images)

    def rise(event: Event) -> None:
        if isinstance(event, EpochDone) and not event.epoch:
            budget.preset = "best"
        stop.job.report(event)

    job = JobContext(rise, lambda: stop.is_over)
    run = train_and_evaluate(quick, images, tmp_path / "runs" / "001-a", budget=budget, job=job)
    assert run.is_unfinished and run.plan is not None and (run.plan.preset, run.plan.stage) == ("best", "best")
    assert run.next is not None and run.next.config.method == "full"
    again = Stop(lambda event: isinstance(event, StepDone))
    resumed = resume_and_evaluate(run.path, job=again.job)
    assert resumed.is_unfinished and resumed.next is not None
    assert resumed.next.config == run.next.config and resumed.config == run.config
    ended = resume_and_evaluate(run.path, budget=Budget("quick"))
    assert not ended.is_unfinished and ended.next is None and ended.has_weights
