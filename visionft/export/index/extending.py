"""Adding labelled pictures to the index beside an exported model, or removing some: no project, no training, no torch.

The classes stay those of the model: their number stands in its graph, and its calibration is of them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from visionft.data.decode import decode
from visionft.errors import ExportError, ImageError, NextStep
from visionft.events import OnEvent, Progress, ShouldStop, ignore_event, never_stop
from visionft.export.contents import INDEX_FILE, note_change
from visionft.export.index.memory_index import ExportedIndex, Remembered, packed
from visionft.export.predictor import Predictor, expand_folders
from visionft.files import atomic_path, sha256_file
from visionft.project.names import name_key

_NAMES = "Evidence names the pictures of a prediction; a file is found by its content, wherever it lies."


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """What an index holds, and what came of changing it.

    Attributes:
        pictures: How many it holds now.
        per_class: {class: how many}.
        added: How many came now.
        known: How many were there already, by their content.
        removed: How many were taken out now.
        left_out: (path, reason) of those that cannot be read, or whose folder is no class.
        stopped: Whether the user stopped; what was looked at by then is kept.
    """

    pictures: int
    per_class: dict[str, int]
    added: int = 0
    known: int = 0
    removed: int = 0
    left_out: tuple[tuple[str, str], ...] = ()
    stopped: bool = False


def change_index(
    predictor: Predictor,
    folder: Path | None = None,
    *,
    remove: Sequence[str] = (),
    on_event: OnEvent = ignore_event,
    should_stop: ShouldStop = never_stop,
) -> Held:
    """Remove pictures from the index beside a model, then add those of a folder's class folders.

    Args:
        predictor: The model.
        folder: Pictures to add, in folders with the names of classes; None for none.
        remove: Pictures that have no say any more: files or folders, found by their content, or the names that
            evidence calls them by. One that is not there spoils the whole: nothing is changed.
        on_event: Receives how far it is.
        should_stop: Asked between pictures that are added.

    Raises:
        ExportError: There is no index beside the model, `folder` holds no folder with the name of a class, or what is
            to be removed is not in the index, or is all of it.
        VisionFTError: The index cannot be written; it is as it was.
    """
    index = predictor.index
    if index is None:
        hint = "Export a retrieval run: its pictures lie beside the model."
        raise ExportError(f"{predictor.path} has no index beside it.", hint, NextStep("export"))
    found = {image_id for each in remove for image_id in _found(index, each)}
    if found and len(found) == len(index.memory):
        raise ExportError("These are all pictures of the index.", "Keep some: without any there is no answer.")
    files = _pictures(folder, index.class_names) if folder is not None else []
    changed = index.without(found) if found else index
    taken = _Taken(changed)
    stopped = False
    for number, (path, class_index) in enumerate(files, start=1):
        taken.look_at(predictor, path, class_index)
        on_event(Progress(stage="Adding pictures", done=number, total=len(files)))
        stopped = should_stop()
        if stopped:
            break
    if taken.pictures:
        labels = [[label] for label in taken.labels]
        changed = changed.with_pictures(np.stack(taken.embeddings), labels, taken.pictures)
    if changed is not index:
        _replace_index(predictor.path.parent, changed)
    return _held(changed, taken, removed=len(found), stopped=stopped)


def _replace_index(folder: Path, changed: ExportedIndex) -> None:
    """Put an index in the place of the one in an export's folder, once it is written and the record knows it."""
    with atomic_path(folder / INDEX_FILE) as whole:
        whole.write_bytes(packed(changed))
        note_change(folder, INDEX_FILE, whole)


def _found(index: ExportedIndex, which: str) -> set[int]:
    """Return the pictures that a file, a folder or a name stands for.

    Raises:
        ExportError: There is none, or several have that name.
    """
    if Path(which).exists():
        contents = {sha256_file(path) for path in expand_folders([Path(which)])}
        found = {image_id for image_id, each in index.pictures.items() if each.sha256 in contents}
        if not found:
            raise ExportError(f"Nothing of {which} is in the index, by its content.", _NAMES)
        return found
    found = {image_id for image_id, each in index.pictures.items() if each.name == which}
    if not found:
        raise ExportError(f"The index has no picture that is called {which}.", _NAMES)
    if len(found) > 1:
        hint = "Name the file itself, with its folder: it is found by its content."
        raise ExportError(f"{len(found):,} pictures of the index are called {which}.", hint)
    return found


class _Taken:
    """What is to be added."""

    def __init__(self, index: ExportedIndex) -> None:
        self._contents = {each.sha256 for each in index.pictures.values()}
        self.embeddings, self.labels, self.pictures = list[np.ndarray](), list[int](), list[Remembered]()
        self.known, self.left_out = 0, list[tuple[str, str]]()

    def look_at(self, predictor: Predictor, path: Path, class_index: int) -> None:
        """Embed a picture, unless it is there already or cannot be read."""
        if class_index < 0:
            self.left_out.append(
                (str(path), f"the model has no class “{path.parent.name}”, and classes cannot be added")
            )
            return
        try:
            content = sha256_file(path)
            if content in self._contents:
                self.known += 1
                return
            embedding = predictor.embeddings(decode(path)[None])[0]
        except ImageError as error:
            self.left_out.append((str(path), error.message))
            return
        except OSError as error:
            self.left_out.append((str(path), error.strerror or str(error)))
            return
        self._contents.add(content)
        self.embeddings.append(embedding)
        self.labels.append(class_index)
        self.pictures.append(Remembered(path.name, content))


def _pictures(folder: Path, class_names: Sequence[str]) -> list[tuple[Path, int]]:
    """Return the pictures of class folders with the place of their class; -1 where the model has no such class."""
    places = {name_key(name): place for place, name in enumerate(class_names)}
    found = [(path, places.get(name_key(path.parent.name), -1)) for path in expand_folders([folder])]
    if not any(place >= 0 for _, place in found):
        hint = (
            f"Put the pictures into folders with the names of its classes: {', '.join(class_names[:12])}. Others "
            "cannot be added to a finished model: label them in the project, train and export again."
        )
        raise ExportError(f"{folder} holds no pictures in a folder with the name of a class.", hint)
    return found


def _held(index: ExportedIndex, taken: _Taken, *, removed: int, stopped: bool) -> Held:
    labels = index.memory.labels
    counts = {name: int((labels == place).any(axis=1).sum()) for place, name in enumerate(index.class_names)}
    return Held(
        pictures=len(labels),
        per_class=counts,
        added=len(taken.pictures),
        known=taken.known,
        removed=removed,
        left_out=tuple(taken.left_out),
        stopped=stopped,
    )
