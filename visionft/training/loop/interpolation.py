"""Between the start and what was learnt: the weights on the way that validate better than its end (WiSE-FT).

Fine-tuning forgets some of what the pretrained network knew. Half of the way back it often still knows both: Wortsman
et al. (2022, arXiv:2109.01903) gain a point or more, most where there are few pictures. It costs three looks at the
validation pictures.
"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from torch import Tensor  # noqa: TID253

from models.classifier import Classifier
from visionft.events import EpochDone
from visionft.training.config.train_config import INTERPOLATION_SHARES
from visionft.training.loop.validation import Validation
from visionft.training.runs.checkpoint import BEST, START, Checkpoint, has_whole, load_checkpoint, save_checkpoint
from visionft.training.runs.metrics_file import read_metrics, replace_metrics
from visionft.training.runs.run_folder import best_epoch

_SHARE = "share"  # in the state of `best`: that it lies between the start and an epoch


def save_start(run_dir: Path, classifier: Classifier) -> None:
    """Keep what a run begins with until it ends."""
    model = classifier.trainable_state()
    save_checkpoint(run_dir, START, Checkpoint(model=model, optimizer={}, state={}))


def find_between(run_dir: Path, classifier: Classifier, validate: Callable[[], Validation]) -> EpochDone | None:
    """Look for better weights between the run's start and its best epoch; leave the classifier with the best ones.

    Weights are better whose validation loss is lower and whose accuracy is no lower: of three that are tried, the
    accuracy of some few pictures alone would often be higher by luck.

    Args:
        run_dir: A run whose epochs are over.
        classifier: Whose state is replaced.
        validate: Validates the classifier as it is.

    Returns:
        The best epoch with its figures and `share` as they are now; None where nothing is better or nothing lies
        between.

    Raises:
        Stopped: The user asked to stop; what `best` holds is untouched.
    """
    best = best_epoch(read_metrics(run_dir))
    if best is None or not best.epoch or best.share < 1 or not has_whole(run_dir, START, BEST):
        return None
    start, end = (load_checkpoint(run_dir / name) for name in (START, BEST))
    if _SHARE in end.state:  # killed after it was kept, before that was noted
        classifier.load_trainable_state(end.model)
        return _with(best, end.state[_SHARE], validate())
    found, kept = best, end.model
    for share in INTERPOLATION_SHARES:
        state = classifier.interpolated(start.model, end.model, share)
        classifier.load_trainable_state(state)
        seen = validate()
        if _is_better(seen, found):
            found, kept = _with(best, share, seen), state
    classifier.load_trainable_state(kept)
    return found if found.share < 1 else None


def _is_better(seen: Validation, found: EpochDone) -> bool:
    if seen.loss is None or seen.accuracy is None or found.figures is None:
        return False
    return seen.loss < found.figures[0] and seen.accuracy >= found.figures[1]


def _with(best: EpochDone, share: float, seen: Validation) -> EpochDone:
    return replace(best, share=share, val_loss=seen.loss, val_accuracy=seen.accuracy)


def keep_between(run_dir: Path, state: dict[str, Tensor], found: EpochDone) -> None:
    """Make what `find_between` found the run's best, and note it."""
    checkpoint = Checkpoint(model=state, optimizer={}, state={"epoch": found.epoch, _SHARE: found.share})
    save_checkpoint(run_dir, BEST, checkpoint)
    replace_metrics(run_dir, found)


def words(found: EpochDone, before: EpochDone) -> str:
    """Say what was kept in place of the best epoch as it was."""
    return (
        f"Weights {found.share:.0%} of the way from the start to epoch {found.epoch} validate better "
        f"({found.accuracy_text}, before {before.accuracy_text}); they are kept."
    )
