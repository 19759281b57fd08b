"""A random sample of suggestions that a person checks before the others are accepted, and what it says about them."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from visionft.project.store import Project

SAMPLE = 150  # images to check unless another number is chosen
CONFIDENCE = 0.95  # of the bound


@dataclass(frozen=True, slots=True)
class Sample:
    """Suggestions that may be accepted, and the random sample of them to check.

    Attributes:
        suggested: {image id: class names} of all of them.
        images: The sample.
    """

    suggested: Mapping[int, tuple[str, ...]]
    images: tuple[int, ...]


def draw_sample(suggested: Mapping[int, tuple[str, ...]], *, size: int = SAMPLE, seed: int | None = None) -> Sample:
    """Return a random sample of so many suggestions, or of all where there are no more."""
    ids = np.array(sorted(suggested))
    images = np.random.default_rng(seed).choice(ids, min(size, len(ids)), replace=False)
    return Sample(suggested, tuple(images.tolist()))


def least_right(right: int, checked: int) -> float:
    """Return the lower bound of the share of correct suggestions, exact and one-sided (Clopper and Pearson, 1934)."""
    from scipy.stats import binomtest  # takes long to load

    return float(binomtest(right, checked, alternative="greater").proportion_ci(CONFIDENCE, method="exact").low)


def unlabelled_images(project: Project) -> set[int]:
    """Return the images without a label, which a check and an acceptance may label."""
    return {row[0] for row in project.fetch("SELECT id FROM image WHERE removed_at IS NULL AND label_count = 0")}
