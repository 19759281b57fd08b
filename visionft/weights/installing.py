"""The weights folder: room in it, one writer at a time, and files that appear in it whole or not at all."""

import os
import shutil
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

from filelock import FileLock, Timeout

from models.catalog import Backbone
from visionft.amounts import size_text
from visionft.errors import WeightsError
from visionft.events import Notice, OnEvent, ShouldStop
from visionft.files import fsync_folder, write_json
from visionft.weights.locations import folder_file, weights_folder
from visionft.weights.records import WeightsRecord, record_path

SPARE_BYTES = 50_000_000  # left free on the disk, for everything else that runs


@contextmanager
def sole_writer(backbone: Backbone, *, on_event: OnEvent, should_stop: ShouldStop) -> Generator[bool]:
    """Make the weights folder, and keep other processes from writing the same file; gives False when stopped waiting.

    Raises:
        WeightsError: The folder cannot be made or written.
    """
    folder = weights_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / f".{backbone.file_stem}.lock")
        is_mine = _acquire(lock, backbone, on_event, should_stop)
    except OSError as error:
        raise not_writable(error) from error
    try:
        yield is_mine
    finally:
        lock.release()  # the empty lock file stays: another process may be waiting on it


def _acquire(lock: FileLock, backbone: Backbone, on_event: OnEvent, should_stop: ShouldStop) -> bool:
    is_told = False
    while not should_stop():
        try:
            lock.acquire(timeout=0.2)
            return True
        except Timeout:
            if not is_told:
                on_event(Notice(message=f"Another VisionFT is getting the weights of {backbone.name}; waiting for it."))
                is_told = True
    return False


def not_writable(error: OSError) -> WeightsError:
    """Return the error for a weights folder that cannot be written to."""
    folder = weights_folder()
    hint = "Set the environment variable VISIONFT_WEIGHTS to a folder that you may write to."
    return WeightsError(f"The weights folder {folder} cannot be written to: {error.strerror or error}.", hint)


def check_room(needed: int) -> None:
    """Refuse before anything is written when the disk is too full.

    Raises:
        WeightsError: Fewer than `needed` bytes and a little more are free.
    """
    folder = weights_folder()
    free = shutil.disk_usage(folder).free
    if free < needed + SPARE_BYTES:
        hint = "Free some space, or set VISIONFT_WEIGHTS to a folder on a larger disk."
        message = f"{folder} has {size_text(free)} free; {size_text(needed + SPARE_BYTES)} are needed."
        raise WeightsError(message, hint)


def install(checked: Path, backbone: Backbone, record: WeightsRecord) -> Path:
    """Rename a whole and checked file of the weights folder to its name there, its record first.

    After a crash between the two, the record disagrees with an older file, and loading says so.
    """
    target = folder_file(backbone)
    try:
        with checked.open("rb+") as handle:
            os.fsync(handle.fileno())
        write_json(record_path(target), asdict(record))
        checked.replace(target)
        fsync_folder(target.parent)
    except OSError as error:
        raise not_writable(error) from error
    return target
