"""Read another project as a source: its images, labels, tags and notes, and the agreement with its labels.

The other project is untrusted: it is opened read-only, its structure is always checked, and the import cleans its text.
"""

import os
import re
import sqlite3
from collections import Counter, defaultdict
from collections.abc import Collection, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from visionft.core.errors import ProjectError
from visionft.core.files import is_file
from visionft.core.foreign_text import printable
from visionft.core.jobs import JobContext
from visionft.core.messages import Message
from visionft.core.names import name_key
from visionft.data.types import SPLITS
from visionft.project.db import schema
from visionft.project.db.database import DATABASE
from visionft.project.db.roots import IMAGES_FOLDER, Roots
from visionft.project.db.sqlite_errors import damage_error
from visionft.project.edits.changes import LabelSource, now_ms
from visionft.project.edits.conflicts import read_aliases
from visionft.project.formats.image_table import GivenLabels, ImageTable, ImportRow
from visionft.project.importing.ranking import Proposal
from visionft.project.safety.backups import list_backups
from visionft.project.store import ProjectStore

_SOURCES: tuple[LabelSource, ...] = ("import", "suggestion", "person")  # in ascending rank
_SHA256 = re.compile("[0-9a-f]{64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """The agreement of two projects on images that a person or an import labelled in both.

    Labels from before one project was copied, and decisions of conflicts, are not independent and do not count.
    """

    images: int
    equal: int  # images with equal labels
    kappa: float | None  # Cohen's; None if all labels are of one class

    @property
    def text(self) -> Message:
        return Message(
            "{count} image is labelled in both projects; equal labels: {equal}; Cohen's kappa: {kappa}.",
            "{count} images are labelled in both projects; equal labels: {equal}; Cohen's kappa: {kappa}.",
            count=self.images,
            equal=f"{self.equal:,}",
            kappa="–" if self.kappa is None else f"{self.kappa:.2f}",
        )


def is_project(path: Path) -> bool:
    """Return whether a folder has a project database."""
    return is_file(path / DATABASE)


def read_project(folder: Path, known_classes: Collection[str], job: JobContext) -> tuple[ImageTable, tuple[Path, ...]]:
    """Return the image table of another project, and the root folders of its images.

    A renamed class gets its former name if only that name is in `known_classes`.

    Raises:
        ProjectError: The project is damaged, or of a newer program.
    """
    with _opened(folder, job) as connection:
        roots = Roots(connection, folder)
        names = _class_names(connection, known_classes)
        labels: defaultdict[int, list[tuple[str, str, int]]] = defaultdict(list)
        for image_id, class_id, source, at in connection.execute(
            """SELECT image_id, class_id, source, labelled_at FROM label JOIN class ON class.id = class_id
                ORDER BY position, class_id"""
        ):
            labels[image_id].append((names[class_id], source, at))
        tags: defaultdict[int, list[str]] = defaultdict(list)
        for image_id, tag in connection.execute("SELECT image_id, name FROM image_tag JOIN tag ON tag.id = tag_id"):
            tags[image_id].append(tag)
        files: list[ImportRow] = []
        for image_id, root_id, path, name, sha256, split, review, note in connection.execute(
            """SELECT id, root_id, path, name, sha256, split, review, note FROM image
                WHERE removed_at IS NULL ORDER BY id"""
        ):
            place = Path(os.path.normpath(roots.path_of(root_id, path)))
            files.append(
                ImportRow(
                    path=place,
                    name=printable(name or place.name),
                    labels=tuple(dict.fromkeys(label for label, _, _ in labels[image_id])),
                    given=_label_origin(labels[image_id]),
                    split=split if split in SPLITS else None,
                    tags=tuple(tags[image_id]),
                    review=review if review in ("done", "later") else None,
                    note=note,
                    sha256=sha256 if _SHA256.fullmatch(sha256) else None,
                )
            )
        folders = tuple(root for root in roots.ids() if root != folder / IMAGES_FOLDER)
    title = Message("Labels of the project {name}", name=printable(folder.name))
    table = Proposal(is_sure=True).describe(ImageTable(tuple(files)), len(files))
    return replace(table, title=title), folders


def _class_names(connection: sqlite3.Connection, known_classes: Collection[str]) -> dict[int, str]:
    """Return {class id: name, or former name if only the former name is known}."""
    names: dict[int, str] = dict(connection.execute("SELECT id, name FROM class").fetchall())
    known = {name_key(name): name for name in known_classes}
    for key, class_id in connection.execute("SELECT name_key, class_id FROM alias").fetchall():
        if class_id in names and name_key(names[class_id]) not in known and key in known:
            names[class_id] = known[key]
    return names


def _label_origin(labels: Sequence[tuple[str, str, int]]) -> GivenLabels | None:
    """Return the highest-ranked source and the latest time of the labels of an image."""
    if not labels:
        return None
    ranks = [_SOURCES.index(source) if source in _SOURCES else 0 for _, source, _ in labels]
    return GivenLabels(_SOURCES[max(ranks)], max(0, min(max(at for _, _, at in labels), now_ms())))


@contextmanager
def _opened(folder: Path, job: JobContext) -> Generator[sqlite3.Connection]:
    """Yield a checked connection in a transaction; errors and their next steps refer to the other project."""
    try:
        with ProjectStore.open(folder, read_only=True) as other, other.reading() as connection:
            for notice in other.notices:
                job.report(notice)
            connection.execute("BEGIN")
            fault = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
            if fault != "ok":
                raise damage_error(fault)
            schema.check_layout(connection)
            yield connection
            connection.execute("COMMIT")
    except ProjectError as error:
        message = Message("The other project cannot be imported: {reason}", reason=error.message)
        step, hint = error.next_step, error.hint
        if step is not None and step.action == "restore" and not list_backups(folder):
            step = None
            hint = Message("It has no backup: take another copy of it.")
        raise ProjectError(message, hint, step.on(folder) if step is not None else None) from error


def measure_agreement(
    project: ProjectStore, files: Sequence[ImportRow], class_map: Mapping[str, str | None]
) -> Agreement | None:
    """Return the agreement of a project with the rows of another one; None without images that both labelled."""
    rows = project.fetch(
        """SELECT sha256, name_key, labelled_at FROM label JOIN class ON class.id = class_id
            JOIN image ON image.id = image_id WHERE removed_at IS NULL AND label.source != 'suggestion'
            AND image_id NOT IN (SELECT image_id FROM verdict WHERE finding GLOB 'merged:*')"""
    )
    own_times: defaultdict[str, dict[str, int]] = defaultdict(dict)
    for sha256, key, own_at in rows:
        own_times[sha256][key] = own_at
    with project.reading() as connection:
        aliases = read_aliases(connection)
    pairs: list[tuple[frozenset[str], frozenset[str], int, int]] = []  # (own labels, other labels, latest time of each)
    for file in files:
        mapped = [class_map.get(name, name) for name in file.labels]
        other_labels = frozenset(aliases.get(name_key(name), name_key(name)) for name in mapped if name is not None)
        if file.given is not None and file.given.source != "suggestion" and other_labels and file.sha256 in own_times:
            own_labels = own_times[file.sha256]
            pairs.append((frozenset(own_labels), other_labels, max(own_labels.values()), file.given.at))
    copied_times = [time for own, other, time, other_time in pairs if (own, time) == (other, other_time)]
    copied_at = max(copied_times, default=-1)
    counts = Counter((own_labels, other_labels) for own_labels, other_labels, *times in pairs if min(times) > copied_at)
    images = counts.total()
    if not images:
        return None
    equal = sum(count for (own_labels, other_labels), count in counts.items() if own_labels == other_labels)
    own_counts, other_counts = Counter[frozenset[str]](), Counter[frozenset[str]]()
    for (own_labels, other_labels), count in counts.items():
        own_counts[own_labels] += count
        other_counts[other_labels] += count
    expected = sum(own_counts[labels] * other_counts[labels] for labels in own_counts) / images**2
    kappa = None if expected == 1 else (equal / images - expected) / (1 - expected)
    return Agreement(images=images, equal=equal, kappa=kappa)
