"""The demonstration: the program's whole path once, on pictures that it draws itself, without a network.

Not a mock of anything: it calls what the window and the command line call.
"""

from dataclasses import dataclass
from pathlib import Path

from models.catalog import BACKBONES
from resources.samples import generate_samples
from visionft.data.types import Snapshot
from visionft.errors import StoppedError, VisionFTError
from visionft.events import OnEvent, Progress, ShouldStop, ignore_event, never_stop
from visionft.export.parity import ExportResult
from visionft.project.importing.importer import import_source
from visionft.project.splits import assign_splits
from visionft.project.store import Project
from visionft.training.config.train_config import TrainConfig
from visionft.training.runs.run_folder import TrainResult, new_run_dir
from visionft.weights.locations import local_file

PICTURES_PER_CLASS = 100
SEED = 0


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
    """What the demonstration made and measured."""

    folder: Path
    project: Path
    runs: tuple[DemoRun, ...]
    exported_run: str
    test_images: int
    test_top1: float
    export: ExportResult
    predicted: int
    predicted_right: int


def demo_configs() -> tuple[TrainConfig, ...]:
    """Return the settings of the two runs: the bundled starter backbone twice, or a tiny network from scratch."""
    # The fast one: the default network takes five times as long, and at 96 px a linear probe of it reached 62 % here.
    starter = BACKBONES.get("starter_resnet")
    if starter is not None and local_file(starter):
        return (
            TrainConfig(backbone="starter_resnet", method="linear", epochs=30, seed=SEED),
            TrainConfig(backbone="starter_resnet", method="lora", epochs=8, seed=SEED),
        )
    common = {"backbone": "test_resnet", "weights": "random", "image_size": 96, "seed": SEED}
    return (TrainConfig(method="full", epochs=12, **common), TrainConfig(method="lora", epochs=12, **common))


def run_demo(out: Path, *, on_event: OnEvent = ignore_event, should_stop: ShouldStop = never_stop) -> DemoResult:
    """Generate pictures, import and split them, train twice, evaluate and export the better run, and predict with it.

    Args:
        out: A folder for pictures, project and export; new or empty.

    Raises:
        VisionFTError: The folder is in use.
        StoppedError: The user stopped.
    """
    if out.is_file() or (out.is_dir() and any(out.iterdir())):
        raise VisionFTError(f"{out} is there already.", "Choose another folder, or remove that one.")
    out = out.absolute()
    on_event(Progress(stage="Drawing sample pictures", done=0, total=0))
    generate_samples(out / "pictures", per_class=PICTURES_PER_CLASS, seed=SEED)
    snapshot = _make_project(out, on_event, should_stop)
    results = tuple(_train(out / "project", config, snapshot, on_event, should_stop) for config in demo_configs())
    best = max(results, key=lambda result: result.best.val_accuracy if result.best else 0.0)
    return _finish(out, snapshot, results, best, on_event, should_stop)


def _make_project(out: Path, on_event: OnEvent, should_stop: ShouldStop) -> Snapshot:
    with Project.create(out / "project") as project:
        import_source(project, out / "pictures", on_event=on_event, should_stop=should_stop)
        _stop_when_asked(should_stop)
        assign_splits(project, seed=SEED)
        return project.snapshot()


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
    from visionft.export.exporter import export_run
    from visionft.export.predictor import Predictor

    run_dir = out / "project" / "runs" / best.run
    evaluation = evaluate_run(run_dir, snapshot, "test", on_event=on_event, should_stop=should_stop)
    export = export_run(run_dir, snapshot, out / "export", on_event=on_event, should_stop=should_stop)
    pictures = snapshot.labelled("test")
    predictions = list(Predictor(export.model).predict([image.path for image in pictures]))
    right = sum(
        prediction.class_name == snapshot.class_names[image.labels[0]]
        for prediction, image in zip(predictions, pictures, strict=True)
    )
    return DemoResult(
        folder=out,
        project=out / "project",
        runs=tuple(_demo_run(result) for result in results),
        exported_run=best.run,
        test_images=evaluation.images,
        test_top1=evaluation.top1,
        export=export,
        predicted=len(predictions),
        predicted_right=right,
    )


def _demo_run(result: TrainResult) -> DemoRun:
    _, backbone, method = result.run.split("-", 2)
    return DemoRun(
        run=result.run,
        backbone=backbone,
        method=method,
        top1=result.best.val_accuracy if result.best else 0.0,
        trainable_share=result.trainable_parameters / result.total_parameters,
        seconds=result.seconds,
    )


def _stop_when_asked(should_stop: ShouldStop) -> None:
    if should_stop():
        raise StoppedError("The demonstration was stopped.", "Start it again with an empty folder.")
