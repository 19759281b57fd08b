"""How an export gets into its folder: whole, whatever happens meanwhile, and beside the user's other files. Torch-free.

A new folder is renamed into place. In a folder that exists, the finished export is renamed to `READY`, from when on it
counts; its files then take the places of the earlier ones. A process killed at that leaves `READY`, and whoever reads
the folder next (`settle`) moves what is left. Labels never stand beside a model that they do not belong to.
"""

import contextlib
import shutil
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from visionft.errors import VisionFTError
from visionft.files import fsync_folder, fsync_tree, partial_folder, temporary_folder, write_error

MODEL_FILE, FLOAT_MODEL_FILE, RECORD_FILE = "model.onnx", "model_float.onnx", "export.json"
LABELS_FILE, SCRIPT_FILE, INDEX_FILE = "labels.txt", "predict.py", "index.safetensors"
READY = ".visionft-ready"
_ASIDE = "earlier"
# The record comes last and goes last: it tells that the others belong to an export.
_BESIDE = (FLOAT_MODEL_FILE, INDEX_FILE, LABELS_FILE, SCRIPT_FILE, RECORD_FILE)
_NOT_ALWAYS = (FLOAT_MODEL_FILE, INDEX_FILE)  # of an earlier export they must not stay


@contextmanager
def publishing(out_dir: Path) -> Generator[Path]:
    """Yield an empty folder for an export's files, and put them into `out_dir` when the block ends without an error.

    Raises:
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
            yield folder
            fsync_tree(folder)
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


def _is_about(error: OSError, out_dir: Path) -> bool:
    """Tell whether writing `out_dir` failed; what else an export reads and writes has words of its own."""
    if error.filename is None:
        return False
    path, target = Path(error.filename).absolute(), out_dir.absolute()
    return target.is_relative_to(path) or any(path.is_relative_to(each) for each in (target, partial_folder(target)))


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
            (ready / MODEL_FILE).replace(out_dir / MODEL_FILE)
        except OSError:
            _bring_back(out_dir)
            raise
    for name in _BESIDE:
        if (ready / name).is_file():
            (ready / name).replace(out_dir / name)
    fsync_folder(out_dir)
    shutil.rmtree(ready)


def _set_aside(out_dir: Path) -> None:
    """Move the earlier export's files out of the way, but for the model, which is replaced in one step."""
    aside = out_dir / READY / _ASIDE
    aside.mkdir(exist_ok=True)
    is_export = (out_dir / RECORD_FILE).is_file()
    for name in _BESIDE:
        is_replaced = (out_dir / READY / name).is_file() or (is_export and name in _NOT_ALWAYS)
        if is_replaced and (out_dir / name).is_file():
            (out_dir / name).replace(aside / name)


def _bring_back(out_dir: Path) -> None:
    aside = out_dir / READY / _ASIDE
    for name in reversed(_BESIDE):
        if (aside / name).is_file():
            with contextlib.suppress(OSError):
                (aside / name).replace(out_dir / name)
