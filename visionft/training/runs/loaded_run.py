"""Bringing a run's best classifier back: for evaluation, export and continuing."""

from dataclasses import dataclass
from typing import Any

from models.classifier import Classifier, build_classifier
from visionft.data.preprocess import Preprocessing
from visionft.errors import RunError, StoppedError
from visionft.events import OnEvent, ShouldStop, ignore_event, never_stop
from visionft.training.base_weights import base_weights_for, check_base_weights, ensure_weights
from visionft.training.runs.checkpoint import BEST, load_checkpoint
from visionft.training.runs.run_folder import RunSummary, require_weights
from visionft.weights import weights_loader


@dataclass(frozen=True)
class LoadedRun:
    """A run's best classifier in evaluation mode on the CPU, and how pictures become its input."""

    run: RunSummary
    classifier: Classifier
    preprocessing: Preprocessing
    state: dict[str, Any]


def load_trained(
    run: RunSummary, *, on_event: OnEvent = ignore_event, should_stop: ShouldStop = never_stop
) -> LoadedRun:
    """Rebuild the best classifier of a run; pretrained weights that are no longer here are fetched again.

    Raises:
        RunError: No epoch has ended yet, the checkpoint was deleted or is damaged, the weights that the run started
            from are others now.
        StoppedError: The user stopped.
        WeightsError: The pretrained weights that the run started from cannot be had.
    """
    require_weights(run)
    checkpoint = load_checkpoint(run.path / BEST)
    config = run.config
    if config.needs_base_weights and not ensure_weights(config, on_event=on_event, should_stop=should_stop):
        raise StoppedError("Fetching the weights was stopped.", "Start again: what has arrived is kept.")
    classifier = build_classifier(
        config.backbone_row,
        config.method_row,
        classes=len(run.class_names),
        options=config.method_options,
        weights=weights_loader(config.weights) if config.needs_base_weights else None,
        image_size=config.input_size,
        seed=config.seed,
    )
    if config.needs_base_weights:
        check_base_weights(run.path, base_weights_for(config, classifier.loaded))
    try:
        classifier.load_trainable_state(checkpoint.model)
    except ValueError as error:
        raise RunError(f"The checkpoint of {run.name} does not fit its settings: {error}.", "Train again.") from error
    preprocessing = Preprocessing.for_backbone(config.backbone_row, config.input_size)
    return LoadedRun(run, classifier.eval(), preprocessing, checkpoint.state)
