"""Add labelled images to the retrieval index beside an exported model, or remove some: no project, training or torch.

The classes stay the model's classes: their number is fixed in its graph and its calibration.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from models.heads.knn import NONE
from visionft.core.errors import ExportError, ImageError
from visionft.core.events import Progress
from visionft.core.files import sha256_file
from visionft.core.jobs import SILENT_JOB, JobContext
from visionft.core.messages import Message
from visionft.core.names import name_key
from visionft.data.decode import decode
from visionft.export.contents import INDEX_FILE
from visionft.export.predictor import ExportedIndex, IndexEntry, Predictor, expand_folders, no_index, write_index


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexContents:
    """Content of a retrieval index, and the result of changing it.

    Attributes:
        images: Number of images in the index now; `per_class` is that of each class.
        added: Number of images added now; `removed` is that of images removed now.
        known: Number of images already in the index, by their content.
        left_out: (path, reason) of unreadable images and of images in folders without a class.
        stopped: Whether the user cancelled; images processed before are kept.
    """

    images: int
    per_class: dict[str, int]
    added: int = 0
    known: int = 0
    removed: int = 0
    left_out: tuple[tuple[str, str], ...] = ()
    stopped: bool = False


def change_index(
    predictor: Predictor, folder: Path | None = None, *, remove: Sequence[str] = (), job: JobContext = SILENT_JOB
) -> IndexContents:
    """Remove images from the retrieval index beside a model, then add images from class folders.

    Args:
        predictor: The model.
        folder: Images to add, in folders named after classes; None for none.
        remove: Images to remove: files or folders, found by their content, or names as in the evidence. A single one
            outside the index cancels the whole change.

    Raises:
        ExportError: There is no index beside the model, `folder` holds no folder with the name of a class, or the
            images to remove are not in the index, or are all of it.
        VisionFTError: The index cannot be written; it is unchanged.
    """
    index = predictor.index
    if index is None:
        raise no_index(predictor.path)
    removed = {image_id for each in remove for image_id in _image_ids(index, each)}
    if removed and len(removed) == len(index.memory):
        raise ExportError("These are all images of the index.", "Keep some: an empty index predicts nothing.")
    files = _class_images(folder, index.class_names) if folder is not None else []
    changed = _without(index, removed) if removed else index
    contents = {each.sha256 for each in changed.images.values()}
    embeddings, labels, entries = list[np.ndarray](), list[int](), list[IndexEntry]()
    known = 0
    left_out = list[tuple[str, str]]()
    stopped = False
    for number, (path, class_index) in enumerate(files, start=1):
        try:
            if class_index is None:
                reason = Message("the model has no class “{name}”, and classes cannot be added", name=path.parent.name)
                raise ImageError(reason)
            digest = sha256_file(path)
            if digest in contents:
                known += 1
            else:
                embeddings.append(predictor.embeddings(decode(path, reading=predictor.image_reading)[None])[0])
                labels.append(class_index)
                entries.append(IndexEntry(path.name, digest))
                contents.add(digest)
        except ImageError as error:
            left_out.append((str(path), error.message))
        except OSError as error:
            left_out.append((str(path), error.strerror or str(error)))
        job.report(Progress(stage="Adding images", done=number, total=len(files)))
        stopped = job.is_cancelled
        if stopped:
            break
    if entries:
        changed = with_images(changed, np.stack(embeddings), labels, entries)
    if changed is not index:
        write_index(predictor.path.with_name(INDEX_FILE), changed)
    classes = changed.memory.labels
    return IndexContents(
        images=len(classes),
        per_class={name: int((classes == i).any(axis=1).sum()) for i, name in enumerate(changed.class_names)},
        added=len(entries),
        known=known,
        removed=len(removed),
        left_out=tuple(left_out),
        stopped=stopped,
    )


def with_images(
    index: ExportedIndex, embeddings: np.ndarray, labels: Sequence[int], images: Sequence[IndexEntry]
) -> ExportedIndex:
    """Return an index with additional images: (M, K) embeddings, and the class and description of each."""
    memory = index.memory
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
    names = {**index.images, **dict(zip(ids.tolist(), images, strict=True))}
    return replace(index, memory=larger, images=names, added=index.added + len(labels))


def _without(index: ExportedIndex, image_ids: Collection[int]) -> ExportedIndex:
    keeps = np.flatnonzero(~np.isin(index.memory.image_ids, list(image_ids)))
    images = {image_id: each for image_id, each in index.images.items() if image_id not in image_ids}
    removed = index.removed + len(index.memory) - len(keeps)
    return replace(index, memory=index.memory.among(keeps), images=images, removed=removed)


def _image_ids(index: ExportedIndex, name: str) -> set[int]:
    """Return the image ids of a file, a folder or a name (ExportError: no image or several have this name)."""
    is_path = Path(name).exists()
    if is_path:
        contents = {sha256_file(path) for path in expand_folders([Path(name)])}
        found = {image_id for image_id, each in index.images.items() if each.sha256 in contents}
        missing = Message("No image of {path} is in the index, by its content.", path=name)
    else:
        found = {image_id for image_id, each in index.images.items() if each.name == name}
        missing = Message("The index has no image named {name}.", name=name)
    if not found:
        hint = Message("Evidence names the images of a prediction; a file is identified by its content, in any folder.")
        raise ExportError(missing, hint)
    if len(found) > 1 and not is_path:
        hint = Message("Name the file itself, with its folder: it is identified by its content.")
        raise ExportError(Message("{count} images of the index are named {name}.", count=len(found), name=name), hint)
    return found


def _class_images(folder: Path, class_names: Sequence[str]) -> list[tuple[Path, int | None]]:
    """Return the images of class folders with the index of their class; None where the model has no such class."""
    places = {name_key(name): place for place, name in enumerate(class_names)}
    found = [(path, places.get(name_key(path.parent.name))) for path in expand_folders([folder])]
    if all(place is None for _, place in found):
        hint = Message(
            "Put the images into folders with the names of its classes: {names}. Others cannot be added to an exported "
            "model: label them in the project, train and export again.",
            names=", ".join(class_names[:12]),
        )
        raise ExportError(Message("{path} holds no images in a folder with the name of a class.", path=folder), hint)
    return found
