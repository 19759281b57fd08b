"""Label images by file or id: for Python, the command line and the Try page."""

import json
import operator
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from visionft.core.errors import NextStep, ProjectError
from visionft.core.files import expand_home, is_file, sha256_file
from visionft.core.foreign_text import is_unicode, printable
from visionft.core.messages import Message
from visionft.core.names import clean_name
from visionft.data.types import Split
from visionft.project.db.journal import Effects
from visionft.project.edits.changes import AssignSplits, Change, LabelImages
from visionft.project.edits.image_changes import RestoreImages
from visionft.project.importing.importer import ImportReport, import_files
from visionft.project.store import ProjectStore

ImageChoice = int | str | Path | Iterable[int | str | Path]
"""Images of a project: an id, a file, or several of these."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LabellingReport:
    """The result of labelling files."""

    image_ids: dict[Path, int]  # {file: its image in the project}; files without a usable image are missing
    added: int  # number of new images in the project
    # The split assigned to images without one; None if there were none, or the project is not split yet.
    split: Split | None


def label_images(project: ProjectStore, class_name: str, images: ImageChoice) -> Effects:
    """Give images of the project a class, created when it is new, in one step.

    Args:
        images: Ids, or files of the project; one or several.

    Raises:
        ProjectError: A file or an id is not in the project, or the project cannot be changed.
    """
    chosen = list(images) if isinstance(images, Iterable) and not isinstance(images, str) else [images]
    ids = [
        find_image(project, expand_home(each)) if isinstance(each, str | Path) else operator.index(each)
        for each in chosen
    ]
    query = "SELECT id FROM image WHERE removed_at IS NULL AND id IN (SELECT value FROM json_each(?))"
    known = {row[0] for row in project.fetch(query, json.dumps(ids))}
    if unknown := [each for each in ids if each not in known]:
        step = NextStep("import_images", project=project.path)
        message = Message("There is no image {image_id} in the project.", image_id=unknown[0])
        raise ProjectError(message, "Give the id of an image of the project, or its file.", step)
    return project.apply(LabelImages(tuple(ids), class_name))


def import_and_label(
    project: ProjectStore, class_name: str, paths: Sequence[Path], *, copy: bool = False
) -> LabellingReport:
    """Give the images at `paths` a class, created when it is new, and import the missing ones into the project.

    One step of the history. Removed images are restored; in a split project, images without a split become training
    images. With `copy`, the files are copied into the project instead of referenced in place.

    Raises:
        ProjectError: No usable image among them, or the project cannot be written.
    """
    clean_name(class_name, "class")
    files = {path: Path(os.path.abspath(path)) for path in paths}  # noqa: PTH100  (as in `find_image`)
    report = import_files(project, list(files.values()), copy=copy)
    contents = {path: sha256_file(file) for path, file in files.items() if is_file(file)}
    known = _images_with_content(project, contents.values())
    image_ids = {path: known[sha256].image_id for path, sha256 in contents.items() if sha256 in known}
    if not image_ids:
        raise _no_image(paths[0], report)
    is_split = bool(project.fetch("SELECT 1 FROM image WHERE split = 'train' AND removed_at IS NULL LIMIT 1"))
    removed = tuple(each.image_id for each in known.values() if each.is_removed)
    unplaced = [each.image_id for each in known.values() if is_split and not each.has_split]
    changes: list[Change] = []
    if removed:
        changes.append(RestoreImages(removed))
    if unplaced:
        changes.append(AssignSplits(dict.fromkeys(unplaced, "train")))
    changes.append(LabelImages(tuple(image_ids.values()), class_name))
    step_id = report.step_id
    for change in changes:
        step_id = project.apply(change, continues=step_id).step_id or step_id
    return LabellingReport(image_ids=image_ids, added=report.added, split="train" if unplaced else None)


def _no_image(path: Path, report: ImportReport) -> ProjectError:
    reason = report.unreadable[0].reason if report.unreadable else "it is not an image"
    message = Message("{path} cannot be taken in: {reason}.", path=printable(path), reason=reason)
    return ProjectError(message, "Choose another image.")


class _KnownImage(NamedTuple):
    """An image of the project, or one removed from it."""

    image_id: int
    has_split: bool
    is_removed: bool


def _images_with_content(project: ProjectStore, contents: Iterable[str]) -> dict[str, _KnownImage]:
    """Return the image of each content that the project knows; a present one rather than a removed one."""
    rows = project.fetch(
        """SELECT sha256, id, split IS NOT NULL, removed_at IS NOT NULL FROM image
            WHERE sha256 IN (SELECT value FROM json_each(?)) ORDER BY removed_at IS NULL, id DESC""",
        json.dumps(list(contents)),
    )
    return {
        sha256: _KnownImage(image_id, bool(has_split), bool(is_gone)) for sha256, image_id, has_split, is_gone in rows
    }


def find_image(project: ProjectStore, path: Path) -> int:
    """Return the id of the image at `path`, or of an image with its content (ProjectError: not found)."""
    absolute = Path(os.path.abspath(path))  # noqa: PTH100  (resolves "..", and keeps links as the user named them)
    place = project.roots().locate(absolute) if is_unicode(absolute) else None
    query = "SELECT id FROM image WHERE removed_at IS NULL AND "
    rows = project.fetch(query + "root_id = ? AND path = ?", *place) if place else []
    if not rows:
        if not is_file(absolute):
            message = Message("{path} does not exist, or may not be seen.", path=path)
            raise ProjectError(message, "Check the path and its permissions.")
        rows = project.fetch(query + "sha256 = ? ORDER BY id LIMIT 1", sha256_file(absolute))
    if not rows:
        step = NextStep("import_images", project=project.path, path=absolute.parent)
        raise ProjectError(Message("{path} is not in the project.", path=path), "Import it first.", step)
    return int(rows[0][0])
