"""The retrieval index `index.safetensors` beside an exported model: its labelled images, as evidence. Torch-free.

The rows equal the rows in the model, with names, notes and tags. `visionft model index` adds and removes images
(`index_editing`); from then on the index predicts in place of the model's head. The index is a single file, so an
update is atomic; it contains the hash of its model.
"""

import dataclasses
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, Self

import numpy as np

from models.heads.knn import NONE, KnnClassifier
from visionft.core.errors import ExportError
from visionft.core.files import atomic_path, parse_json, sha256_file
from visionft.core.messages import Message
from visionft.export.contents import INDEX_FILE, note_change
from visionft.training.retrieval import Evidence, calibrated, find_evidence

_ABOUT: Final = "about"


@dataclass(frozen=True, slots=True)
class IndexEntry:
    """Description of an image in an index, with the user's note and tags.

    Its name is without folders: an export does not reveal the author's folders.
    """

    name: str
    sha256: str
    note: str = ""
    tags: tuple[str, ...] = ()


@dataclass(frozen=True)
class ExportedIndex:
    """The retrieval index of an exported model.

    Attributes:
        images: {image id: its description}.
        temperature: Of the calibration on validation.
        model: SHA-256 of the model's file.
        added: Number of images added after the export; `removed` is that of images removed.
        variants: SHA-256 of the smaller files exported with it; their embeddings are nearly the same.
    """

    memory: KnnClassifier
    class_names: tuple[str, ...]
    images: Mapping[int, IndexEntry]
    temperature: float
    model: str
    added: int = 0
    removed: int = 0
    variants: tuple[str, ...] = ()

    @property
    def is_changed(self) -> bool:
        """Whether the index differs from the images in the model itself."""
        return bool(self.added or self.removed)

    def probabilities(self, embeddings: np.ndarray) -> np.ndarray:
        """Return (M, C) probabilities from the model's (M, K) embeddings of images."""
        return calibrated(self.memory.predict(embeddings), self.temperature, is_multilabel=self.memory.is_multilabel)

    def evidence(self, embedding: np.ndarray, sha256: str = "") -> Evidence:
        """Return the neighbor evidence for and against a prediction, from a (K,) embedding."""
        same = [image_id for image_id, each in self.images.items() if sha256 and each.sha256 == sha256]
        return find_evidence(self.memory, self.class_names, embedding, same=same, temperature=self.temperature)

    def with_images(self, embeddings: np.ndarray, labels: Sequence[int], images: Sequence[IndexEntry]) -> Self:
        """Return an index with additional images: (M, K) embeddings, and the class and description of each."""
        memory = self.memory
        grown = np.full((len(labels), memory.labels.shape[1]), NONE, np.int64)
        grown[:, 0] = labels
        first = int(memory.image_ids.max(initial=0)) + 1
        ids = np.arange(first, first + len(labels))
        larger = replace(
            memory,
            rows=np.concatenate([memory.rows, embeddings.astype(np.float32)]),
            labels=np.concatenate([memory.labels, grown]),
            counts=np.concatenate([memory.counts, np.ones(len(labels), np.float32)]),
            image_ids=np.concatenate([memory.image_ids, ids]),
        )
        names = {**self.images, **dict(zip(ids.tolist(), images, strict=True))}
        return replace(self, memory=larger, images=names, added=self.added + len(labels))

    def without(self, image_ids: Collection[int]) -> Self:
        keeps = np.flatnonzero(~np.isin(self.memory.image_ids, list(image_ids)))
        images = {image_id: each for image_id, each in self.images.items() if image_id not in image_ids}
        removed = self.removed + len(self.memory) - len(keeps)
        return replace(self, memory=self.memory.among(keeps), images=images, removed=removed)


def write_index(path: Path, index: ExportedIndex) -> None:
    """Write an index atomically, and its new hash into the record of the export, where there is one beside it.

    Raises:
        VisionFTError: The disk is full or cannot be written.
    """
    from safetensors.numpy import save

    ids = index.memory.image_ids.tolist()
    about = {
        "class_names": list(index.class_names),
        "temperature": index.temperature,
        "model": index.model,
        "added": index.added,
        "removed": index.removed,
        "variants": list(index.variants),
        "images": [list(dataclasses.astuple(index.images.get(each, IndexEntry("", "")))) for each in ids],
    }
    arrays = {name: np.require(value, requirements="C") for name, value in index.memory.arrays().items()}
    with atomic_path(path) as whole:  # replaced after it is written and recorded
        whole.write_bytes(save(arrays, metadata={_ABOUT: json.dumps(about, ensure_ascii=False)}))
        note_change(path.parent, path.name, whole)


def read_index(model: Path) -> ExportedIndex | None:
    """Return the index beside a model; None where there is none.

    Raises:
        ExportError: It is damaged, or belongs to another model.
    """
    from safetensors import SafetensorError, safe_open

    path = model.with_name(INDEX_FILE)
    if not path.is_file():
        return None
    try:
        with safe_open(path, framework="numpy") as file:
            about: dict[str, Any] = parse_json((file.metadata() or {})[_ABOUT])
            memory = KnnClassifier.from_arrays({name: file.get_tensor(name) for name in file.keys()})  # noqa: SIM118
        images = [
            IndexEntry(str(name), str(content), str(note), tuple(tags))
            for name, content, note, tags in about["images" if "images" in about else "pictures"]  # before 0.1
        ]
        index = ExportedIndex(
            memory,
            tuple(about["class_names"]),
            dict(zip(memory.image_ids.tolist(), images, strict=True)),
            float(about["temperature"]),
            str(about["model"]),
            int(about["added"]),
            int(about.get("removed", 0)),
            tuple(map(str, about.get("variants", ()))),
        )
        if memory.classes != len(index.class_names) or not index.temperature > 0:
            raise ValueError("it names other classes than its labels are of")
    except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
        message = Message("{folder} cannot be read: {reason}.", folder=path, reason=error)
        raise ExportError(message, "Export the run again.") from error
    if sha256_file(model) not in (index.model, *index.variants):
        hint = Message("Export the run again, or remove the index: the model predicts without it.")
        raise ExportError(Message("{path} belongs to another model than {name}.", path=path, name=model.name), hint)
    return index
