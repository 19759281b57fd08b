"""Beginning a new run with what an earlier one has learnt, for instance after labels were mended.

The earlier run must have the same backbone, method and shapes. Classes are matched by name: those that are new start
with a fresh row in the head, those that are gone are left out.
"""

from pathlib import Path

from torch import Tensor  # noqa: TID253

from models.classifier import Classifier
from visionft.errors import RunError
from visionft.training.base_weights import base_weights_for, check_base_weights
from visionft.training.config.train_config import TrainConfig
from visionft.training.runs.checkpoint import BEST, load_checkpoint
from visionft.training.runs.run_folder import RunSummary, load_run, require_weights


def warm_start(classifier: Classifier, config: TrainConfig, class_names: tuple[str, ...], project_dir: Path) -> None:
    """Load the best weights of the run `config.start_from` into a fresh classifier, in place.

    Raises:
        RunError: There is no such run, its weights are gone, or it learnt something of another shape.
    """
    run = load_run(project_dir, config.start_from)
    if run.parts:
        hint = f"Start from one of its parts: {', '.join(part.run for part in run.parts)}."
        raise RunError(f"{run.title} is a combination of runs, which cannot be trained on.", hint)
    require_weights(run)
    _check_alike(run, config)
    if config.needs_base_weights:
        check_base_weights(run.path, base_weights_for(config, classifier.loaded))
    state = load_checkpoint(run.path / BEST).model
    if run.class_names != class_names:
        state = _with_classes(state, classifier, run.class_names, class_names)
    try:
        classifier.load_trainable_state(state)
    except ValueError as error:
        raise RunError(f"{run.title} learnt another shape: {error}.", "Keep its settings, or start afresh.") from error


def _check_alike(run: RunSummary, config: TrainConfig) -> None:
    for name in ("backbone", "method", "weights"):
        here, there = getattr(config, name), getattr(run.config, name)
        if here != there:
            hint = f"Choose {there} as the {name}, or start from the pretrained network."
            raise RunError(f"{run.title} was trained with the {name} {there}, not {here}.", hint)


def _with_classes(
    state: dict[str, Tensor], classifier: Classifier, known: tuple[str, ...], wanted: tuple[str, ...]
) -> dict[str, Tensor]:
    """Return `state` with the rows of the head in the order of `wanted`; rows of new classes are the fresh ones."""
    own = classifier.trainable_state()
    result = dict(state)
    for part in ("weight", "bias"):
        name = f"{classifier.backbone.head}.{part}"
        rows = own[name].detach().clone()
        for place, class_name in enumerate(wanted):
            if class_name in known:
                rows[place] = state[name][known.index(class_name)]
        result[name] = rows
    return result
