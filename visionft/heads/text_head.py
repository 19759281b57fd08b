"""Heads made of texts: of what is said of each class alone, or blended with the means of the classes' pictures.

The blend adds logits, (1 - a) / T of the text's and a of the class means', both linear in the picture's direction, so
that the sum is too (two terms, as in Tip-Adapter: Zhang et al. 2022, arXiv:2207.09519). T and a minimise the loss of
the training pictures, each left out of its class's mean in closed form.
"""

import numpy as np
from torch import Tensor  # noqa: TID253

from visionft.calibration import are_right, fit_temperature, mean_cross_entropy
from visionft.heads.common_space import ClassPoints
from visionft.heads.prototype import fit_prototypes

SHARES = tuple(step / 10 for step in range(11))


def text_alone(said: ClassPoints, *, is_multilabel: bool) -> tuple[dict[str, Tensor], str]:
    """Return the state of a head of texts, and what it is."""
    weight, bias = said.linear(is_multilabel=is_multilabel)
    return said.head_state(weight, bias), "The classes are what is said of them; no labelled picture had a say."


def text_and_examples(
    said: ClassPoints, features: Tensor, targets: Tensor, *, is_multilabel: bool, weights: Tensor | None = None
) -> tuple[dict[str, Tensor], str]:
    """Return the state of a head that blends texts with the means of the classes' pictures, and what it is.

    Args:
        said: What is said of the classes.
        features: (N, D) of training pictures, as the picture side gives them.
        targets: (N, C) zeros and ones.
        is_multilabel: Whether a picture may have several labels or none.
        weights: (N,) how much each picture counts; all alike when None.
    """
    text = said.linear(is_multilabel=is_multilabel)
    points = said.space.directions(features.float())
    fitted = fit_prototypes(points, targets, widths=(points.shape[1],), is_multilabel=is_multilabel, weights=weights)
    askable = fitted.askable
    if not askable.any():
        state, _ = text_alone(said, is_multilabel=is_multilabel)
        return (
            state,
            "One picture a class cannot tell how much pictures should count beside words: the words alone answer.",
        )
    spoken = (points @ text[0].T + text[1])[askable].double().numpy()
    shown = fitted.left_out[askable].double().numpy()
    wanted = targets[askable].double().numpy() if is_multilabel else targets[askable].argmax(dim=1).numpy()
    temperature = fit_temperature(spoken, wanted)
    share = _best_share(spoken / temperature, shown, wanted)
    weight, bias = (
        (1 - share) / temperature * of_text + share * of_pictures
        for of_text, of_pictures in zip(text, (fitted.weight, fitted.bias), strict=True)
    )
    blended = (1 - share) / temperature * spoken + share * shown
    alone, both = (are_right(logits, wanted).mean() for logits in (spoken, blended))
    words = (
        f"What is said of the classes counts {1 - share:.0%}, the means of their pictures {share:.0%}: right for "
        f"{both:.1%} of training pictures, each left out of its own mean; the words alone for {alone:.1%}."
    )
    return said.head_state(weight.float(), bias.float()), words


def _best_share(spoken: np.ndarray, shown: np.ndarray, wanted: np.ndarray) -> float:
    """Return the share of the pictures' logits in the blend of least loss; of equal ones the smallest."""
    losses = [mean_cross_entropy((1 - share) * spoken + share * shown, wanted) for share in SHARES]
    return SHARES[int(np.argmin(np.round(losses, 6)))]
