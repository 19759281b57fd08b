"""Taking pictures into a project: every file of the source is accounted for, and importing twice adds nothing.

Pictures are referred to where they lie, or copied into the project. Work goes on in batches, each one durable
transaction: a stopped or killed import is continued by importing again. Originals are only read.
"""

import json
import os
import shutil
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from visionft.errors import ImageError, ProjectError
from visionft.events import Notice, OnEvent, Progress, ShouldStop, ignore_event, never_stop
from visionft.files import atomic_path, sha256_file
from visionft.images.decode import IMAGE_SUFFIXES, Header, read_header
from visionft.project.changes import AddImages, NewImage
from visionft.project.names import clean_name, count_of
from visionft.project.roots import IMAGES_FOLDER
from visionft.project.scanning import Listing, Rejected, SourceFile, printable, scan_folder
from visionft.project.store import Project

BATCH = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportReport:
    """What became of every file of the source.

    Attributes:
        added: How many pictures are new in the project.
        duplicates: Files whose content the project (or an earlier file of this source) has already.
        unreadable: Files that look like pictures but cannot be used, and folders that cannot be listed.
        skipped: What was passed over: other files, links to folders, pictures that were removed from the project.
        classes: Added pictures by class name.
        stopped: Whether the import was stopped before its end; importing again continues it.
    """

    added: int
    duplicates: tuple[str, ...]
    unreadable: tuple[Rejected, ...]
    skipped: tuple[Rejected, ...]
    classes: dict[str, int]
    stopped: bool = False


def import_source(
    project: Project,
    source: Path,
    *,
    copy: bool = False,
    on_event: OnEvent = ignore_event,
    should_stop: ShouldStop = never_stop,
) -> ImportReport:
    """Import a folder of pictures.

    Args:
        project: Where to; open for writing.
        source: A folder with class folders, with train/val/test folders of class folders, or with loose pictures.
        copy: Copy the pictures into the project instead of referring to them where they lie.
        on_event: Receives `Progress` and `Notice`.
        should_stop: Asked between files; what was committed so far stays.

    Raises:
        ProjectError: The source is missing or holds no picture, or the project cannot be written.
    """
    source = Path(os.path.abspath(source))  # noqa: PTH100  (resolves "..", and keeps links as the user named them)
    if not source.is_dir():
        raise ProjectError(f"{source} is not a folder.", "Give the folder that holds the pictures.")
    listing = scan_folder(source)
    if not any(file.path.suffix.lower() in IMAGE_SUFFIXES for file in listing.files) and not listing.unreadable:
        raise ProjectError(
            f"{source} holds no pictures.", "Choose a folder with pictures, or with one folder per class."
        )
    return _Import(project, source, copy=copy).run(listing, on_event=on_event, should_stop=should_stop)


@dataclass(frozen=True, slots=True)
class _Examined:
    """A file that passed the gate, with what will be recorded of it."""

    file: SourceFile
    header: Header
    sha256: str
    bytes: int
    mtime_ns: int
    labels: tuple[str, ...]


@dataclass
class _Import:
    """The running totals of one import."""

    project: Project
    source: Path
    copy: bool = field(kw_only=True)
    step_id: int = 0
    added: int = 0
    duplicates: list[str] = field(default_factory=list[str])
    unreadable: list[Rejected] = field(default_factory=list[Rejected])
    skipped: list[Rejected] = field(default_factory=list[Rejected])
    classes: Counter[str] = field(default_factory=Counter[str])

    def run(self, listing: Listing, *, on_event: OnEvent, should_stop: ShouldStop) -> ImportReport:
        """Examine and commit batch by batch."""
        self.skipped.extend(listing.skipped)
        self.unreadable.extend(listing.unreadable)
        total, stopped = len(listing.files), False
        for start in range(0, total, BATCH):
            batch = listing.files[start : start + BATCH]
            examined: list[_Examined] = []
            for file in batch:
                stopped = stopped or should_stop()
                if not stopped:
                    examined.extend(self._examine(file))
            self._commit(self._only_new(examined))
            if stopped:
                on_event(Notice(message="Import stopped. Import the same source again to continue."))
                break
            on_event(Progress(stage="Import", done=start + len(batch), total=total))
        return ImportReport(
            added=self.added,
            duplicates=tuple(self.duplicates),
            unreadable=tuple(self.unreadable),
            skipped=tuple(self.skipped),
            classes=dict(self.classes),
            stopped=stopped,
        )

    def _examine(self, file: SourceFile) -> Iterator[_Examined]:
        """Yield a file that passed the gate, or note why it did not."""
        shown = printable(file.path)
        try:
            file.path.as_posix().encode()
            header = read_header(file.path)
            labels = tuple(clean_name(label, "class") for label in file.labels)
            stat = file.path.stat()
            yield _Examined(file, header, sha256_file(file.path), stat.st_size, stat.st_mtime_ns, labels)
        except UnicodeEncodeError:
            self.unreadable.append(Rejected(shown, "its name is not valid Unicode; rename the file"))
        except ImageError as error:
            if file.path.suffix.lower() in IMAGE_SUFFIXES:
                self.unreadable.append(Rejected(shown, error.message))
            else:
                self.skipped.append(Rejected(shown, "not a picture"))
        except ProjectError as error:
            self.skipped.append(Rejected(shown, error.message))
        except OSError as error:
            self.unreadable.append(Rejected(shown, f"cannot be read: {error.strerror or error}"))

    def _only_new(self, examined: Sequence[_Examined]) -> list[_Examined]:
        """Return the pictures whose content is new; note the others as duplicates or as removed earlier."""
        with self.project.reading() as connection:
            rows = connection.execute(
                "SELECT sha256, removed_at FROM image WHERE sha256 IN (SELECT value FROM json_each(?))",
                (json.dumps([picture.sha256 for picture in examined]),),
            ).fetchall()
        is_removed = {sha256: removed_at is not None for sha256, removed_at in rows}
        new: list[_Examined] = []
        for picture in examined:
            shown = printable(picture.file.path)
            if is_removed.get(picture.sha256):
                self.skipped.append(Rejected(shown, "was removed from the project; restore it to use it again"))
            elif picture.sha256 in is_removed:
                self.duplicates.append(shown)
            else:
                is_removed[picture.sha256] = False
                new.append(picture)
        return new

    def _commit(self, new: Sequence[_Examined]) -> None:
        """Write a batch as part of this import's one step in the history."""
        if not new:
            return
        title = f"Import {count_of(self.added + len(new), 'picture')} from {printable(self.source)}"
        images = tuple(self._copied(picture) if self.copy else self._referred(picture) for picture in new)
        self.step_id = self.project.apply(AddImages(images=images, title=title), continues=self.step_id).step_id
        self.added += len(new)
        self.classes.update(label for picture in new for label in picture.labels)

    def _referred(self, picture: _Examined) -> NewImage:
        return _new_image(picture, folder=self.source, path=picture.file.path.relative_to(self.source).as_posix())

    def _copied(self, picture: _Examined) -> NewImage:
        """Copy a picture into the project under its content's name, durably, before the database refers to it."""
        folder = self.project.path / IMAGES_FOLDER
        path = f"{picture.sha256[:2]}/{picture.sha256}{picture.file.path.suffix.lower()}"
        target = folder / path
        if not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            with atomic_path(target) as temporary:
                shutil.copyfile(picture.file.path, temporary)
        return _new_image(picture, folder=folder, path=path, name=picture.file.name)


def _new_image(picture: _Examined, *, folder: Path, path: str, name: str | None = None) -> NewImage:
    return NewImage(
        folder=folder,
        path=path,
        name=name,
        sha256=picture.sha256,
        bytes=picture.bytes,
        mtime_ns=picture.mtime_ns,
        width=picture.header.width,
        height=picture.header.height,
        format=picture.header.format,
        labels=picture.labels,
        split=picture.file.split,
    )
