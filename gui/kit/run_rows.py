"""Run folders as rows of a table. No Qt, no state."""

from collections.abc import Sequence

from gui.kit.i18n import tr
from gui.kit.run_table import RunRow
from visionft.training.runs.run_folder import RunSummary
from visionft.training.runs.run_titles import backbone_title, method_title


def run_rows(runs: Sequence[RunSummary]) -> list[RunRow]:
    """Return runs in figures, each with a colour of its own."""
    return [run_row(run, colour=index) for index, run in enumerate(runs)]


def run_row(run: RunSummary, *, colour: int = 0) -> RunRow:
    """Return a run in figures."""
    best = run.best
    config = run.config
    return RunRow(
        name=run.name,
        title=run.title,
        colour=colour,
        backbone=backbone_title(config),
        method=method_title(config),
        epochs=run.last_epoch,
        planned_epochs=config.total_epochs,
        accuracy=best.val_accuracy if best else None,
        loss=best.val_loss if best else None,
        state=run_state(run),
        is_pinned=run.notes.is_pinned,
        kept=kept_words(run),
    )


def kept_words(run: RunSummary) -> str:
    """Return which epoch a run keeps, and why it is not simply the one with the highest accuracy."""
    kept, highest = (
        run.best,
        max(run.epochs, key=lambda epoch: (epoch.right_share, -(epoch.val_loss or 0)), default=None),
    )
    if kept is None or highest is None:
        return ""
    if kept.val_accuracy is None:
        return tr("Not validated: no labelled picture is for validation, so nobody knows how right it is.")
    values = {"epoch": kept.epoch, "accuracy": kept.accuracy_text}
    if run.parts:
        words = tr(
            "Made of {parts} runs, without training ({accuracy} right on validation).", parts=len(run.parts), **values
        )
    elif not run.config.total_epochs:
        words = tr("Solved at once, without epochs ({accuracy} right on validation).", **values)
    elif not kept.epoch:
        words = tr("What the run began with is kept ({accuracy} right): training made it no better.", **values)
    elif kept.val_accuracy >= highest.right_share:
        words = tr("Epoch {epoch} is kept: none was right more often on validation ({accuracy}).", **values)
    else:
        words = tr(
            "Epoch {epoch} is kept ({accuracy} right), though epoch {other} reached {more}: with so few validation "
            "pictures that difference is luck (less than one standard error), and the later epoch has learnt more.",
            **values, other=highest.epoch, more=highest.accuracy_text,
        )  # fmt: skip
    if kept.share < 1:
        between = tr("Its weights were taken {share} of the way from the start: there they validate better.",
                     share=f"{kept.share:.0%}")  # fmt: skip
        return f"{words} {between}"
    return words


def best_run(runs: Sequence[RunSummary]) -> RunSummary | None:
    """Return the run that is right most often on validation, of equal ones the newest; None where none has weights."""
    usable = [run for run in runs if run.best is not None and run.has_weights and not run.faults]
    return max(usable, key=lambda run: (run.best.right_share if run.best else 0.0, run.name), default=None)


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
