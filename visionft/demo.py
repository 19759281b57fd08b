"""The demonstration: the program's whole path once, on the bundled photographs, offline.

It calls the Python interface, as a notebook would.
"""

from dataclasses import dataclass, replace
from pathlib import Path

from models.catalog import DEFAULT_BACKBONE
from models.messages import Message
from visionft.api import Run, create_project
from visionft.data.types import Snapshot
from visionft.errors import VisionFTError
from visionft.evaluation.stored import read_evaluation
from visionft.export.export_result import ExportResult
from visionft.jobs import SILENT, JobContext
from visionft.sample_projects import Sample, fill_with_sample
from visionft.training.config.train_config import TrainConfig
from visionft.training.preset_choice import preset_of_project
from visionft.training.runs.run_folder import TrainResult

EPOCHS = 3  # of Balanced's run: half a minute on two cores, where its own number takes many
FRAMING = "centre"  # likewise, in place of a measurement on all images


@dataclass(frozen=True, kw_only=True)
class DemoRun:
    """One of the demonstration's runs; `top1` is the validation accuracy that chose it, a share of 1."""

    run: str
    backbone: str
    method: str
    top1: float
    trainable_share: float
    seconds: float


@dataclass(frozen=True, kw_only=True)
class DemoResult:
    """The results of the demonstration.

    Attributes:
        test_top1: Accuracy on `test_images` in PyTorch, with its 95 % interval `test_interval`.
        predicted_right: Correct test images by the exported file, under ONNX Runtime alone.
        predicted_alike: Test images with equal predictions in ONNX Runtime and PyTorch.
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


def demo_configs(images: Snapshot, project_dir: Path) -> tuple[TrainConfig, ...]:
    """Return the settings of the two runs: those of Quick and of Balanced for these images, the latter shortened."""
    quick, balanced = (
        preset_of_project(name, images, project_dir, backbone=DEFAULT_BACKBONE) for name in ("quick", "balanced")
    )
    return replace(quick, framing=FRAMING), replace(balanced, framing=FRAMING, epochs=EPOCHS)


def run_demo(out: Path, sample: Sample = "photographs", *, job: JobContext = SILENT) -> DemoResult:
    """Import and split a sample, train twice, evaluate and export the better run, and predict with it.

    Args:
        out: A folder for project and export; new or empty.
        sample: The bundled photographs, or generated images.

    Raises:
        VisionFTError: The folder is in use.
        JobCancelled: The user cancelled.
    """
    if out.is_file() or (out.is_dir() and any(out.iterdir())):
        raise VisionFTError(Message("{out} is there already.", out=out), "Choose another folder, or remove that one.")
    out = out.absolute()
    with create_project(out / "project") as project:
        fill_with_sample(project, sample, job=job)
        job.check_cancelled()
        images = project.snapshot()
        configs = demo_configs(images, project.path)
        runs: list[tuple[Run, TrainResult]] = []
        for config in configs:
            run = project.train(config, callback=job)
            result = run.result
            assert result is not None, "it was trained just now"
            runs.append((run, result))
            job.check_cancelled()
        best, _ = max(runs, key=lambda pair: _validation_accuracy(pair[1]))
        if (stored := read_evaluation(best.path, "test")) is None:
            best.evaluate("test", callback=job)  # the evaluation after training failed; this raises its error
            stored = read_evaluation(best.path, "test")
        model = best.export(out / "export", callback=job)
        assert stored is not None and model.export is not None, "they were written just now"
        paths = [images.by_id[each.image_id].path for each in stored.predictions]
        pairs = list(zip(stored.predictions, model.stream(paths), strict=True))
    return DemoResult(
        folder=out,
        project=out / "project",
        runs=tuple(
            DemoRun(
                run=result.run,
                backbone=config.backbone,
                method=config.method,
                top1=_validation_accuracy(result),
                trainable_share=result.trainable_parameters / result.total_parameters,
                seconds=result.seconds,
            )
            for config, (_, result) in zip(configs, runs, strict=True)
        ),
        exported_run=best.name,
        test_images=stored.images,
        test_top1=stored.top1,
        test_interval=stored.top1_interval,
        export=model.export,
        predicted=len(pairs),
        predicted_right=sum((answer.class_name,) == each.true_classes for each, answer in pairs),
        predicted_alike=sum((answer.class_name,) == each.predicted for each, answer in pairs),
    )


def _validation_accuracy(result: TrainResult) -> float:
    return result.best.right_share if result.best else 0.0
