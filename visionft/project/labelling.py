"""Labelling by file path, as the command line and the Try page do."""

import json
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from visionft.data.types import Split
from visionft.errors import NextStep, ProjectError
from visionft.files import is_file, sha256_file
from visionft.foreign_text import is_unicode, printable
from visionft.project.db.journal import Effects
from visionft.project.edits.changes import AssignSplits, Change, LabelImages
from visionft.project.edits.image_changes import RestoreImages
from visionft.project.importing.importer import import_files
from visionft.project.names import clean_name
from visionft.project.store import Project


@dataclass(frozen=True, slots=True, kw_only=True)
class TakenIn:
    """What became of files that were given a class.

    Attributes:
        image_ids: {file: its picture in the project}; files that are no pictures are missing.
        added: How many of them are new in the project.
        split: Where those went that were in no split; None where there was none, or the project is not split yet.
    """

    image_ids: dict[Path, int]
    added: int
    split: Split | None


def label_files(project: Project, class_name: str, paths: Iterable[Path]) -> Effects:
    """Give the pictures at `paths` a class, which is created when it is new; one step of the history.

    Raises:
        ProjectError: A picture is not in the project. Nothing was changed.
    """
    return project.apply(LabelImages(tuple(find_image(project, path) for path in paths), class_name))


def take_in(project: Project, class_name: str, paths: Sequence[Path], *, copy: bool = False) -> TakenIn:
    """Give the pictures at `paths` a class, wherever they lie: those that the project lacks come into it.

    One step of the history. What was removed from the project comes back; where the project is split, what is in no
    split is for training.

    Args:
        project: Where to; open for writing.
        class_name: What a person says that they show; created when it is new.
        paths: Files of pictures.
        copy: Copy them into the project instead of referring to them where they lie.

    Raises:
        ProjectError: None of them is a picture that can be used, or the project cannot be written.
    """
    clean_name(class_name, "class")
    files = {path: Path(os.path.abspath(path)) for path in paths}  # noqa: PTH100  (as in `find_image`)
    report = import_files(project, list(files.values()), copy=copy)
    contents = {path: sha256_file(file) for path, file in files.items() if is_file(file)}
    found = _pictures_of(project, contents.values())
    image_ids = {path: found[sha256].image_id for path, sha256 in contents.items() if sha256 in found}
    if not image_ids:
        reason = report.unreadable[0].reason if report.unreadable else "it is not a picture"
        raise ProjectError(f"{printable(paths[0])} cannot be taken in: {reason}.", "Choose another picture.")
    loose = [each.image_id for each in found.values() if not each.is_split] if _is_split(project) else []
    removed = tuple(each.image_id for each in found.values() if each.is_removed)
    changes: list[Change] = [RestoreImages(removed)] if removed else []
    changes += [AssignSplits(dict.fromkeys(loose, "train"))] if loose else []
    step_id = report.step_id
    for change in (*changes, LabelImages(tuple(image_ids.values()), class_name)):
        step_id = project.apply(change, continues=step_id).step_id or step_id
    return TakenIn(image_ids=image_ids, added=report.added, split="train" if loose else None)


@dataclass(frozen=True, slots=True)
class _Picture:
    image_id: int
    is_split: bool
    is_removed: bool


def _pictures_of(project: Project, contents: Iterable[str]) -> dict[str, _Picture]:
    """Return {content: its picture}, one that is in the project before one that was removed from it."""
    with project.reading() as connection:
        rows = connection.execute(
            """SELECT sha256, id, split IS NOT NULL, removed_at IS NOT NULL FROM image
                WHERE sha256 IN (SELECT value FROM json_each(?)) ORDER BY removed_at IS NULL, id DESC""",
            (json.dumps(list(contents)),),
        ).fetchall()
    return {sha256: _Picture(image_id, bool(is_split), bool(gone)) for sha256, image_id, is_split, gone in rows}


def _is_split(project: Project) -> bool:
    with project.reading() as connection:
        row = connection.execute("SELECT 1 FROM image WHERE split = 'train' AND removed_at IS NULL LIMIT 1").fetchone()
    return row is not None


def find_image(project: Project, path: Path) -> int:
    """Return the id of the picture at `path`, or of the one with the same content (copied in, moved, a duplicate).

    Raises:
        ProjectError: There is no such file, or it is not in the project.
    """
    absolute = Path(os.path.abspath(path))  # noqa: PTH100  (resolves "..", and keeps links as the user named them)
    place = project.roots().containing(absolute) if is_unicode(absolute) else None
    with project.reading() as connection:
        query = "SELECT id FROM image WHERE removed_at IS NULL AND "
        row = connection.execute(query + "root_id = ? AND path = ?", place).fetchone() if place else None
        if row is None:
            if not is_file(absolute):
                raise ProjectError(f"{path} does not exist, or may not be seen.", "Check the path and its permissions.")
            row = connection.execute(query + "sha256 = ? ORDER BY id LIMIT 1", (sha256_file(absolute),)).fetchone()
    if row is None:
        step = NextStep("import_images", project=project.path, path=absolute.parent)
        raise ProjectError(f"{path} is not in the project.", "Import it first.", step)
    return int(row[0])
