"""How an export gets into its folder: whole, whatever happens meanwhile, and beside the user's other files. Torch-free.

A new folder is renamed into place. In a folder that exists, the finished export is renamed to `READY`, from when on it
counts; its files then take the places of the earlier ones, which are those that the earlier record lists. A process
killed at that leaves `READY`, and whoever reads the folder next (`settle`) moves what is left. Labels never stand
beside a model that they do not belong to, and a file that no export wrote is never written over.
"""

import contextlib
import errno
import os
import shutil
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from visionft.errors import ExportError, VisionFTError, disk_fault
from visionft.export.contents import MODEL_FILE, RECORD_FILE, files_in, own_files
from visionft.files import fsync_folder, fsync_tree, partial_folder, temporary_folder, write_error

READY = ".visionft-ready"
_ASIDE = "earlier"
_ALL_BUT_FULL = 2**20


@contextmanager
def publishing(out_dir: Path, planned: Sequence[str] = ()) -> Generator[Path]:
    """Yield an empty folder for an export's files, and put them into `out_dir` when the block ends without an error.

    All that lies in it is published, folders too. Of an earlier export what is not written again goes.

    Args:
        out_dir: Where to; made when it is missing.
        planned: The files that will be written, as far as they are known: what is in their way is refused before the
            block begins, and what is in the way of others when it ends.

    Raises:
        ExportError: A file that no export wrote is in the way; `out_dir` is as it was.
        VisionFTError: `out_dir` cannot be written; it is as it was.
    """
    try:
        out_dir.parent.mkdir(parents=True, exist_ok=True)
        if out_dir.is_dir():
            _discard_partial(out_dir)
        # Inside where it can be: `out_dir` may be the root of a disk.
        with temporary_folder(out_dir, inside=out_dir.is_dir()) as folder:
            if (out_dir / READY).is_dir():
                _move_in(out_dir)
            _refuse_others(out_dir, planned)
            with _naming_the_full_disk(folder):
                yield folder
            fsync_tree(folder)
            _refuse_others(out_dir, files_in(folder))
            _publish(folder, out_dir)
    except OSError as error:
        if not _is_about(error, out_dir):
            raise
        raise write_error(out_dir, error) from error


def settle(out_dir: Path) -> None:
    """Finish what an export killed at its very end left in `out_dir`; where that cannot be written, leave it."""
    if not (out_dir / READY).is_dir():
        return
    with contextlib.suppress(OSError, VisionFTError), temporary_folder(out_dir, inside=True):
        if (out_dir / READY).is_dir():
            _move_in(out_dir)


def _discard_partial(out_dir: Path) -> None:
    """Clear away what an export killed before `out_dir` existed left beside it."""
    partial = partial_folder(out_dir)
    if partial.exists() or partial.with_name(f"{partial.name}.lock").exists():
        with contextlib.suppress(OSError, VisionFTError), temporary_folder(out_dir):
            pass


@contextmanager
def _naming_the_full_disk(folder: Path) -> Generator[None]:
    """Let an error of a full disk name the folder: what fails in the middle of a file names none.

    safetensors takes away what it wrote, so that the disk is full no more; it writes nowhere else at an export.
    """
    try:
        yield
    except Exception as error:
        fault = disk_fault(error)
        if fault is None:
            raise
        if fault is not error or _is_full(fault, folder):
            fault.filename = str(folder)
        raise fault from error.__cause__ if fault is error else error


def _is_full(fault: OSError, folder: Path) -> bool:
    is_nameless = fault.errno == errno.ENOSPC and fault.filename is None
    return is_nameless and shutil.disk_usage(folder).free < _ALL_BUT_FULL


def _is_about(error: OSError, out_dir: Path) -> bool:
    """Tell whether writing `out_dir` failed; what else an export reads and writes has words of its own."""
    if error.filename is None:
        return False
    path, target = Path(error.filename).absolute(), out_dir.absolute()
    return target.is_relative_to(path) or any(path.is_relative_to(each) for each in (target, partial_folder(target)))


def _refuse_others(out_dir: Path, names: Sequence[str]) -> None:
    """Refuse to write where something lies that no export wrote, or that was changed since."""
    own = {out_dir / name for name in own_files(out_dir)}
    folders = {parent for path in own for parent in path.parents}
    for name in names:
        for path in [out_dir / parent for parent in reversed(PurePosixPath(name).parents)][1:]:
            if os.path.lexists(path) and (path.is_symlink() or not path.is_dir()) and path not in own:
                raise _in_the_way(path)
        path = out_dir / name
        if os.path.lexists(path) and path not in own and path not in folders:
            raise _in_the_way(path)


def _in_the_way(path: Path) -> ExportError:
    return ExportError(
        f"{path} would be overwritten, and it is not as an export left it.",
        "Rename it or move it away if you want to keep it, or export into another folder.",
    )


def _publish(folder: Path, out_dir: Path) -> None:
    if not out_dir.is_dir():
        folder.rename(out_dir)
        fsync_folder(out_dir.parent)
        return
    folder.rename(out_dir / READY)
    fsync_folder(out_dir)
    try:
        _move_in(out_dir)
    except OSError:
        if (out_dir / READY / MODEL_FILE).is_file():  # nothing of it has been put in place
            (out_dir / READY).rename(folder)  # a folder half deleted must not look finished
        raise


def _move_in(out_dir: Path) -> None:
    """Put the export that lies in `READY` in the place of the earlier one; also from where a killed process stopped."""
    ready = out_dir / READY
    if (ready / MODEL_FILE).is_file():
        try:
            _set_aside(out_dir)
            _move(ready, out_dir, MODEL_FILE)
        except OSError:
            _bring_back(out_dir)
            raise
    _remove_empty_folders(out_dir)
    for name in _record_last([name for name in files_in(ready) if not name.startswith(f"{_ASIDE}/")]):
        _move(ready, out_dir, name)
    fsync_folder(out_dir)
    shutil.rmtree(ready)


def _set_aside(out_dir: Path) -> None:
    """Move the earlier export's files out of the way, but for the model, which is replaced in one step.

    The record goes last and comes last: it tells that the others belong to an export.
    """
    (out_dir / READY / _ASIDE).mkdir(exist_ok=True)
    for name in _record_last([name for name in own_files(out_dir) if name != MODEL_FILE]):
        _move(out_dir, out_dir / READY / _ASIDE, name)


def _bring_back(out_dir: Path) -> None:
    aside = out_dir / READY / _ASIDE
    for name in reversed(_record_last(files_in(aside) if aside.is_dir() else [])):
        with contextlib.suppress(OSError):
            _move(aside, out_dir, name)


def _record_last(names: Sequence[str]) -> list[str]:
    return sorted(names, key=lambda name: (name == RECORD_FILE, name))


def _move(source: Path, target: Path, name: str) -> None:
    path = target / name
    path.parent.mkdir(parents=True, exist_ok=True)
    (source / name).replace(path)
    if path.parent != target:
        fsync_folder(path.parent)


def _remove_empty_folders(out_dir: Path) -> None:
    """Remove the folders that the earlier export alone filled."""
    aside = out_dir / READY / _ASIDE
    emptied = sorted((path.relative_to(aside) for path in aside.rglob("*") if path.is_dir()), reverse=True)
    for folder in emptied:
        with contextlib.suppress(OSError):
            (out_dir / folder).rmdir()
