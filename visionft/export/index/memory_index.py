"""`index.safetensors` beside an exported model: the labelled pictures that it holds, for evidence. No torch.

The same rows as in the model, with names, notes and tags; whoever adds pictures to it (`visionft index`) needs no
training and no export, and is answered from it from then on. One file, so that it is old or new and never a mixture;
the hash of the model that it belongs to stands in it.
"""

import dataclasses
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, Self

import numpy as np

from visionft.data.types import Snapshot
from visionft.errors import ExportError
from visionft.export.contents import INDEX_FILE
from visionft.files import atomic_path, parse_json, sha256_file
from visionft.heads.knn.memory import NONE, Memory
from visionft.retrieval.evidence import Evidence, calibrated, find_evidence

_ABOUT: Final = "about"


@dataclass(frozen=True, slots=True)
class Remembered:
    """A picture as an index names it.

    Attributes:
        name: Of its file, without folders: an export tells nobody how a disk is laid out.
        sha256: Of its content.
        note: What a person wrote about it.
        tags: Those that it has.
    """

    name: str
    sha256: str
    note: str = ""
    tags: tuple[str, ...] = ()


@dataclass(frozen=True)
class ExportedIndex:
    """What lies beside a model.

    Attributes:
        memory: Labelled pictures and their vote.
        class_names: Of the model.
        pictures: {image id: what it is called}.
        temperature: Of the calibration on validation.
        model: SHA-256 of the model's file.
        added: How many pictures were added after the export.
        removed: How many were taken out after it.
        variants: SHA-256 of the smaller files that were exported with it; their embeddings are nearly the same.
    """

    memory: Memory
    class_names: tuple[str, ...]
    pictures: Mapping[int, Remembered]
    temperature: float
    model: str
    added: int = 0
    removed: int = 0
    variants: tuple[str, ...] = ()

    @property
    def is_changed(self) -> bool:
        """Tell whether the model itself does not know any more what is remembered."""
        return bool(self.added or self.removed)

    def answers(self, embeddings: np.ndarray) -> np.ndarray:
        """Return (M, C) probabilities of pictures from the model's (M, K) embeddings."""
        found = self.memory.answers(embeddings)
        return calibrated(found, self.temperature, is_multilabel=self.memory.is_multilabel)

    def evidence(self, embedding: np.ndarray, sha256: str = "") -> Evidence:
        """Return what speaks for and against the answer, from a (K,) embedding."""
        same = [image_id for image_id, each in self.pictures.items() if sha256 and each.sha256 == sha256]
        return find_evidence(self.memory, self.class_names, embedding, same=same, temperature=self.temperature)

    def with_pictures(
        self, embeddings: np.ndarray, labels: Sequence[Sequence[int]], pictures: Sequence[Remembered]
    ) -> Self:
        """Return an index that holds more pictures: (M, K) embeddings, the classes and the name of each."""
        memory, width = self.memory, max(self.memory.labels.shape[1], *(len(each) for each in labels))
        grown = np.full((len(memory) + len(labels), width), NONE, np.int64)
        grown[: len(memory), : memory.labels.shape[1]] = memory.labels
        for row, each in zip(grown[len(memory) :], labels, strict=True):
            row[: len(each)] = each
        first = int(memory.image_ids.max(initial=0)) + 1
        ids = np.arange(first, first + len(labels))
        larger = replace(
            memory,
            rows=np.concatenate([memory.rows, embeddings.astype(np.float32)]),
            labels=grown,
            counts=np.concatenate([memory.counts, np.ones(len(labels), np.float32)]),
            image_ids=np.concatenate([memory.image_ids, ids]),
        )
        names = {**self.pictures, **dict(zip(ids.tolist(), pictures, strict=True))}
        return replace(self, memory=larger, pictures=names, added=self.added + len(labels))

    def without(self, image_ids: Collection[int]) -> Self:
        """Return an index that holds these pictures no more."""
        keeps = np.flatnonzero(~np.isin(self.memory.image_ids, list(image_ids)))
        pictures = {image_id: each for image_id, each in self.pictures.items() if image_id not in image_ids}
        removed = self.removed + len(self.memory) - len(keeps)
        return replace(self, memory=self.memory.among(keeps), pictures=pictures, removed=removed)


def exported_index(
    memory: Memory,
    images: Snapshot,
    class_names: tuple[str, ...],
    remarks: Mapping[int, tuple[str, tuple[str, ...]]],
    *,
    temperature: float,
    model: Path,
    variants: tuple[str, ...] = (),
) -> ExportedIndex:
    """Return the index of a run's memory.

    Args:
        memory: The run's.
        images: The project's pictures.
        class_names: The run's.
        remarks: {image id: (note, tags)}, where there are any.
        temperature: Of the exported model.
        model: Its file.
        variants: SHA-256 of the smaller files beside it.
    """
    ids = set(memory.image_ids.tolist())
    pictures = {
        image.image_id: Remembered(image.path.name, image.sha256, *remarks.get(image.image_id, ("", ())))
        for image in images.images
        if image.image_id in ids
    }
    return ExportedIndex(memory, class_names, pictures, temperature, sha256_file(model), variants=variants)


def write_index(path: Path, index: ExportedIndex) -> None:
    """Write an index, whole or not at all.

    Raises:
        VisionFTError: The disk is full or cannot be written.
    """
    with atomic_path(path) as temporary:
        temporary.write_bytes(packed(index))  # safetensors' `save_file` would let nobody but the author read it


def packed(index: ExportedIndex) -> bytes:
    """Return the content of an index's file."""
    from safetensors.numpy import save

    ids = index.memory.image_ids.tolist()
    about = {
        "class_names": list(index.class_names),
        "temperature": index.temperature,
        "model": index.model,
        "added": index.added,
        "removed": index.removed,
        "variants": list(index.variants),
        "pictures": [list(dataclasses.astuple(index.pictures.get(each, Remembered("", "")))) for each in ids],
    }
    arrays = {name: np.require(value, requirements="C") for name, value in index.memory.arrays().items()}
    return save(arrays, metadata={_ABOUT: json.dumps(about, ensure_ascii=False)})


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
            memory = Memory.from_arrays({name: file.get_tensor(name) for name in file.keys()})  # noqa: SIM118
        pictures = [
            Remembered(str(name), str(content), str(note), tuple(tags))
            for name, content, note, tags in about["pictures"]
        ]
        index = ExportedIndex(
            memory,
            tuple(about["class_names"]),
            dict(zip(memory.image_ids.tolist(), pictures, strict=True)),
            float(about["temperature"]),
            str(about["model"]),
            int(about["added"]),
            int(about.get("removed", 0)),
            tuple(map(str, about.get("variants", ()))),
        )
        if memory.classes != len(index.class_names) or not index.temperature > 0:
            raise ValueError("it names other classes than its labels are of")
    except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
        raise ExportError(f"{path} cannot be read: {error}.", "Export the run again.") from error
    if sha256_file(model) not in (index.model, *index.variants):
        hint = "Export the run again, or take the index away: the model answers without it."
        raise ExportError(f"{path} belongs to another model than {model.name}.", hint)
    return index
