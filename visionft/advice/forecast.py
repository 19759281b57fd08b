"""What fine-tuning would give with the labels of now: the closed-form classifier's errors times a ratio, with interval.

Before anything is known of a data set, the ratio is a prior with a wide spread, not a measurement: its logarithm is -.1
for each doubling of the pictures of a class (from 8 on), which is -.18 at 20 pictures a class, -.38 at 100. What it
stands on, errors over a linear probe's:

- Means over the 19 tasks of VTAB-1k, 1,000 pictures each, ViT-B, as two benchmarks print them: linear probe 52.9 and
  55.9 % right, full fine-tuning 65.6 and 58.5 (logarithms -.31 and -.06; a poor rate is part of that), LoRA 72.3 and
  72.9 (-.53 and -.49). Tuned, the parameter-efficient methods tie.
- Larger sets (Kornblith et al. 2019, arXiv:1805.08974; the supervised ResNet-50 of Chen et al. 2020, arXiv:2002.05709,
  appendix) are told to be lower still, about -.5 in the mean with a spread of as much. Those figures were taken from
  memory and could not be looked up; nothing below depends on more of them than their sign and size.
- Those probes read the last layer; ours reads the joined stages (as Head2Toe, arXiv:2201.03529), which leaves less to
  win: about half is taken.

Parameter-efficient methods are believed to tie with full fine-tuning. Short trials then correct all of this for the
user's own pictures, the more the more pictures they judged. NumPy only.
"""

import math
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from visionft.advice.trials import HALVES, Trial

Kind = Literal["full", "peft"]

_PER_DOUBLING, _FROM = 0.1, 8.0  # how the logarithm of the ratio falls with the pictures of a class
_SPREAD = 0.45
_SHORTENED = 0.15  # a trial is shorter than a run, on half of the pictures: how far that alone may move the logarithm
_PEFT: Final = {"resnet": 0.05, "vit": 0.0}  # beside full fine-tuning; low-rank updates suit convolutions less
_PEFT_SPREAD = 0.2
_KEPT = 0.25  # how much of what training spoils is left: a run keeps its probe unless validation says that it learnt
# Of the logarithm of a linear probe's errors over the curve's: .17 and .38 more to .25 fewer were seen.
_PROBE_SPREAD = 0.15
_UNTRAINED_SEED = 2  # the same draws for all that needs no training: what they have in common is not held against one
_CARRIED = 0.5  # how much of the difference of two backbones' probes stays in what is built on them


@dataclass(frozen=True)
class Belief:
    """A normal belief about the logarithm of (errors of fine-tuning / errors of the closed-form classifier)."""

    mean: float
    spread: float

    def draws(self, count: int, *, seed: int = 0) -> np.ndarray:
        """Return (B) ratios."""
        return np.exp(self.mean + self.spread * np.random.default_rng([4, seed]).standard_normal(count))


# Errors without training over the curve's, before the user's pictures are asked.
_UNTRAINED: Final = {
    "linear": Belief(0.0, _PROBE_SPREAD),
    "knn": Belief(0.0, 0.25),
    "prototype": Belief(0.4, 0.5),
}


def usual_ratio(pictures_a_class: float) -> Belief:
    """Return what is believed before anything is tried, for the mean number of pictures that a class has."""
    return Belief(-_PER_DOUBLING * math.log2(1 + max(pictures_a_class, 0.0) / _FROM), _SPREAD)


def ratio_after(trial: Trial | None, pictures_a_class: float) -> Belief:
    """Return what is believed of full fine-tuning once trials were run; as before where none was.

    Precisions add. A trial learns from a half, so it is compared with what is usual there, and what it teaches is taken
    over to all pictures.
    """
    usual = usual_ratio(pictures_a_class)
    if trial is None:
        return usual
    at_half = usual_ratio(pictures_a_class / HALVES)
    seen = np.log(trial.error_ratios(2000))
    noise = float(seen.var()) + _SHORTENED**2
    trust = at_half.spread**2 / (at_half.spread**2 + noise)
    moved = trust * (float(seen.mean()) - at_half.mean)
    return Belief(usual.mean + moved, math.sqrt((1 - trust) * at_half.spread**2 + _SHORTENED**2))


def probe_accuracies(errors: np.ndarray) -> np.ndarray:
    """Return (B) accuracies of the linear probe, whose errors are near those (B) of the curve's classifier."""
    return 1.0 - np.minimum(errors * Belief(0.0, _PROBE_SPREAD).draws(len(errors), seed=_UNTRAINED_SEED), 1.0)


def untrained_accuracies(errors: np.ndarray, method: str, *, accuracy: float, asked: int, beside: float) -> np.ndarray:
    """Return (B) accuracies of what needs no training, from how often it was right on pictures that it did not know.

    Args:
        errors: (B) of the curve's classifier with as many labels as are meant.
        method: Name of the method; what is usual of it counts like a few pictures.
        accuracy: What it had right of the pictures that were asked; `asked` is how many.
        asked: Likewise.
        beside: Errors of the curve's classifier with as many labels as the method knew then.
    """
    usual = _UNTRAINED.get(method, _UNTRAINED["linear"])
    wrong = (1 - accuracy) * asked + 0.5
    share = wrong / (asked + 1)
    noise = (1 - share) / wrong  # variance of the logarithm of a share that is counted
    trust = usual.spread**2 / (usual.spread**2 + noise)
    seen = math.log(share / max(beside, 0.5 / (asked + 1)))
    belief = Belief(usual.mean + trust * (seen - usual.mean), math.sqrt((1 - trust) * usual.spread**2))
    return 1.0 - np.minimum(errors * belief.draws(len(errors), seed=_UNTRAINED_SEED), 1.0)


def tuned_accuracies(
    errors: np.ndarray, ratio: Belief, *, kind: Kind, family: str, against: float = 1.0, seed: int = 0
) -> np.ndarray:
    """Return (B) accuracies of a fine-tuned network.

    Args:
        errors: (B) of the closed-form classifier with as many labels.
        ratio: Of full fine-tuning.
        kind: How much of the network learns.
        family: `resnet` or `vit`.
        against: Errors of the probe of its backbone over those of the probe that `errors` are of.
        seed: Draws the ratios.
    """
    factor = ratio.draws(len(errors), seed=seed) * max(against, 1e-3) ** _CARRIED
    if kind == "peft":
        factor *= Belief(_PEFT.get(family, 0.0), _PEFT_SPREAD).draws(len(errors), seed=seed + 1)
    factor = np.where(factor > 1, factor**_KEPT, factor)
    return 1.0 - np.minimum(errors * factor, 1.0)
