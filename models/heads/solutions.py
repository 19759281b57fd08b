"""Closed-form heads of training-free methods: a row of `SOLUTIONS` each. A method names its own."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch  # noqa: TID253
from torch import Tensor  # noqa: TID253

from models.heads.class_means import fit_class_means
from models.heads.knn import KnnClassifier, fit_memory
from models.heads.linear_head import FittedHead, fit_head
from models.heads.text_head import ClassPoints, text_alone, text_and_examples
from visionft.core.jobs import SILENT_JOB, JobContext


@dataclass(frozen=True, kw_only=True)
class Material:
    features: Tensor  # (N, D) of labelled images from the frozen network; on the CPU
    targets: Tensor  # (N, C) zeros and ones; one each row unless there are several labels
    widths: Sequence[int]
    options: Any = None
    is_multilabel: bool = False
    tries_last_alone: bool = False  # whether heads on the last stage alone are candidates
    weights: Tensor | None = None
    mirrored: Tensor | None = None  # (N, D) of the mirrored images, in the same order
    groups: np.ndarray | None = None  # (N,) numbers of groups that are held out as a whole; None for single images
    texts: ClassPoints | None = None
    seed: int = 0
    job: JobContext = SILENT_JOB

    def fit(self, fit: Callable[..., Any], **settings: Any) -> Any:
        """Return the result of a function on features, targets, widths, weights and groups as arrays."""
        weights = None if self.weights is None else self.weights.numpy()
        common = {
            "widths": self.widths,
            "is_multilabel": self.is_multilabel,
            "weights": weights,
            "groups": self.groups,
        }
        return fit(self.features.numpy(), self.targets.numpy(), **common, **settings)


@dataclass(frozen=True)
class Solution:
    state: dict[str, Tensor]
    description: str
    held_out: np.ndarray | None = None  # (M, C) calibrated held-out logits, if any
    places: np.ndarray | None = None  # (M,) of their images


def _solution(fitted: FittedHead) -> Solution:
    state = {"weight": torch.from_numpy(fitted.weight), "bias": torch.from_numpy(fitted.bias)}
    return Solution(state, fitted.description, fitted.held_out, fitted.places)


def _knn(material: Material) -> Solution:
    neighbours = material.options.neighbours if material.options is not None else 0
    fitted = material.fit(fit_memory, neighbours=neighbours, seed=material.seed, job=material.job)
    return Solution(state_of(fitted.memory), fitted.description, fitted.held_out_logits, fitted.places)


def _linear(material: Material) -> Solution:
    mirrored = None if material.mirrored is None else material.mirrored.numpy()
    settings = {"tries_last_alone": material.tries_last_alone, "seed": material.seed, "job": material.job}
    return _solution(material.fit(fit_head, mirrored=mirrored, **settings))


def state_of(memory: KnnClassifier) -> dict[str, Tensor]:
    """Return a memory as the state of `models.methods.layers.memory_head.KnnHead`."""
    return {name: torch.from_numpy(np.require(value, requirements="C")) for name, value in memory.arrays().items()}


def memory_of(state: Mapping[str, Tensor]) -> KnnClassifier:
    """Return the k-NN classifier of a state by `state_of` (ValueError: it is no such state)."""
    return KnnClassifier.from_arrays({name: value.detach().cpu().numpy() for name, value in state.items()})


def _zero_shot(material: Material) -> Solution:
    assert material.texts is not None
    texts, is_multilabel = material.texts, material.is_multilabel
    if not len(material.features):
        return Solution(*text_alone(texts, is_multilabel=is_multilabel))
    given = (material.features, material.targets)
    options = {"weights": material.weights, "groups": material.groups}
    return Solution(*text_and_examples(texts, *given, is_multilabel=is_multilabel, **options))


SOLUTIONS: Mapping[str, Callable[[Material], Solution]] = {
    "linear": _linear,
    "prototype": lambda material: _solution(material.fit(fit_class_means)),
    "knn": _knn,
    "zero_shot": _zero_shot,
}
# They give a held-out prediction of each image, so validation images are fitted to as well, and judged by that.
FIT_VALIDATION = frozenset({"linear", "prototype"})
