"""Expected errors: a message for the user, a hint, and the next step as data (`NextStep`).

Every other exception is a bug: it is logged with its traceback.
"""

import errno
import re
from pathlib import Path

from models.errors import Action, ConfigError, NextStep, Problem, VisionFTError
from models.messages import Message

__all__ = [
    "Action",
    "ConfigError",
    "ExportError",
    "ImageError",
    "IrregularFileError",
    "NextStep",
    "Problem",
    "ProjectError",
    "RunError",
    "VisionFTError",
    "WeightsError",
    "as_expected",
    "disk_fault",
    "is_out_of_memory",
    "nothing_readable",
]

_NO_SPACE = (errno.ENOSPC, errno.EDQUOT) if hasattr(errno, "EDQUOT") else (errno.ENOSPC,)
_NO_ACCESS = (errno.EACCES, errno.EPERM, errno.EROFS)
_NO_NAME = (errno.ENAMETOOLONG, errno.ELOOP)
_LONGEST_NAME = 200  # of a name, in a message
_WRAPPED = re.compile(r"I/O error: (.+) \(os error (\d+)\)")  # safetensors' words for what the system refused
# The wordings of CUDA, cuDNN, the CPU allocator (as accelerate's find_executable_batch_size knows them), ONNX Runtime.
_NO_MEMORY = (
    "out of memory",
    "CUDNN_STATUS_NOT_SUPPORTED",
    "can't allocate memory",
    "Failed to allocate memory",
    "is smaller than requested bytes",
)


class IrregularFileError(OSError):
    """A name leads to a pipe, a device or a folder, where a file is to be read: it would be read without end."""

    def __init__(self, path: Path) -> None:
        super().__init__(errno.EINVAL, Message("not a regular file"), str(path))


class ProjectError(VisionFTError):
    """The project folder, its database or a change to it is at fault."""


class ImageError(VisionFTError):
    """An image cannot be used; `message` is the reason, shown beside its path in lists."""


class WeightsError(VisionFTError):
    """Pretrained weights cannot be had, read or fitted."""


class RunError(VisionFTError):
    """A training run's folder or checkpoint is missing, damaged or of another make."""


class ExportError(VisionFTError):
    """An export failed or differs from PyTorch; nothing was left behind."""


def nothing_readable(what: str) -> RunError:
    """Return the error for a set without readable images; `what` names the set, such as `training images`."""
    step = NextStep("check")
    return RunError(Message("None of the {what} can be read.", what=what), "Check that their disk is connected.", step)


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether an exception means out of memory, on the computer or a device.

    Libraries have their own exceptions (torch on each device, ONNX Runtime); they are recognised by their messages, so
    no library has to be loaded.
    """
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    is_worded = isinstance(error, RuntimeError) or type(error).__module__.startswith("onnxruntime")
    return is_worded and any(words in str(error) for words in _NO_MEMORY)


def disk_fault(error: BaseException) -> OSError | None:
    """Return the OSError of an exception, also one wrapped by safetensors; else None.

    A wrapped one is recognised by its message and names no file.
    """
    if isinstance(error, OSError):
        return error
    found = _WRAPPED.search(str(error)) if type(error).__module__.startswith("safetensors") else None
    if found is None:
        return None
    number = int(found[2])
    return OSError(number, found[1], None, number)  # on Windows it is the fourth that counts


def as_expected(error: BaseException) -> VisionFTError | None:
    """Return the expected error for an exception: a VisionFTError, no memory, no space, no access. None for a bug."""
    if isinstance(error, VisionFTError):
        return error
    if is_out_of_memory(error):
        hint = "Close other programs, or choose a smaller batch size, image size or backbone; what was saved is kept."
        return VisionFTError("There is not enough memory.", hint)
    fault = disk_fault(error)
    if fault is not None and fault.errno in _NO_SPACE:
        where = f" ({fault.filename})" if fault.filename else ""
        return VisionFTError(
            Message("The disk is full{where}.", where=where), "Free some space and try again; what was saved is kept."
        )
    if fault is not None and fault.errno in _NO_ACCESS:
        what = fault.filename or "A file or folder"
        hint = "Check its permissions, or choose a place where you may read and write."
        return VisionFTError(Message("{what} cannot be used: {reason}.", what=what, reason=fault.strerror), hint)
    if isinstance(fault, IrregularFileError) or (fault is not None and fault.errno in _NO_NAME):
        name = str(fault.filename or "A name")
        shown = name if len(name) <= _LONGEST_NAME else f"{name[:_LONGEST_NAME]}…"
        return VisionFTError(
            Message("{what} cannot be used: {reason}.", what=shown, reason=fault.strerror), "Name a file."
        )
    return None
