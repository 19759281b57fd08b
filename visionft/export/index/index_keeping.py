"""Writing the pictures that a run holds beside its exported model, compared with what that says."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch  # noqa: TID253

from visionft.data.types import Snapshot
from visionft.errors import ExportError
from visionft.export.contents import INDEX_FILE, MODEL_FILE
from visionft.export.index.memory_index import exported_index, write_index
from visionft.export.outputs import embeddings
from visionft.export.parity import MAX_ABS_DIFF
from visionft.export.parity_pictures import parity_pictures, uniform_batch
from visionft.export.precision.variants import Variant
from visionft.export.predictor import Predictor
from visionft.heads.solutions import memory_of
from visionft.training.runs.loaded_run import LoadedRun

COMPARED = 16


def keep_index(
    loaded: LoadedRun,
    images: Snapshot,
    model_path: Path,
    temperature: float,
    remarks: Mapping[int, tuple[str, tuple[str, ...]]],
    variants: Sequence[Variant] = (),
) -> int:
    """Write the index, and return how many pictures it holds.

    Args:
        loaded: A run whose head holds pictures.
        images: The project's pictures.
        model_path: The exported model; the index gets its place beside it.
        temperature: Of the exported model.
        remarks: {image id: (note, tags)}.
        variants: The smaller files beside the model; the index is theirs too.

    Raises:
        ExportError: The file's embeddings differ from PyTorch's, or its answers from those of the index.
    """
    memory = memory_of(loaded.classifier.head.state_dict())
    index = exported_index(
        memory,
        images,
        loaded.run.class_names,
        remarks,
        temperature=temperature,
        model=model_path,
        variants=tuple(each.sha256 for each in variants if each.is_kept),
    )
    write_index(model_path.with_name(INDEX_FILE), index)
    predictor = Predictor(model_path, device="cpu")
    pixels = uniform_batch(parity_pictures(loaded.run, images), COMPARED)
    inputs = torch.stack([loaded.preprocessing.apply(each) for each in pixels])
    expected = embeddings(loaded.classifier.network, loaded.classifier.backbone, inputs).numpy()
    got = predictor.embeddings(pixels)
    difference = max(
        float(np.abs(expected - got).max()), float(np.abs(index.answers(got) - predictor.probabilities(pixels)).max())
    )
    if difference > MAX_ABS_DIFF:
        raise ExportError(f"{INDEX_FILE} differs from {MODEL_FILE} by {difference:.2g}.", "Nothing was kept.")
    return len(memory)
