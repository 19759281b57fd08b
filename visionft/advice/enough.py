"""Whether there are labels enough to measure anything; asked whenever the page is shown, so nothing else loads."""

from pathlib import Path

import numpy as np

from visionft.data.types import Snapshot
from visionft.errors import NextStep, ProjectError


def check_labels(project_dir: Path, images: Snapshot, accepted: frozenset[int] = frozenset()) -> None:
    """Refuse labels that no curve can be made of.

    Raises:
        ProjectError: There are none, of one class only, or one picture a class; with the step that helps.
    """
    counts = np.zeros(len(images.class_names), np.int64)
    for image in images.images:
        if image.split != "test" and image.image_id not in accepted:
            counts[list(image.labels)] += 1
    step = NextStep("label", project=project_dir)
    if not counts.any():
        raise ProjectError("No picture has a label yet.", "Label a few of each class.", step)
    if images.task == "single" and np.count_nonzero(counts) < 2:
        raise ProjectError("All labels are of one class.", "Label a picture of another class.", step)
    if counts.max() < 2:
        hint = "Label at least two of each class; five tell more."
        raise ProjectError("With one picture a class nothing can be measured.", hint, step)
