"""The long work the window starts: each function binds engine calls to their inputs for a `Job`.

Everything heavy is imported inside the work, so in the job's thread: the window itself never loads a learning library.
`Project` may be used from any thread (its changes queue), so work that writes shares the window's.
"""

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from gui.kit.workers import Work
from visionft.events import OnEvent, Progress, ShouldStop

MEASURING = ("estimate", "rates")  # kinds of jobs that only look: a training run stops them and takes their place

if TYPE_CHECKING:
    from visionft.data.types import Snapshot, Split, Task
    from visionft.evaluation.explanation import Asked
    from visionft.project.edits.import_changes import FileFacts
    from visionft.project.importing.import_filter import ClassMap
    from visionft.project.store import Project
    from visionft.public_sets import PublicSet
    from visionft.training.config.train_config import TrainConfig


def preview_pictures(project: "Project | None", source: Path) -> Work:
    """Look at everything a source offers, without writing; the result is the engine's `ImportPreview`."""

    def work(*, on_event: OnEvent, should_stop: ShouldStop) -> object:
        from visionft.project.importing.preview import preview_source

        return preview_source(source, project, on_event=on_event, should_stop=should_stop)

    return work


def import_pictures(
    project: "Project",
    source: Path,
    *,
    copy: bool,
    class_map: "ClassMap | None" = None,
    known_facts: "Mapping[Path, FileFacts] | None" = None,
) -> Work:
    """Import pictures, after a preview with what it read; the result is the engine's `ImportReport`."""

    def work(*, on_event: OnEvent, should_stop: ShouldStop) -> object:
        from visionft.project.importing.importer import import_source

        return import_source(
            project,
            source,
            copy=copy,
            class_map=class_map,
            known_facts=known_facts,
            on_event=on_event,
            should_stop=should_stop,
        )

    return work


def split_pictures(project: "Project", *, val: float = 0.15, test: float = 0.15, seed: int = 0) -> Work:
    """Divide the labelled pictures into training, validation and test; the result is the engine's `SplitReport`."""

    def work(*, on_event: OnEvent, should_stop: ShouldStop) -> object:
        from visionft.project.splits import assign_splits

        on_event(Progress(stage="Splitting", done=0, total=0))
        return assign_splits(project, val=val, test=test, seed=seed)

    return work


def fetch_public_set(wanted: "PublicSet", folder: Path) -> Work:
    """Fetch a public set of pictures; the result is the file that lists them, None when it was stopped."""

    def work(*, on_event: OnEvent, should_stop: ShouldStop) -> object:
        on_event(Progress(stage="Loading the learning libraries", done=0, total=0))
        from visionft.public_sets import fetch_set

        return fetch_set(wanted, folder, on_event=on_event, should_stop=should_stop)

    return work


def make_sample(project: "Project") -> Work:
    """Draw the sample pictures inside a new project, import and split them; the result is the `ImportReport`.

    Stopped while it draws, it leaves nothing and returns None.
    """

    def work(*, on_event: OnEvent, should_stop: ShouldStop) -> object:
        from resources.samples import generate_samples
        from visionft.project.importing.importer import import_source
        from visionft.project.splits import assign_splits

        pictures = project.path / "sample pictures"
        generate_samples(
            pictures,
            on_picture=lambda done, total: on_event(Progress(stage="Drawing sample pictures", done=done, total=total)),
            should_stop=should_stop,
        )
        if should_stop():
            shutil.rmtree(pictures, ignore_errors=True)
            return None
        report = import_source(project, pictures, copy=False, on_event=on_event, should_stop=should_stop)
        if not report.stopped:
            assign_splits(project)
        return report

    return work


def train_run(config: "TrainConfig", images: "Snapshot", project_dir: Path) -> Work:
    """Train; the result is the engine's `TrainResult`."""

    def work(*, on_event: OnEvent, should_stop: ShouldStop) -> object:
        from visionft.training.runs.run_folder import new_run_dir

        on_event(Progress(stage="Loading the learning libraries", done=0, total=0))
        from visionft.training.loop.train import train

        run_dir = new_run_dir(project_dir, config)
        return train(config, images, run_dir, is_new=True, on_event=on_event, should_stop=should_stop)

    return work


def continue_run(run_dir: Path) -> Work:
    """Go on with a run that was stopped or killed, on the pictures it began with; the result is a `TrainResult`."""

    def work(*, on_event: OnEvent, should_stop: ShouldStop) -> object:
        on_event(Progress(stage="Loading the learning libraries", done=0, total=0))
        from visionft.training.loop.train import resume

        return resume(run_dir, on_event=on_event, should_stop=should_stop)

    return work


def estimate_costs(configs: Sequence["TrainConfig"], images: "Snapshot") -> Work:
    """Measure a few steps of each of these settings; the measurements are kept for `known_estimate`.

    The result is a tuple of (config, estimate, or why it cannot be trained here).
    """

    def work(*, on_event: OnEvent, should_stop: ShouldStop) -> object:
        on_event(Progress(stage="Loading the learning libraries", done=0, total=0))
        from visionft.errors import VisionFTError
        from visionft.training.estimate import estimate_run

        found = []
        for config in configs:
            try:
                found.append((config, estimate_run(config, images, on_event=on_event, should_stop=should_stop)))
            except VisionFTError as error:
                if len(configs) == 1 and not should_stop():
                    raise
                found.append((config, error.message))
            if should_stop():
                break
        return tuple(found)

    return work


def find_rate(config: "TrainConfig", images: "Snapshot") -> Work:
    """Try rising learning rates on a network that is thrown away; the result is the engine's `RateCurve`, or None."""

    def work(*, on_event: OnEvent, should_stop: ShouldStop) -> object:
        on_event(Progress(stage="Loading the learning libraries", done=0, total=0))
        from visionft.errors import VisionFTError
        from visionft.training.lr_finder import find_learning_rate

        try:
            return find_learning_rate(config, images, on_event=on_event, should_stop=should_stop)
        except VisionFTError:
            if should_stop():
                return None
            raise

    return work


def suggest(run_dir: Path, images: "Snapshot") -> Work:
    """Classify the pictures without a label; what is found is kept in the run's folder."""

    def work(*, on_event: OnEvent, should_stop: ShouldStop) -> object:
        on_event(Progress(stage="Loading the learning libraries", done=0, total=0))
        from visionft.suggest.suggestions import suggest_labels

        return suggest_labels(run_dir, images, on_event=on_event, should_stop=should_stop)

    return work


def export_model(run_dir: Path, images: "Snapshot", out_dir: Path, *, float_input: bool, opset: int) -> Work:
    """Export a run to one ONNX file and compare it with PyTorch; the result is the engine's `ExportResult`."""

    def work(*, on_event: OnEvent, should_stop: ShouldStop) -> object:
        on_event(Progress(stage="Loading the learning libraries", done=0, total=0))
        from visionft.export.exporter import export_run

        return export_run(
            run_dir, images, out_dir, float_input=float_input, opset=opset, on_event=on_event, should_stop=should_stop
        )

    return work


def evaluate(run_dir: Path, images: "Snapshot", split: "Split") -> Work:
    """Measure a run on a split; figures and predictions are kept in its folder."""

    def work(*, on_event: OnEvent, should_stop: ShouldStop) -> object:
        on_event(Progress(stage="Loading the learning libraries", done=0, total=0))
        from visionft.evaluation.report import evaluate_run

        return evaluate_run(run_dir, images, split, on_event=on_event, should_stop=should_stop)

    return work


def explain(run_dir: Path, asked: "Sequence[Asked]", task: "Task") -> Work:
    """Show where a run looks in pictures, and test that; the result is the engine's `Explanation` of each."""

    def work(*, on_event: OnEvent, should_stop: ShouldStop) -> object:
        on_event(Progress(stage="Loading the learning libraries", done=0, total=0))
        from visionft.evaluation.explain import explain_images

        return explain_images(run_dir, asked, task=task, on_event=on_event, should_stop=should_stop)

    return work


def check_computer() -> Work:
    """Look at versions, devices and providers; returns the doctor's text."""

    def work(*, on_event: OnEvent, should_stop: ShouldStop) -> object:
        on_event(Progress(stage="Loading the learning libraries", done=0, total=0))
        from visionft.doctor import describe, diagnose

        return describe(diagnose())

    return work
