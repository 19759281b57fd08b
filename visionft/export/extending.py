"""Adding labelled pictures to the index beside an exported model: no project, no training, no torch."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from visionft.data.decode import decode
from visionft.errors import ExportError, ImageError, NextStep
from visionft.events import OnEvent, Progress, ShouldStop, ignore_event, never_stop
from visionft.export.contents import INDEX_FILE, note_change
from visionft.export.memory_index import ExportedIndex, Remembered, write_index
from visionft.export.predictor import Predictor, expand_folders
from visionft.files import sha256_file


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """What an index holds, and what came of adding to it.

    Attributes:
        pictures: How many it holds now.
        per_class: {class: how many}.
        added: How many came now.
        known: How many were there already, by their content.
        left_out: (path, reason) of those that cannot be read, or whose folder is no class.
        stopped: Whether the user stopped; what was looked at by then is kept.
    """

    pictures: int
    per_class: dict[str, int]
    added: int = 0
    known: int = 0
    left_out: tuple[tuple[str, str], ...] = ()
    stopped: bool = False


def extend_index(
    predictor: Predictor,
    folder: Path | None,
    *,
    on_event: OnEvent = ignore_event,
    should_stop: ShouldStop = never_stop,
) -> Held:
    """Add the pictures of a folder's class folders to the index beside a model; None only tells what it holds.

    Raises:
        ExportError: There is no index beside the model, or `folder` holds no folder with the name of a class.
        VisionFTError: The index cannot be written; it is as it was.
    """
    index = predictor.index
    if index is None:
        hint = "Export a retrieval run: its pictures lie beside the model."
        raise ExportError(f"{predictor.path} has no index beside it.", hint, NextStep("export"))
    if folder is None:
        return _held(index)
    files = _pictures(folder, index.class_names)
    taken = _Taken(index)
    stopped = False
    for number, (path, class_index) in enumerate(files, start=1):
        taken.look_at(predictor, path, class_index)
        on_event(Progress(stage="Adding pictures", done=number, total=len(files)))
        stopped = should_stop()
        if stopped:
            break
    if taken.pictures:
        labels = [[label] for label in taken.labels]
        index = index.with_pictures(np.stack(taken.embeddings), labels, taken.pictures)
        write_index(predictor.path.with_name(INDEX_FILE), index)
        note_change(predictor.path.parent, INDEX_FILE)
    return _held(index, taken, stopped=stopped)


class _Taken:
    """What is to be added."""

    def __init__(self, index: ExportedIndex) -> None:
        self._contents = {each.sha256 for each in index.pictures.values()}
        self.embeddings, self.labels, self.pictures = list[np.ndarray](), list[int](), list[Remembered]()
        self.known, self.left_out = 0, list[tuple[str, str]]()

    def look_at(self, predictor: Predictor, path: Path, class_index: int) -> None:
        """Embed a picture, unless it is there already or cannot be read."""
        if class_index < 0:
            self.left_out.append((str(path), f"the model has no class “{path.parent.name}”"))
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
    places = {name: place for place, name in enumerate(class_names)}
    found = [(path, places.get(path.parent.name, -1)) for path in expand_folders([folder])]
    if not any(place >= 0 for _, place in found):
        hint = f"Put the pictures into folders with the names of its classes: {', '.join(class_names[:12])}."
        raise ExportError(f"{folder} holds no pictures in a folder with the name of a class.", hint)
    return found


def _held(index: ExportedIndex, taken: _Taken | None = None, *, stopped: bool = False) -> Held:
    labels = index.memory.labels
    counts = {name: int((labels == place).any(axis=1).sum()) for place, name in enumerate(index.class_names)}
    if taken is None:
        return Held(pictures=len(labels), per_class=counts)
    return Held(
        pictures=len(labels),
        per_class=counts,
        added=len(taken.pictures),
        known=taken.known,
        left_out=tuple(taken.left_out),
        stopped=stopped,
    )
