"""Zero-shot predictions of labelled images by a project's prompts, without a run."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from models.catalog import DEFAULT_TEXT_BACKBONE, get_backbone
from models.text.class_texts import DEFAULT_TEMPLATES, all_texts
from visionft.core.jobs import SILENT_JOB, JobContext
from visionft.data.types import Snapshot, SnapshotImage
from visionft.features.embedding import features_under
from visionft.features.feature_spec import FeatureSpec

_EQUAL_COSINE_TOLERANCE = 1e-5  # cosines of the same text differ by less


def predict_by_prompts(
    project_dir: Path, images: Snapshot, chosen: Sequence[SnapshotImage], *, job: JobContext = SILENT_JOB
) -> np.ndarray:
    """Classify single-label images zero-shot with the default network and templates; return (N,) whether correctly.

    An image without features counts as wrong.

    Raises:
        VisionFTError: Weights or packages are missing.
        JobCancelled: The user cancelled; computed features are kept.
    """
    import torch

    from models.text.text_encoder import open_text_side

    row = get_backbone(DEFAULT_TEXT_BACKBONE)
    spec = FeatureSpec(backbone=row.name, image_reading=images.image_reading)
    features = features_under(project_dir, chosen, spec, job=job)
    texts = open_text_side(row, job=job).class_points(
        all_texts(images.class_names, images.prompts, DEFAULT_TEMPLATES), job=job
    )
    embeddings = features.vectors[:, -features.kind.widths[-1] :].astype(np.float32)  # of the last stage
    cosines = (texts.space.directions(torch.from_numpy(embeddings)) @ texts.points.T).numpy()  # (M, C)
    # Of classes with equal texts the first is predicted, although rounding makes their cosines differ.
    predicted = (cosines >= cosines.max(axis=1, keepdims=True) - _EQUAL_COSINE_TOLERANCE).argmax(axis=1)
    right = {
        image.image_id: bool(place in image.labels) for image, place in zip(features.images, predicted, strict=True)
    }
    return np.array([right.get(image.image_id, False) for image in chosen])
