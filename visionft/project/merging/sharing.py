"""Share the images of a project among people: a project of its own for each, some images for everyone.

The shares are drawn at random within each folder and class, so that each is like the whole. The projects have the
classes of this one and none of its labels, runs or history: labels on common images are independent opinions, whose
agreement a merge measures.
"""

import errno
import os
import re
import shutil
import sqlite3
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from random import Random
from textwrap import fill

from models.languages import ENGLISH, read_catalogue, translate
from models.messages import Message, sentences
from visionft.amounts import size_text
from visionft.data.types import SnapshotImage
from visionft.errors import NextStep, ProjectError
from visionft.events import Progress
from visionft.files import fsync_tree, is_file, naming_faults, publish_folder, temporary_folder, write_error
from visionft.foreign_text import printable
from visionft.jobs import SILENT, JobContext
from visionft.project.db import schema
from visionft.project.db.database import DATABASE
from visionft.project.db.roots import IMAGES_FOLDER, Roots
from visionft.project.db.sqlite_errors import expected_errors
from visionft.project.importing.importer import copy_files, copy_name
from visionft.project.names import project_path
from visionft.project.store import FOLDERS, Project

_SHA256 = re.compile(r"[0-9a-f]{64}")
_WIDTH = 110  # characters in a line of a sheet, for text editors that do not wrap
# Rows about images, labels and the past; classes, their prompts and former names stay.
_EMPTIED = ("journal", "step", "label", "conflict", "verdict", "certified", "audit_image", "audit")


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """The share of one person: a project folder, and beside it a sheet with instructions."""

    path: Path
    sheet: Path
    images: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedProject:
    """The shares of a project, or their forecast."""

    shares: tuple[Share, ...]
    common: int  # images that each person gets
    bytes: int  # of the images that are copied along
    missing: tuple[str, ...]  # left out: the file cannot be read, so that it cannot be copied


def deal_images(strata: Mapping[object, Sequence[int]], people: int, *, overlap: float, seed: int) -> list[list[int]]:
    """Deal images to people, each stratum evenly; a share of `overlap` (0 to 1) of the images goes to everyone.

    Shares differ by one image at most. Equal arguments give equal shares.
    """
    rng = Random(seed)
    shares: list[list[int]] = [[] for _ in range(people)]
    dealt = 0
    owed = 0.0  # common images of the strata so far, less those dealt: 20 strata of 3 images at .1 give 6, not 0
    for _, ids in sorted(strata.items(), key=lambda item: str(item[0])):
        drawn = rng.sample(sorted(ids), len(ids))
        owed += overlap * len(drawn)
        common = min(len(drawn), round(owed))
        owed -= common
        for share in shares:
            share += drawn[:common]
        for image_id in drawn[common:]:
            shares[dealt % people].append(image_id)
            dealt += 1
    return [sorted(share) for share in shares]


def share_project(
    project: Project,
    out_dir: Path,
    *,
    people: int,
    overlap: float = 0.1,
    again: bool = False,
    copy_images: bool = False,
    seed: int = 0,
    language: str = ENGLISH,
    is_preview: bool = False,
    job: JobContext = SILENT,
) -> SharedProject:
    """Write a project and a sheet for each person into a new folder, or return the forecast.

    Args:
        overlap: Share of the images for everyone, 0 to 1; the agreement is measured on them.
        again: Share the labelled images too, without their labels, for a second opinion.
        copy_images: Copy the images along; else the projects refer to them where they are now.
        language: Of the sheets: a code of `models.languages`.

    Raises:
        ProjectError: There are too few images to share, or the folder is taken or full. Nothing was written.
        JobCancelled: Nothing was written.
    """
    target = project_path(out_dir)
    with naming_faults(target):
        disk = _free_place(project, target)
    snapshot = project.snapshot()
    wanted = [image for image in snapshot.images if again or not image.labels]
    missing = [image for image in wanted if copy_images and not _can_copy(image)]
    chosen = {image.image_id: image for image in wanted}
    for image in missing:
        del chosen[image.image_id]
    if len(chosen) < people:
        raise _too_few(len(chosen), people, again=again, missing=len(missing))
    dealt = deal_images(_strata(chosen), people, overlap=overlap, seed=seed)
    images = [[chosen[image_id] for image_id in ids] for ids in dealt]
    found = SharedProject(
        shares=tuple(
            Share(path=target / f"person-{number}", sheet=target / f"person-{number}.txt", images=len(ids))
            for number, ids in enumerate(dealt, 1)
        ),
        common=len(set(dealt[0]).intersection(*dealt[1:])) if people > 1 else 0,
        bytes=sum(image.path.stat().st_size for some in images for image in some) if copy_images else 0,
        missing=tuple(printable(each.path) for each in missing),
    )
    # Each share is a copy of the database before it becomes smaller, and once more while SQLite packs it.
    _check_space(found.bytes + (people + 1) * project.database.read_file.stat().st_size, disk)
    if not is_preview:
        sheets = [
            sheet_text(project, share, found.common, snapshot.class_names, people=people, language=language)
            for share in found.shares
        ]
        _write_shares(project, target, found, images, sheets, copy_images=copy_images, job=job)
    return found


def _check_space(needed: int, disk: Path) -> None:
    free = shutil.disk_usage(disk).free
    if needed > free:
        message = Message(
            "The copies need {needed}, and {free} are free.", needed=size_text(needed), free=size_text(free)
        )
        raise ProjectError(message, "Free some space, or choose another disk.")


def _write_shares(
    project: Project,
    target: Path,
    found: SharedProject,
    images: Sequence[Sequence[SnapshotImage]],
    sheets: Sequence[str],
    *,
    copy_images: bool,
    job: JobContext,
) -> None:
    """Write the images and the sheet of each share, in a folder that becomes `target` when it is complete."""
    done = 0
    total = sum(map(len, images))

    def count(number: int = 1) -> None:
        nonlocal done
        job.check_cancelled()
        done += number
        job.report(Progress(stage="Writing the shares", done=done, total=total))

    above = [each for each in target.parents if not each.exists()]
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with temporary_folder(target) as folder, expected_errors(target / DATABASE):
            for share, some, text in zip(found.shares, images, sheets, strict=True):
                place = folder / share.path.name
                _write_share(project, place, share.path, some, on_copied=count if copy_images else None)
                (folder / share.sheet.name).write_text(text, encoding="utf-8")
                count(0 if copy_images else len(some))
            fsync_tree(folder, without=IMAGES_FOLDER)  # `copy_files` has flushed the images
            publish_folder(folder, target)
    except OSError as error:
        raise write_error(target, error) from error
    finally:
        for each in above:
            with suppress(OSError):  # it holds the shares
                each.rmdir()


def _can_copy(image: SnapshotImage) -> bool:
    """Return whether an image has a file, and a hash that can name a copy: the database may come from others."""
    return is_file(image.path) and _SHA256.fullmatch(image.sha256) is not None


def _free_place(project: Project, target: Path) -> Path:
    """Return the folder above `target` that exists; a `VisionFTError` unless a new folder can be made for it there."""
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise ProjectError(Message("{target} exists already.", target=target), "Choose a new folder.")
    if target.resolve().is_relative_to(project.path.resolve()):
        message = Message("{target} lies in the project itself.", target=target)
        raise ProjectError(message, "Choose a folder outside it.")
    above = next(each for each in target.parents if each.exists())
    if not above.is_dir() or not os.access(above, os.W_OK):
        number = errno.EACCES if above.is_dir() else errno.ENOTDIR
        raise write_error(target, OSError(number, os.strerror(number)))
    return above


def _too_few(count: int, people: int, *, again: bool, missing: int) -> ProjectError:
    if missing:
        message = Message("The file of {count} image is gone.", "The files of {count} images are gone.", count=missing)
        return ProjectError(message, "Find them again, or share without copies.", NextStep("relink"))
    if again:
        message = Message(
            "{count} image is too few for {people} people.",
            "{count} images are too few for {people} people.",
            count=count,
            people=people,
        )
        return ProjectError(message, "Import more images.", NextStep("import_images"))
    message = Message(
        "{count} image has no label: too few for {people} people.",
        "{count} images have no label: too few for {people} people.",
        count=count,
        people=people,
    )
    return ProjectError(message, "Share the labelled images too, for a second opinion, or import more images.")


def _strata(chosen: Mapping[int, SnapshotImage]) -> dict[object, list[int]]:
    """Return the ids of images by folder and labels."""
    strata: defaultdict[object, list[int]] = defaultdict(list)
    for image in chosen.values():
        strata[str(image.path.parent), image.labels].append(image.image_id)
    return dict(strata)


def _write_share(
    project: Project,
    folder: Path,
    target: Path,
    images: Sequence[SnapshotImage],
    *,
    on_copied: Callable[[], object] | None,
) -> None:
    """Write a project into `folder`, which will be moved to `target`; it knows nothing of the other images.

    Images are copied if there is an `on_copied`, called after each one.
    """
    folder.mkdir(mode=0o700)
    for name in FOLDERS:
        (folder / name).mkdir()
    with project.reading() as connection:
        schema.copy_into(connection, folder / DATABASE)
    names: dict[int, str] = {}
    if on_copied is not None:
        names = {image.image_id: copy_name(image.sha256, image.path) for image in images}
        wanted = {folder / IMAGES_FOLDER / names[image.image_id]: image.path for image in images}
        copy_files(folder / IMAGES_FOLDER, wanted, on_copied=on_copied)
    with closing(schema.connect(folder / DATABASE, writable=True)) as connection:
        connection.execute("PRAGMA foreign_keys = OFF")  # tables are emptied in any order
        connection.execute("BEGIN")
        _keep_only(connection, images)
        _place_images(connection, project.path, target, names)
        connection.execute("COMMIT")
        connection.execute("VACUUM")  # what was deleted is gone from the file


def _keep_only(connection: sqlite3.Connection, images: Sequence[SnapshotImage]) -> None:
    """Remove all other images, and what was decided about these."""
    for table in _EMPTIED:
        connection.execute(f"DELETE FROM {table}")
    connection.execute("CREATE TEMP TABLE kept (id INTEGER PRIMARY KEY)")
    connection.executemany("INSERT INTO kept VALUES (?)", [(image.image_id,) for image in images])
    connection.execute("DELETE FROM image_tag WHERE image_id NOT IN (SELECT id FROM kept)")
    connection.execute("DELETE FROM image WHERE id NOT IN (SELECT id FROM kept)")
    connection.execute("UPDATE image SET review = NULL, split = NULL")
    connection.execute("DELETE FROM tag WHERE id NOT IN (SELECT tag_id FROM image_tag)")


def _place_images(connection: sqlite3.Connection, here: Path, target: Path, names: Mapping[int, str]) -> None:
    """Record where the images of a share are: copies in it, by `names`, or the files of this project."""
    if names:
        query = "INSERT INTO root (path, relative) VALUES (?, ?) RETURNING id"
        row = connection.execute(query, ((target / IMAGES_FOLDER).as_posix(), IMAGES_FOLDER)).fetchall()[0]
        statement = "UPDATE image SET name = coalesce(name, path), root_id = ?, path = ? WHERE id = ?"
        connection.executemany(statement, [(row[0], name, image_id) for image_id, name in names.items()])
    else:
        for folder, root_id in Roots(connection, here).ids().items():
            try:
                relative = Path(os.path.relpath(folder, target)).as_posix()
            except ValueError:  # on another drive
                relative = None
            statement = "UPDATE root SET path = ?, relative = ? WHERE id = ?"
            connection.execute(statement, (folder.as_posix(), relative, root_id))
    connection.execute("DELETE FROM root WHERE id NOT IN (SELECT root_id FROM image)")


def sheet_text(
    project: Project, share: Share, common: int, class_names: Sequence[str], *, people: int, language: str = ENGLISH
) -> str:
    """Return the instructions of one person, in a language."""
    catalogue = read_catalogue(language)
    folder = share.path.name

    def wrapped(message: Message, start: str = "") -> str:
        text = translate(message, catalogue)
        return fill(text, _WIDTH, initial_indent=start, subsequent_indent=" " * len(start))

    title = Message(
        "Labelling {project}: {folder} of {people}",
        project=printable(project.path.name),
        folder=folder,
        people=people,
    )
    images = Message("You have {count} image.", "You have {count} images.", count=share.images)
    agreement = Message(
        "{count} of them goes to everyone, to measure your agreement: label yours without asking the others.",
        "{count} of them go to everyone, to measure your agreement: label yours without asking the others.",
        count=common,
    )
    steps = (
        Message("Install VisionFT, and open the folder “{folder}” in it (File, Open project).", folder=folder),
        Message(
            "On the page Label, give each image {which}. The keys 1, 2, 3 ... are the classes; Ctrl+Z undoes.",
            which=Message("any number of classes") if project.task == "multi" else Message("one class"),
        ),
        Message("Where you are not sure, do not guess: put the image off with its key, or write a note."),
        Message("Do not rename classes. If one is missing, write down which, and go on."),
        Message("Close VisionFT, and send the whole folder “{folder}” back.", folder=folder),
    )
    classes = [printable(name) for name in class_names] or [
        translate(Message("none yet: agree on them first"), catalogue)
    ]
    paragraphs = (
        translate(title, catalogue),
        wrapped(sentences(images, agreement) if common else images),
        "\n".join(wrapped(step, f"{number}. ") for number, step in enumerate(steps, 1)),
        "\n".join([translate(Message("Classes:"), catalogue), *(f"  - {name}" for name in classes)]),
    )
    return "\n\n".join(paragraphs) + "\n"
