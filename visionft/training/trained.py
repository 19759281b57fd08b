"""Bringing a run's best classifier back: for evaluation, export and continuing."""

from dataclasses import dataclass
from typing import Any

from models.classifier import Classifier, build_classifier
from models.weights import RANDOM
from visionft.errors import RunError
from visionft.images.preprocess import Preprocessing
from visionft.training.checkpoint import BEST, load_checkpoint
from visionft.training.runs import RunSummary


@dataclass(frozen=True)
class Trained:
    """A run's best classifier in evaluation mode on the CPU, and how pictures become its input."""

    run: RunSummary
    classifier: Classifier
    preprocessing: Preprocessing
    state: dict[str, Any]


def load_trained(run: RunSummary) -> Trained:
    """Rebuild the best classifier of a run.

    Raises:
        RunError: No epoch has ended yet, or the checkpoint is damaged.
        WeightsError: The pretrained weights that the run started from are no longer at hand.
    """
    if run.best is None:
        hint = "Train it for at least one epoch, or choose another run."
        raise RunError(f"{run.name} was stopped before its first epoch had ended.", hint)
    checkpoint = load_checkpoint(run.path / BEST)
    config = run.config
    holds_everything = config.method == "full" and not config.full.frozen_stages
    classifier = build_classifier(
        config.backbone_row,
        config.method_row,
        classes=len(run.class_names),
        options=config.method_options,
        weights=RANDOM if holds_everything else config.weights,
        image_size=config.input_size,
        seed=config.seed,
    )
    try:
        classifier.load_trainable_state(checkpoint.model)
    except ValueError as error:
        raise RunError(f"The checkpoint of {run.name} does not fit its settings: {error}.", "Train again.") from error
    preprocessing = Preprocessing.for_backbone(config.backbone_row, config.input_size)
    return Trained(run, classifier.eval(), preprocessing, checkpoint.state)
