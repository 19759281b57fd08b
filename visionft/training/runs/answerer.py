"""What answers for a run: its own network, or for a combination the networks of its parts, mixed.

Evaluation, suggestions, explanation and export ask an `Answerer` and never which of the two it is.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from visionft.errors import NextStep, RunError
from visionft.events import OnEvent, ShouldStop, ignore_event, never_stop
from visionft.training.runs.loaded_run import LoadedRun, load_trained
from visionft.training.runs.manifest import fault_of, weights_hash
from visionft.training.runs.parts import Part
from visionft.training.runs.run_folder import BEST_FOLDER, RunSummary, read_run, require_weights


@dataclass(frozen=True)
class Answerer:
    """One or several trained classifiers that answer as one.

    Attributes:
        run: Whose answers they are.
        parts: The classifiers; the run's own alone, or those of a combination.
        factors: What each part's logits are multiplied by: its share over its temperature; 1 of a single one.
        columns: For each part, where in its answers the run's classes stand.
    """

    run: RunSummary
    parts: tuple[LoadedRun, ...]
    factors: tuple[float, ...]
    columns: tuple[tuple[int, ...], ...]

    @property
    def is_combined(self) -> bool:
        """Tell whether several classifiers answer."""
        return len(self.parts) > 1

    @property
    def shares(self) -> tuple[float, ...]:
        """Return how much each part counts; they add up to 1."""
        return tuple(part.share for part in self.run.parts) or (1.0,)

    @property
    def strongest(self) -> LoadedRun:
        """Return the part with the largest share, which stands for the run where only one can."""
        return self.parts[int(np.argmax(self.shares))]

    def mixed(self, answers: Sequence[np.ndarray]) -> np.ndarray:
        """Mix the (N, C) logits of all parts, in their order, to the run's: sum of factor x logits.

        The softmax of that is the normalised product of the parts' probabilities, each to the power of its share (a
        logarithmic opinion pool; Genest and Zidek 1986); for several labels, likewise of each one's sigmoid.
        """
        if not self.is_combined:
            return answers[0]
        terms = zip(self.factors, answers, self.columns, strict=True)
        return sum(factor * values[:, list(columns)] for factor, values, columns in terms)  # type: ignore[return-value]


def load_answerer(
    run: RunSummary, *, on_event: OnEvent = ignore_event, should_stop: ShouldStop = never_stop
) -> Answerer:
    """Load what answers for a run.

    Raises:
        RunError: It has no weights, they are damaged; or a part of it was deleted, or has other weights since.
        StoppedError: The user stopped.
        WeightsError: The pretrained weights that a network started from cannot be had.
    """
    require_weights(run)
    if not run.parts:
        loaded = load_trained(run, on_event=on_event, should_stop=should_stop)
        return Answerer(run, (loaded,), (1.0,), (tuple(range(len(run.class_names))),))
    if fault := fault_of(run.path / BEST_FOLDER):
        raise RunError(f"The combination {run.title} is damaged: {fault}.", "Combine its parts again.")
    parts = [_part_of(run, part) for part in run.parts]
    loaded_parts = tuple(load_trained(part, on_event=on_event, should_stop=should_stop) for part in parts)
    factors = tuple(part.share / part.temperature for part in run.parts)
    return Answerer(run, loaded_parts, factors, tuple(columns_of(run.class_names, part) for part in parts))


def columns_of(class_names: Sequence[str], part: RunSummary) -> tuple[int, ...]:
    """Return where in a run's answers these classes stand.

    Raises:
        RunError: They are not its classes.
    """
    if set(class_names) != set(part.class_names):
        odd = sorted(set(class_names) ^ set(part.class_names))[0]
        hint = "Combine runs that were trained on the same classes."
        raise RunError(f"{part.title} has other classes: only one of the runs knows {odd!r}.", hint)
    return tuple(part.class_names.index(name) for name in class_names)


def _part_of(run: RunSummary, part: Part) -> RunSummary:
    """Return a part of a combination, whose weights are those that it was made of."""
    folder: Path = run.path.parent / part.run
    hint, step = "Combine again: its other parts with that run as it is now, or without it.", NextStep("combine")
    if not folder.is_dir():
        raise RunError(f"{part.run}, a part of {run.title}, is gone.", hint, step)
    found = read_run(folder)
    if not found.has_weights:
        raise RunError(f"The weights of {part.run}, a part of {run.title}, were deleted.", hint, step)
    if weights_hash(folder / BEST_FOLDER) != part.weights:
        raise RunError(f"{part.run}, a part of {run.title}, has other weights since they were combined.", hint, step)
    return found
