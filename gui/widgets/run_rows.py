"""Run folders as rows of a table. No Qt, no state."""

from gui.widgets.run_table import RunRow
from models.catalog import BACKBONES
from models.methods import METHODS
from visionft.training.runs import RunSummary


def run_row(run: RunSummary) -> RunRow:
    """Return a run in figures."""
    best = run.best
    config = run.config
    return RunRow(
        name=run.name,
        backbone=BACKBONES[config.backbone].title if config.backbone in BACKBONES else config.backbone,
        method=METHODS[config.method].title if config.method in METHODS else config.method,
        epochs=len(run.epochs),
        planned_epochs=config.epochs,
        accuracy=best.val_top1 if best else None,
        loss=min((epoch.val_loss for epoch in run.epochs), default=None),
        state=run_state(run),
    )


def run_state(run: RunSummary) -> str:
    """Return how a run stands, in one word."""
    if run.result is None:
        return "Unfinished"
    return "Stopped" if run.result.stopped else "Finished"


def can_continue(run: RunSummary) -> bool:
    """Return whether a run ended before its time: it was stopped, or killed."""
    return len(run.epochs) < run.config.epochs and (run.result is None or run.result.stopped)
