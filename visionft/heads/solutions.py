"""How the head of a method is found that trains nothing: a row of `SOLUTIONS` each. A method names its own."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch  # noqa: TID253
from torch import Tensor  # noqa: TID253

from visionft.events import ShouldStop, never_stop
from visionft.heads.common_space import ClassPoints
from visionft.heads.fitting import description, fit_head
from visionft.heads.knn.fitting import fit_memory
from visionft.heads.knn.memory import Memory
from visionft.heads.prototype import fit_prototypes
from visionft.heads.text_head import text_alone, text_and_examples


@dataclass(frozen=True, kw_only=True)
class Material:
    """What a head is found from.

    Attributes:
        features: (N, D) of training pictures, as the frozen network gives them; on the CPU.
        targets: (N, C) zeros and ones; one each row unless there are several labels.
        widths: Of the parts side by side; their sum is D.
        class_names: (C) in the order of the targets.
        options: Settings of the method.
        is_multilabel: Whether a picture may have several labels or none.
        tries_last_alone: Whether the head may pass over all parts but the last.
        weights: (N,) how much each picture counts; all alike when None.
        said: What a person says of the classes, where the method reads that.
        seed: Decides whatever is drawn.
        should_stop: Asked now and then; a solution that it ends raises `InterruptedError`.
    """

    features: Tensor
    targets: Tensor
    widths: Sequence[int]
    class_names: Sequence[str]
    options: Any = None
    is_multilabel: bool = False
    tries_last_alone: bool = False
    weights: Tensor | None = None
    said: ClassPoints | None = None
    seed: int = 0
    should_stop: ShouldStop = never_stop


@dataclass(frozen=True)
class Solution:
    """A head that was found.

    Attributes:
        state: Its `state_dict`.
        words: What it is and how good it seems, in a sentence.
        held_out: (M, C) calibrated logits of pictures by heads that they had no part in; None where there are none.
        askable: (M,) which of the pictures these are.
    """

    state: dict[str, Tensor]
    words: str
    held_out: np.ndarray | None = None
    askable: np.ndarray | None = None


def _linear(material: Material) -> Solution:
    """Solve for the linear head that suits held-out pictures best."""
    fitted = fit_head(
        material.features,
        material.targets,
        widths=material.widths,
        is_multilabel=material.is_multilabel,
        tries_last_alone=material.tries_last_alone,
        weights=material.weights,
        seed=material.seed,
        should_stop=material.should_stop,
    )
    askable = fitted.askable.nonzero()[:, 0].numpy()
    state = {"weight": fitted.weight, "bias": fitted.bias}
    return Solution(state, description(fitted), fitted.held_out.numpy()[askable], askable)


def _prototype(material: Material) -> Solution:
    """Let each class be the mean of its pictures."""
    fitted = fit_prototypes(
        material.features,
        material.targets,
        widths=material.widths,
        is_multilabel=material.is_multilabel,
        weights=material.weights,
    )
    askable = fitted.askable.nonzero()[:, 0].numpy()
    state = {"weight": fitted.weight, "bias": fitted.bias}
    return Solution(state, fitted.words, fitted.left_out.numpy()[askable], askable)


def _knn(material: Material) -> Solution:
    """Remember the pictures."""
    fitted = fit_memory(
        material.features.numpy(),
        material.targets.numpy(),
        widths=material.widths,
        is_multilabel=material.is_multilabel,
        neighbours=material.options.neighbours if material.options is not None else 0,
        weights=None if material.weights is None else material.weights.numpy(),
        seed=material.seed,
        should_stop=material.should_stop,
    )
    return Solution(state_of(fitted.memory), fitted.words, fitted.held_out_logits, fitted.askable)


def state_of(memory: Memory) -> dict[str, Tensor]:
    """Return a memory as the state of `models.methods.layers.memory_head.MemoryHead`."""
    return {name: torch.from_numpy(np.require(value, requirements="C")) for name, value in memory.arrays().items()}


def memory_of(state: Mapping[str, Tensor]) -> Memory:
    """Return what `state_of` gave as a memory.

    Raises:
        ValueError: It is no such state.
    """
    return Memory.from_arrays({name: value.detach().cpu().numpy() for name, value in state.items()})


def _zero_shot(material: Material) -> Solution:
    """Let each class be what is said of it, and where that is wanted its pictures too."""
    assert material.said is not None
    if not len(material.features):
        return Solution(*text_alone(material.said, is_multilabel=material.is_multilabel))
    blended = text_and_examples(
        material.said,
        material.features,
        material.targets,
        is_multilabel=material.is_multilabel,
        weights=material.weights,
    )
    return Solution(*blended)


SOLUTIONS: Mapping[str, Callable[[Material], Solution]] = {
    "linear": _linear,
    "prototype": _prototype,
    "knn": _knn,
    "zero_shot": _zero_shot,
}
