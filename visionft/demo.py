"""The demonstration: the program's whole path once, on the photographs that come with it, without a network.

Not a mock of anything: it calls what the window and the command line call.
"""

from dataclasses import dataclass, replace
from pathlib import Path

from models.catalog import DEFAULT_BACKBONE
from visionft.data.types import Snapshot
from visionft.errors import StoppedError, VisionFTError
from visionft.events import OnEvent, ShouldStop, ignore_event, never_stop
from visionft.export.parity import ExportResult
from visionft.project.store import Project
from visionft.samples import Sample, fill_with_sample
from visionft.training.config.presets import Circumstances, preset_config
from visionft.training.config.train_config import TrainConfig
from visionft.training.runs.run_folder import TrainResult, new_run_dir

EPOCHS = 4  # of Balanced's run: about a minute on two cores, where its own number takes many


@dataclass(frozen=True, kw_only=True)
class DemoRun:
    """One of the demonstration's runs; `top1` is the best validation accuracy, a share of 1."""

    run: str
    backbone: str
    method: str
    top1: float
    trainable_share: float
    seconds: float


@dataclass(frozen=True, kw_only=True)
class DemoResult:
    """What the demonstration made and measured.

    Attributes:
        test_top1: Share of `test_images` that PyTorch has right, with its 95 % interval `test_interval`.
        predicted_right: Test pictures that the exported file, under ONNX Runtime alone, has right.
        predicted_alike: Those for which it says the class that PyTorch says.
    """

    folder: Path
    project: Path
    runs: tuple[DemoRun, ...]
    exported_run: str
    test_images: int
    test_top1: float
    test_interval: tuple[float, float]
    export: ExportResult
    predicted: int
    predicted_right: int
    predicted_alike: int


def demo_configs(images: Snapshot) -> tuple[TrainConfig, ...]:
    """Return the settings of the two runs: those of Quick and of Balanced for these pictures, the latter shortened."""
    circumstances = Circumstances.of(images)
    quick, balanced = (preset_config(name, circumstances, backbone=DEFAULT_BACKBONE) for name in ("quick", "balanced"))
    return quick, replace(balanced, epochs=EPOCHS)


def run_demo(
    out: Path,
    sample: Sample = "photographs",
    *,
    on_event: OnEvent = ignore_event,
    should_stop: ShouldStop = never_stop,
) -> DemoResult:
    """Import and split a sample, train twice, evaluate and export the better run, and predict with it.

    Args:
        out: A folder for project and export; new or empty.
        sample: The photographs that come with the program, or pictures that it draws.

    Raises:
        VisionFTError: The folder is in use.
        StoppedError: The user stopped.
    """
    if out.is_file() or (out.is_dir() and any(out.iterdir())):
        raise VisionFTError(f"{out} is there already.", "Choose another folder, or remove that one.")
    out = out.absolute()
    with Project.create(out / "project") as project:
        fill_with_sample(project, sample, on_event=on_event, should_stop=should_stop)
        _stop_when_asked(should_stop)
        snapshot = project.snapshot()
    configs = demo_configs(snapshot)
    results = tuple(_train(out / "project", config, snapshot, on_event, should_stop) for config in configs)
    best = max(results, key=lambda result: result.best.right_share if result.best else 0.0)
    return _finish(out, snapshot, results, best, on_event, should_stop)


def _train(
    project: Path, config: TrainConfig, snapshot: Snapshot, on_event: OnEvent, should_stop: ShouldStop
) -> TrainResult:
    from visionft.training.loop.train import train

    run_dir = new_run_dir(project, config)
    result = train(config, snapshot, run_dir, is_new=True, on_event=on_event, should_stop=should_stop)
    _stop_when_asked(should_stop)
    return result


def _finish(
    out: Path,
    snapshot: Snapshot,
    results: tuple[TrainResult, ...],
    best: TrainResult,
    on_event: OnEvent,
    should_stop: ShouldStop,
) -> DemoResult:
    from visionft.evaluation.report import evaluate_run
    from visionft.evaluation.stored import read_evaluation
    from visionft.export.exporter import export_run
    from visionft.export.predictor import Predictor

    run_dir = out / "project" / "runs" / best.run
    evaluation = evaluate_run(run_dir, snapshot, "test", on_event=on_event, should_stop=should_stop)
    export = export_run(run_dir, snapshot, out / "export", on_event=on_event, should_stop=should_stop)
    stored = read_evaluation(run_dir, "test")
    assert stored is not None, "it was written just now"
    path_of = {image.image_id: image.path for image in snapshot.images}
    predictions = Predictor(export.model).predict([path_of[each.image_id] for each in stored.predictions])
    pairs = [(each, (answer.class_name,)) for each, answer in zip(stored.predictions, predictions, strict=True)]
    return DemoResult(
        folder=out,
        project=out / "project",
        runs=tuple(_demo_run(result) for result in results),
        exported_run=best.run,
        test_images=evaluation.images,
        test_top1=evaluation.top1,
        test_interval=evaluation.top1_interval,
        export=export,
        predicted=len(pairs),
        predicted_right=sum(answer == each.true_classes for each, answer in pairs),
        predicted_alike=sum(answer == each.predicted for each, answer in pairs),
    )


def _demo_run(result: TrainResult) -> DemoRun:
    _, backbone, method = result.run.split("-", 2)
    return DemoRun(
        run=result.run,
        backbone=backbone,
        method=method,
        top1=result.best.right_share if result.best else 0.0,
        trainable_share=result.trainable_parameters / result.total_parameters,
        seconds=result.seconds,
    )


def _stop_when_asked(should_stop: ShouldStop) -> None:
    if should_stop():
        raise StoppedError("The demonstration was stopped.", "Start it again with an empty folder.")
