"""Write the retrieval index of a run beside its exported model, and compare it with the model's predictions."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from models.messages import Message
from visionft.data.types import Snapshot
from visionft.errors import ExportError
from visionft.export.contents import INDEX_FILE, MODEL_FILE
from visionft.export.distance import embeddings
from visionft.export.index.memory_index import ExportedIndex, IndexEntry, write_index
from visionft.export.parity import MAX_ABS_DIFF
from visionft.export.precision.variants import Variant
from visionft.export.predictor import Predictor
from visionft.export.project_facts import Remarks
from visionft.export.pytorch_comparison import network_inputs, parity_images, uniform_batch
from visionft.files import sha256_file
from visionft.heads.solutions import memory_of
from visionft.training.runs.run_model import LoadedRun

COMPARED = 16


def keep_index(
    loaded: LoadedRun,
    images: Snapshot,
    model_path: Path,
    temperature: float,
    remarks: Remarks,
    variants: Sequence[Variant] = (),
) -> int:
    """Write the index, and return its number of images.

    Args:
        loaded: A retrieval run: its head holds images.
        images: The project's images.
        model_path: The exported model; the index is written beside it.
        remarks: {image id: (note, tags)}.
        variants: They share the index with the model.

    Raises:
        ExportError: The file's embeddings differ from PyTorch's, or its predictions from those of the index.
    """
    memory = memory_of(loaded.classifier.head.state_dict())
    ids = set(memory.image_ids.tolist())
    entries = {
        image.image_id: IndexEntry(image.path.name, image.sha256, *remarks.get(image.image_id, ("", ())))
        for image in images.images
        if image.image_id in ids
    }
    hashes = tuple(each.sha256 for each in variants if each.is_kept)
    index = ExportedIndex(
        memory, loaded.run.class_names, entries, temperature, sha256_file(model_path), variants=hashes
    )
    write_index(model_path.with_name(INDEX_FILE), index)
    predictor = Predictor(model_path, device="cpu")
    pixels = uniform_batch(parity_images(loaded.run, images), COMPARED)
    inputs = network_inputs(loaded, pixels)
    expected = embeddings(loaded.classifier.network, loaded.classifier.backbone, inputs).numpy()
    found = predictor.embeddings(pixels)
    probabilities = index.probabilities(found), predictor.probabilities(pixels)
    pairs = ((expected, found), probabilities)
    difference = max(float(np.abs(first - second).max()) for first, second in pairs)
    if difference > MAX_ABS_DIFF:
        names = {"name": INDEX_FILE, "other": MODEL_FILE}
        message = Message("{name} differs from {other} by {difference}.", difference=f"{difference:.2g}", **names)
        raise ExportError(message, "Nothing was kept.")
    return len(memory)
