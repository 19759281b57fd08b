"""The model of a run: its own network, or the weighted networks of an ensemble.

Evaluation, suggestions, explanation and export use a `RunModel` for both alike; `RunModel.parts` are the networks.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from torch import Tensor  # noqa: TID253

from models.classifier import TrainableClassifier, build_classifier
from models.weights.weights_loading import weights_loader
from visionft.core.errors import NextStep, RunError
from visionft.core.jobs import SILENT_JOB, JobCancelled, JobContext
from visionft.core.messages import Message
from visionft.data.preprocess import PreprocessConfig
from visionft.training.base_weights import base_weights_for, check_base_weights, ensure_weights
from visionft.training.runs.checkpoint import BEST, Checkpoint, load_checkpoint
from visionft.training.runs.manifest import BEST_FOLDER, HeldOutPredictions, Part, fault_of, weights_hash
from visionft.training.runs.run_folder import StoredRun, read_run, require_weights


@dataclass(frozen=True, kw_only=True)
class RunModel:
    """The network of a run, or the networks of an ensemble, each with its input, and how they are mixed.

    Attributes:
        run: The run, with the classes that it predicts now.
        factors: Factor on the logits of each of the `parts`: a member's weight over its temperature; 1 for a run alone.
        columns: For each of the `parts`, the columns of the run's classes in its logits.
        network: The best classifier in evaluation mode, on the CPU; None for an ensemble, which has its members'.
        held_out: In place of the network's own answers for images that its head was fitted to.
        members: The models of an ensemble's members; empty for every other run.
        labels: Digest of the labels that it predicts from; empty where training fixed its predictions.
    """

    run: StoredRun
    factors: tuple[float, ...]
    columns: tuple[tuple[int, ...], ...]
    network: TrainableClassifier | None = None
    held_out: HeldOutPredictions | None = None
    members: tuple["RunModel", ...] = ()
    labels: str = ""

    @property
    def parts(self) -> tuple["RunModel", ...]:
        """Return the models with a network each: the members of an ensemble, or the model itself."""
        return self.members or (self,)

    @property
    def is_combined(self) -> bool:
        return len(self.members) > 1

    @property
    def classifier(self) -> TrainableClassifier:
        """Return the network of one of the `parts`; an ensemble itself has no network."""
        assert self.network is not None, "an ensemble predicts by its parts"
        return self.network

    @property
    def preprocessing(self) -> PreprocessConfig:
        """Return how images become the input of one of the `parts`: members can have other input sizes."""
        assert not self.members, "an ensemble predicts by its parts"
        return self.run.config.preprocessing

    @property
    def shares(self) -> tuple[float, ...]:
        """Return how much each part counts; they add up to 1."""
        return tuple(part.share for part in self.run.parts) or (1.0,)

    @property
    def strongest(self) -> "RunModel":
        """Return the part with the largest weight, to represent the run where only one network can."""
        return self.parts[int(np.argmax(self.shares))]

    def mixed(self, answers: Sequence[np.ndarray]) -> np.ndarray:
        """Mix the (N, C) logits of all parts, in their order, to the run's: sum of factor x logits.

        Its softmax is the normalised product of the members' probabilities, each to the power of its weight (a
        logarithmic opinion pool; Genest and Zidek 1986); for several labels, likewise with the sigmoid of each label.
        """
        if not self.is_combined:
            return answers[0]
        terms = zip(self.factors, answers, self.columns, strict=True)
        return sum(factor * values[:, list(columns)] for factor, values, columns in terms)  # type: ignore[return-value]


@dataclass(frozen=True)
class ReplacementHead:
    """A head that replaces the checkpoint's: the trainable state of a run whose predictions follow the labels."""

    class_names: tuple[str, ...]
    state: Mapping[str, Tensor]


def load_run_model(
    run: StoredRun, heads: Mapping[str, ReplacementHead] | None = None, *, job: JobContext = SILENT_JOB
) -> RunModel:
    """Load the model of a run; `heads` replaces the heads of runs by name (RunError: missing or damaged weights)."""
    require_weights(run)
    heads = heads or {}
    if not run.parts:
        return _load_network(run, heads.get(run.name), job=job)
    if fault := fault_of(run.path / BEST_FOLDER):
        message = Message("The combination {run} is damaged: {fault}.", run=run.title, fault=fault)
        raise RunError(message, "Combine its parts again.")
    parts = [_part_of(run, part, is_refitted=part.run in heads) for part in run.parts]
    members = tuple(_load_network(part, heads.get(part.name), job=job) for part in parts)
    known = {frozenset(member.run.class_names) for member in members}
    for head in heads.values():  # the ensemble has the classes of now where all of its members know them
        if known == {frozenset(head.class_names)}:
            run = replace(run, class_names=head.class_names)
    factors = tuple(part.share / part.temperature for part in run.parts)
    columns = tuple(columns_of(run.class_names, member.run) for member in members)
    return RunModel(run=run, factors=factors, columns=columns, members=members)


def _load_network(run: StoredRun, head: ReplacementHead | None = None, *, job: JobContext = SILENT_JOB) -> RunModel:
    """Rebuild the best classifier of a run, with `head` in place of its own (RunError: its weights cannot be used)."""
    require_weights(run)
    if head is not None:
        run = replace(run, class_names=head.class_names)
    if head is None:
        best = load_checkpoint(run.path / BEST)
    else:
        best = Checkpoint(model=dict(head.state), optimizer={}, state={})
    config = run.config
    if config.needs_base_weights and not ensure_weights(config, job=job):
        raise JobCancelled
    classifier = build_classifier(
        config.backbone_row,
        config.method_row,
        classes=len(run.class_names),
        options=config.method_options,
        weights=weights_loader(config.weights) if config.needs_base_weights else None,
        shape=config.input_shape,
        seed=config.seed,
    )
    if config.needs_base_weights:
        check_base_weights(run.path, base_weights_for(config, classifier.loaded))
    try:
        classifier.load_trainable_state(best.model)
    except ValueError as error:
        message = Message("The checkpoint of {name} does not fit its settings: {reason}.", name=run.name, reason=error)
        raise RunError(message, "Train again.") from error
    if best.held_out is not None and best.held_out.logits.shape[1] != len(run.class_names):
        message = Message("The held-out predictions of {name} are of other classes.", name=run.name)
        raise RunError(message, "Train again.")
    columns = tuple(range(len(run.class_names)))
    return RunModel(run=run, factors=(1.0,), columns=(columns,), network=classifier.eval(), held_out=best.held_out)


def columns_of(class_names: Sequence[str], part: StoredRun) -> tuple[int, ...]:
    """Return where in a run's answers these classes stand (RunError: they are not its classes)."""
    if set(class_names) != set(part.class_names):
        odd = sorted(set(class_names) ^ set(part.class_names))[0]
        message = Message("{run} has other classes: only one of the runs knows {name}.", run=part.title, name=repr(odd))
        raise RunError(message, "Combine runs that were trained on the same classes.")
    return tuple(part.class_names.index(name) for name in class_names)


def _part_of(run: StoredRun, part: Part, *, is_refitted: bool) -> StoredRun:
    """Return a member of an ensemble, after checking the weights that it uses against the recorded hash."""
    folder: Path = run.path.parent / part.run
    found = read_run(folder) if folder.is_dir() else None
    if found is None:
        message = Message("{part}, a part of {run}, is gone.", part=part.run, run=run.title)
    elif not found.has_weights:
        message = Message("The weights of {part}, a part of {run}, were deleted.", part=part.run, run=run.title)
    elif not is_refitted and weights_hash(folder / BEST_FOLDER) != part.weights:
        message = Message("{part}, a part of {run}, has other weights since they were combined.", part=part.run)
        message = Message(message, run=run.title)
    else:
        return found
    hint = Message("Combine again: the other members with that run as it is now, or without it.")
    raise RunError(message, hint, NextStep("combine"))
