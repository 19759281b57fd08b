"""The long work the window starts: each function binds engine calls to their inputs for a `Job`.

Everything heavy is imported inside the work, so in the job's thread: the window itself never loads a learning library.
`Project` may be used from any thread (its changes queue), so work that writes shares the window's.
"""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from gui.jobs import Work
from gui.predictions import Answers, PictureAnswer
from visionft.events import OnEvent, Progress, ShouldStop

if TYPE_CHECKING:
    from visionft.project.examining import ClassMap
    from visionft.project.import_changes import FileFacts
    from visionft.project.snapshot import Snapshot, Split
    from visionft.project.store import Project
    from visionft.training.config import TrainConfig
    from visionft.training.runs import RunSummary


def preview_pictures(project: "Project | None", source: Path) -> Work:
    """Look at everything a source offers, without writing; the result is the engine's `ImportPreview`."""

    def work(*, on_event: OnEvent, should_stop: ShouldStop) -> object:
        from visionft.project.preview import preview_source

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
        from visionft.project.importing import import_source

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


def make_sample(project: "Project") -> Work:
    """Draw the sample pictures inside a new project, import and split them; the result is the `ImportReport`."""

    def work(*, on_event: OnEvent, should_stop: ShouldStop) -> object:
        from resources.samples import generate_samples
        from visionft.project.importing import import_source
        from visionft.project.splits import assign_splits

        pictures = project.path / "sample pictures"
        on_event(Progress(stage="Drawing sample pictures", done=0, total=0))
        generate_samples(pictures)
        report = import_source(project, pictures, copy=False, on_event=on_event, should_stop=should_stop)
        if not report.stopped:
            assign_splits(project)
        return report

    return work


def train_run(config: "TrainConfig", images: "Snapshot", project_dir: Path) -> Work:
    """Train; the result is the engine's `TrainResult`."""

    def work(*, on_event: OnEvent, should_stop: ShouldStop) -> object:
        from visionft.training.runs import new_run_dir

        on_event(Progress(stage="Loading the learning libraries", done=0, total=0))
        from visionft.training.loop import train

        run_dir = new_run_dir(project_dir, config)
        return train(config, images, run_dir, on_event=on_event, should_stop=should_stop)

    return work


def continue_run(run: "RunSummary", images: "Snapshot") -> Work:
    """Go on with a run that was stopped or killed, from its last checkpoint; the result is a `TrainResult`."""

    def work(*, on_event: OnEvent, should_stop: ShouldStop) -> object:
        on_event(Progress(stage="Loading the learning libraries", done=0, total=0))
        from visionft.training.loop import train

        return train(run.config, images, run.path, on_event=on_event, should_stop=should_stop)

    return work


def export_model(run_dir: Path, images: "Snapshot", out_dir: Path) -> Work:
    """Export a run to one ONNX file and compare it with PyTorch; the result is the engine's `ExportResult`."""

    def work(*, on_event: OnEvent, should_stop: ShouldStop) -> object:
        on_event(Progress(stage="Loading the learning libraries", done=0, total=0))
        from visionft.deploy.export import export_run

        return export_run(run_dir, images, out_dir, on_event=on_event, should_stop=should_stop)

    return work


def evaluate(run_dir: Path, images: "Snapshot", split: "Split") -> Work:
    """Measure a run on a split; figures and predictions are kept in its folder."""

    def work(*, on_event: OnEvent, should_stop: ShouldStop) -> object:
        on_event(Progress(stage="Loading the learning libraries", done=0, total=0))
        from visionft.evaluation.report import evaluate_run

        return evaluate_run(run_dir, images, split, on_event=on_event, should_stop=should_stop)

    return work


def predict(model: Path, sources: Sequence[Path]) -> Work:
    """Classify pictures (or all pictures of folders) with an exported file in ONNX Runtime; returns `Answers`."""

    def work(*, on_event: OnEvent, should_stop: ShouldStop) -> object:
        on_event(Progress(stage="Opening the model", done=0, total=0))
        from visionft.deploy.predictor import Predictor, expand_folders

        predictor, paths = Predictor(model), expand_folders(sources)
        answers: list[PictureAnswer] = []
        began = time.perf_counter()
        for prediction in predictor.predict(paths):
            answers.append(PictureAnswer(path=prediction.path, top=prediction.top5, error=prediction.error))
            on_event(Progress(stage="Classifying", done=len(answers), total=len(paths)))
            if should_stop():
                break
        elapsed_ms = (time.perf_counter() - began) * 1000
        return Answers(
            answers=tuple(answers),
            class_names=predictor.class_names,
            provider=predictor.provider,
            milliseconds_each=elapsed_ms / max(1, len(answers)),
            was_stopped=len(answers) < len(paths),
        )

    return work


def check_computer() -> Work:
    """Look at versions, devices and providers; returns the doctor's text."""

    def work(*, on_event: OnEvent, should_stop: ShouldStop) -> object:
        on_event(Progress(stage="Loading the learning libraries", done=0, total=0))
        from visionft.doctor import describe, diagnose

        return describe(diagnose())

    return work
