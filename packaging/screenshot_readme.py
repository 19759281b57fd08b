"""The README's images, of a real run: `python packaging/screenshots.py --readme [OUT [IMAGES]]`.

The window makes a project of class folders (without IMAGES of the photographs shipped with the program), trains
Balanced, and is photographed. Work without a page to wait for (evaluation, export) is called
as the pages call it. So every figure in these images was measured on the computer that made them.

Pages change more often than this file. It calls the same methods as other screens (`take_step`, `classify` ...),
presses buttons by their text, and where one is missing, prints a message and photographs the page as it is.
"""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, LiteralString

from PySide6.QtWidgets import QAbstractButton, QWidget
from studio import Studio

from gui.kit.banner import Banner
from gui.kit.translation import tr
from gui.session import ProjectSession
from models.catalog import DEFAULT_BACKBONE
from visionft.errors import NextStep
from visionft.evaluation.stored import read_evaluation
from visionft.project.importing.importer import import_source
from visionft.project.splits import assign_splits
from visionft.project.store import Project
from visionft.training.config.train_config import TrainConfig
from visionft.training.preset_choice import preset_of_project
from visionft.training.runs.run_folder import RunSummary, list_runs

SIZE = (1280, 800)
PRESET = "balanced"
PATIENCE_S = 3600


def photograph_readme(studio: Studio, out: Path, images: Path | None = None) -> None:
    """Make the project of `images`, train, and write `<page>.png` for each page into `out`."""

    def photograph(page: str) -> None:
        for message in studio.window.findChildren(Banner):
            message.hide()
        studio.photograph(out / f"{page}.png", width=SIZE[0], height=SIZE[1])

    studio.settle(*SIZE)
    session = _make_project(studio, images)
    _train(studio, session)
    photograph("train")
    best = _measure_and_export(session)
    poses = {"project": _show, "label": _label, "curate": _curate, "results": _results, "export": _export, "try": _try}
    for page, pose in poses.items():
        pose(studio, page, best)
        photograph(page)


# -- making ---------------------------------------------------------------------------------------------------------


def _make_project(studio: Studio, images: Path | None) -> ProjectSession:
    """Do the work of *Try a sample*, or import class folders, and wait for the project."""
    if images is None:
        _show(studio, "project").try_sample("photographs")
    else:
        path = studio.folder / images.name.replace("_", " ").capitalize()
        with Project.create(path) as project:
            import_source(project, images)
            assign_splits(project)
        studio.state.open_project(path)
    _wait_for_tasks(studio)
    return _session(studio)


def _session(studio: Studio) -> ProjectSession:
    if studio.state.session is None:
        raise SystemExit("The sample project was not made.")
    return studio.state.session


def _train(studio: Studio, session: ProjectSession) -> None:
    """Train a run of Balanced in the window."""
    page, runner, ended = _show(studio, "train"), session.runner, []
    runner.run_ended.connect(lambda how, _run, _unseen, message: ended.append((how, message)))
    runner.start(settings_of(session), PRESET)
    _press(page, "Live run")
    _wait(studio, lambda: bool(ended))
    _wait_for_tasks(studio)
    how, message = ended[0]
    if how != "finished":
        raise SystemExit(f"The run {how}: {message}")
    _press(page, "Details")  # the accuracy over time, in place of the images


def settings_of(session: ProjectSession) -> TrainConfig:
    return preset_of_project(PRESET, session.snapshot(), session.path, backbone=DEFAULT_BACKBONE)


def _measure_and_export(session: ProjectSession) -> RunSummary:
    """Evaluate the runs where the window has not, export the better one and return it."""
    from visionft.evaluation.report import evaluate_run
    from visionft.export.exporter import export_run

    snapshot, shares = session.snapshot(), {}
    for run in list_runs(session.path):
        if read_evaluation(run.path, "val") is None:
            evaluate_run(run.path, snapshot, "val")
        shares[run.name] = evaluate_run(run.path, snapshot, "test").top1
        print(f"{run.name}: {shares[run.name]:.1%} of the test images")
    best = max(list_runs(session.path), key=lambda run: shares[run.name])
    exported = export_run(best.path, snapshot, session.path / "exports" / best.name)
    session.runs_changed.emit()
    session.exports_changed.emit(exported.model)
    return best


# -- posing ---------------------------------------------------------------------------------------------------------


def _show(studio: Studio, name: str, _best: RunSummary | None = None) -> Any:
    """Show a page and return it."""
    studio.window.show_page(name)
    studio.settle(*SIZE)
    studio.wait_for_images(3000)
    return studio.window.page(name)


def _label(studio: Studio, name: str, _best: RunSummary) -> None:
    """Choose a few images where one class ends and the next begins."""
    page, images = _show(studio, name), _session(studio).snapshot().images
    with _as_far_as_it_goes("choosing images on Label"):
        place = next(place for place, image in enumerate(images) if image.labels == images[-1].labels)
        page.grid.selection.set_current(place)
        page.grid.selection.set_current(place + 2, extend=True)
    studio.wait_for_images(4000)


def _curate(studio: Studio, name: str, _best: RunSummary) -> None:
    """Run the checks, and show the map of the images."""
    page = _show(studio, name)
    _press(page, "Find issues")
    _wait_for_tasks(studio)
    with _as_far_as_it_goes("showing the map on Curate"):
        page.show_view("map")
        studio.wait_for_images(6000)
        _wait_for_tasks(studio)
    studio.wait_for_images(3000)


def _results(studio: Studio, name: str, best: RunSummary) -> None:
    """Choose the better run and explain its surest mistake."""
    page = _show(studio, name)
    with _as_far_as_it_goes("explaining a mistake on Results"):
        page.table.select([best.name])
        page.images.explain.strip.selection.set_current(0)
        _press(page, "Explain")
    _wait_for_tasks(studio)


def _export(studio: Studio, name: str, best: RunSummary) -> None:
    """Select the exported run."""
    _show(studio, name).take_step(NextStep("export", run=best.name))


def _try(studio: Studio, name: str, _best: RunSummary) -> None:
    """Predict the test images with the exported model."""
    test = _session(studio).snapshot().labelled("test")
    _show(studio, name).classify([image.path for image in test])
    _wait_for_tasks(studio)


@contextmanager
def _as_far_as_it_goes(what: str) -> Iterator[None]:
    """Continue with a message where a page has no such part any more."""
    try:
        yield
    except (AttributeError, TypeError, IndexError) as error:
        print(f"Left out: {what} ({error})", file=sys.stderr)


def _press(page: QWidget, words: LiteralString) -> None:
    """Press the button with this text, where there is one."""
    found = [each for each in page.findChildren(QAbstractButton) if each.text() == tr(words) and each.isVisible()]
    if found:
        found[0].click()
    else:
        print(f"Left out: no button says “{words}”", file=sys.stderr)


def _wait_for_tasks(studio: Studio) -> None:
    _wait(studio, lambda: not studio.state.tasks.pending)


def _wait(studio: Studio, is_done: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not is_done():
        studio.wait_for_images(50)
        if time.monotonic() > deadline:
            raise SystemExit("Nothing more happened for an hour.")
