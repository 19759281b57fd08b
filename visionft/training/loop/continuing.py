"""Going on with a run where its checkpoints left it, and what is done when some of them are damaged."""

from pathlib import Path

from visionft.errors import RunError
from visionft.events import Notice, OnEvent
from visionft.training.loop.progress import RunProgress
from visionft.training.loop.train_step import TrainStep
from visionft.training.runs import recording
from visionft.training.runs.checkpoint import BEST, has_checkpoint, load_newest
from visionft.training.runs.manifest import fault_of
from visionft.training.runs.metrics_file import read_metrics


def has_begun(run_dir: Path) -> bool:
    """Tell whether a folder holds a run to continue; one that was killed before its first checkpoint begins anew.

    Raises:
        RunError: It holds a run that was trained, whose checkpoints are gone.
    """
    if has_checkpoint(run_dir):
        return True
    if read_metrics(run_dir):
        hint = "Start a new run with the same settings; the curves of this one stay."
        raise RunError(f"{run_dir.name} cannot go on: its checkpoints are gone.", hint)
    return False


def take_up(run_dir: Path, train_step: TrainStep, on_event: OnEvent) -> RunProgress:
    """Give the learner the newest state that can be read, and return where the run is there.

    Raises:
        RunError: None can be read.
    """
    found = load_newest(run_dir, on_event)
    progress = RunProgress.from_state(found.state["progress"])
    train_step.classifier.load_trainable_state(found.model)
    train_step.restore(found.optimizer, averaged=progress.averaged)
    return progress


def fault_of_best(run_dir: Path, progress: RunProgress) -> str:
    """Return what is wrong with the best that a run has kept by now, or nothing."""
    return fault_of(run_dir / BEST) if progress.best_val_accuracy >= 0 else ""


def replace_lost_best(
    run_dir: Path, train_step: TrainStep, progress: RunProgress, fault: str, *, on_event: OnEvent, is_main: bool
) -> None:
    """Let the latest epoch take the place of a damaged `best`: what that held cannot be had again.

    In the middle of an epoch there is nothing to put in its place: the epoch under way is kept when it has ended.
    """
    message = f"The best of {run_dir.name} is lost ({BEST}: {fault}); the latest epoch takes its place."
    on_event(Notice(message=message, level="warning"))
    latest = next((each for each in read_metrics(run_dir) if each.epoch == progress.epoch - 1), None)
    if progress.batches_done:
        latest = None
    progress.forget_best(latest)
    if latest and is_main:
        with train_step.averaged():
            recording.keep_epoch(run_dir, train_step.classifier, latest, is_best=True)
