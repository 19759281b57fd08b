"""Run folders as rows of a table. No Qt, no state."""

from collections.abc import Sequence

from gui.kit.i18n import tr
from gui.kit.run_table import RunRow
from models.catalog import known_backbone
from models.methods.table import METHODS
from visionft.training.runs.run_folder import RunSummary


def run_rows(runs: Sequence[RunSummary]) -> list[RunRow]:
    """Return runs in figures, each with a colour of its own."""
    return [run_row(run, colour=index) for index, run in enumerate(runs)]


def run_row(run: RunSummary, *, colour: int = 0) -> RunRow:
    """Return a run in figures."""
    best = run.best
    config = run.config
    backbone = known_backbone(config.backbone)
    return RunRow(
        name=run.name,
        title=run.title,
        colour=colour,
        backbone=backbone.title if backbone else config.backbone,
        method=METHODS[config.method].title if config.method in METHODS else config.method,
        epochs=len(run.epochs),
        planned_epochs=config.epochs,
        accuracy=best.val_accuracy if best else None,
        loss=min((epoch.val_loss for epoch in run.epochs), default=None),
        state=run_state(run),
        is_pinned=run.notes.is_pinned,
    )


def run_state(run: RunSummary) -> str:
    """Return how a run stands, in a word or two."""
    if run.faults:
        return tr("Weights damaged")
    if run.best is not None and not run.has_weights:
        return tr("No weights")
    if run.is_going:
        return tr("Running")
    if run.result is None:
        return tr("Unfinished")
    return tr("Stopped") if run.result.stopped else tr("Finished")


def can_continue(run: RunSummary) -> bool:
    """Return whether a run ended before its time: it was stopped, or killed; without weights it cannot go on."""
    return run.is_unfinished and (run.has_weights or run.best is None)
