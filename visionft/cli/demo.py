"""The demonstration: the program's whole path once, on the bundled photographs, offline.

It calls the Python interface, as a notebook would.
"""

from dataclasses import dataclass, replace
from pathlib import Path

from models.catalog import DEFAULT_BACKBONE
from visionft.api import create_project
from visionft.core.errors import VisionFTError
from visionft.core.jobs import SILENT_JOB, JobContext
from visionft.core.messages import Message
from visionft.data.types import Snapshot
from visionft.export.export_result import ExportResult
from visionft.project.importing.sample_projects import fill_with_sample
from visionft.training.budget import Budget
from visionft.training.config.train_config import TrainConfig
from visionft.training.evaluation.stored import read_evaluation
from visionft.training.run_settings import preset_of_project

PRESET = "balanced"
EPOCHS = 2  # of Balanced: half a minute on two cores, where its own number takes many
FRAMING = "centre"  # to save the measurement on all images


@dataclass(frozen=True, kw_only=True)
class DemoResult:
    """The results of the demonstration.

    Attributes:
        run: The name of the run.
        backbone: Its network.
        method: How that was trained; `linear` where training gained nothing.
        seconds: That the run took.
        test_top1: Accuracy on `test_images` in PyTorch, with its 95 % interval `test_interval`.
        predicted_right: Correct test images by the exported file, under ONNX Runtime alone.
        predicted_alike: Test images with equal predictions in ONNX Runtime and PyTorch.
    """

    folder: Path
    project: Path
    run: str
    backbone: str
    method: str
    seconds: float
    test_images: int
    test_top1: float
    test_interval: tuple[float, float]
    export: ExportResult
    predicted: int
    predicted_right: int
    predicted_alike: int


def demo_config(images: Snapshot, project_dir: Path) -> TrainConfig:
    """Return the settings of the run: Balanced for these images, shortened."""
    balanced = preset_of_project(PRESET, images, project_dir, backbone=DEFAULT_BACKBONE)
    return replace(balanced, framing=FRAMING, epochs=EPOCHS)


def run_demo(out: Path, *, job: JobContext = SILENT_JOB) -> DemoResult:
    """Import and split a sample, train, evaluate and export the run, and predict with it.

    Args:
        out: A folder for project and export; new or empty.

    Raises:
        VisionFTError: The folder is in use.
        JobCancelled: The user cancelled.
    """
    if out.is_file() or (out.is_dir() and any(out.iterdir())):
        raise VisionFTError(Message("{out} is there already.", out=out), "Choose another folder, or remove that one.")
    out = out.absolute()
    with create_project(out / "project") as project:
        fill_with_sample(project, job=job)
        job.check_cancelled()
        images = project.snapshot()
        run = project.train(demo_config(images, project.path), budget=Budget(PRESET), callback=job)
        job.check_cancelled()
        if (stored := read_evaluation(run.path, "test")) is None:
            run.evaluate("test", callback=job)  # the evaluation after training failed; this raises its error
            stored = read_evaluation(run.path, "test")
        model = run.export(out / "export", callback=job)
        result = run.result
        assert stored is not None and model.export is not None and result is not None, "they were written just now"
        paths = [images.by_id[each.image_id].path for each in stored.predictions]
        pairs = list(zip(stored.predictions, model.stream(paths), strict=True))
    config = run.summary.config
    return DemoResult(
        folder=out,
        project=out / "project",
        run=run.name,
        backbone=config.backbone,
        method=config.method,
        seconds=result.seconds,
        test_images=stored.images,
        test_top1=stored.top1,
        test_interval=stored.top1_interval,
        export=model.export,
        predicted=len(pairs),
        predicted_right=sum((answer.class_name,) == each.true_classes for each, answer in pairs),
        predicted_alike=sum((answer.class_name,) == each.predicted for each, answer in pairs),
    )
