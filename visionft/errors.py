"""What a user may meet as "expected": a message for a person, advice, and the next step as data (`NextStep`).

Anything that is not a `VisionFTError` is a bug: it is logged with its traceback and never dressed up as advice.
"""

import errno
import re

from models.errors import Action, ConfigError, NextStep, Problem, VisionFTError

__all__ = [
    "Action",
    "ConfigError",
    "ExportError",
    "ImageError",
    "NextStep",
    "Problem",
    "ProjectError",
    "RunError",
    "StoppedError",
    "VisionFTError",
    "WeightsError",
    "as_expected",
    "disk_fault",
    "is_out_of_memory",
    "nothing_readable",
]

_NO_SPACE = (errno.ENOSPC, errno.EDQUOT) if hasattr(errno, "EDQUOT") else (errno.ENOSPC,)
_NO_ACCESS = (errno.EACCES, errno.EPERM, errno.EROFS)
_WRAPPED = re.compile(r"I/O error: (.+) \(os error (\d+)\)")  # safetensors' words for what the system refused
# The wordings of CUDA, cuDNN, the CPU allocator (as accelerate's find_executable_batch_size knows them), ONNX Runtime.
_NO_MEMORY = (
    "out of memory",
    "CUDNN_STATUS_NOT_SUPPORTED",
    "can't allocate memory",
    "Failed to allocate memory",
    "is smaller than requested bytes",
)


class ProjectError(VisionFTError):
    """The project folder, its database or a change to it is at fault."""


class ImageError(VisionFTError):
    """A picture cannot be used; `message` is the reason that lists show beside its path."""


class WeightsError(VisionFTError):
    """Pretrained weights cannot be had, read or fitted."""


class RunError(VisionFTError):
    """A training run's folder or checkpoint is missing, damaged or of another make."""


class StoppedError(RunError):
    """The user stopped work that is worth nothing half done; nothing went wrong, and nothing was kept."""


class ExportError(VisionFTError):
    """An export failed or differs from PyTorch; nothing was left behind."""


def nothing_readable(what: str) -> RunError:
    """Return the error for pictures of which none can be read; `what` says which, such as `training pictures`."""
    step = NextStep("check")
    return RunError(f"None of the {what} can be read.", "Check that their disk is connected.", step)


def is_out_of_memory(error: BaseException) -> bool:
    """Tell whether an exception means that the computer or a device has no memory left.

    Libraries have their own kinds of it (torch on each device, ONNX Runtime); they are known by their words, so that
    nobody has to load a library to ask.
    """
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    is_worded = isinstance(error, RuntimeError) or type(error).__module__.startswith("onnxruntime")
    return is_worded and any(words in str(error) for words in _NO_MEMORY)


def disk_fault(error: BaseException) -> OSError | None:
    """Return the system's refusal that an exception is, or that safetensors wraps in a class of its own; else None.

    What safetensors wraps is known by its words, as "out of memory" is, and names no file.
    """
    if isinstance(error, OSError):
        return error
    found = _WRAPPED.search(str(error)) if type(error).__module__.startswith("safetensors") else None
    if found is None:
        return None
    number = int(found[2])
    return OSError(number, found[1], None, number)  # on Windows it is the fourth that counts


def as_expected(error: BaseException) -> VisionFTError | None:
    """Return the advice for a failure that any work may meet: its own, no memory, no space, no access. None: a bug."""
    if isinstance(error, VisionFTError):
        return error
    if is_out_of_memory(error):
        hint = "Close other programs, or choose a smaller batch size, picture size or backbone; what was saved is kept."
        return VisionFTError("There is not enough memory.", hint)
    fault = disk_fault(error)
    if fault is not None and fault.errno in _NO_SPACE:
        where = f" ({fault.filename})" if fault.filename else ""
        return VisionFTError(f"The disk is full{where}.", "Free some space and try again; what was saved is kept.")
    if fault is not None and fault.errno in _NO_ACCESS:
        what = fault.filename or "A file or folder"
        hint = "Check its permissions, or choose a place where you may read and write."
        return VisionFTError(f"{what} cannot be used: {fault.strerror}.", hint)
    return None
