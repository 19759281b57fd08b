"""Expected errors: a message for the user, a hint, and the next step as data (`NextStep`).

The window shows the next step as a button (`gui.next_steps`), the command line as a command
(`visionft.cli.next_steps`). Every other exception is a bug: it is logged with its traceback.
"""

import errno
import re
from dataclasses import KW_ONLY, dataclass, replace
from pathlib import Path
from typing import Literal, Self

from visionft.core.messages import Message, sentences

_NO_SPACE = (errno.ENOSPC, errno.EDQUOT) if hasattr(errno, "EDQUOT") else (errno.ENOSPC,)
_NO_ACCESS = (errno.EACCES, errno.EPERM, errno.EROFS)
_NO_NAME = (errno.ENAMETOOLONG, errno.ELOOP)
_MAX_NAME_CHARS = 200  # longer names are truncated in a message
_SAFETENSORS_ERROR = re.compile(r"I/O error: (.+) \(os error (\d+)\)")  # safetensors' words for what the system refused
# The wordings of CUDA, cuDNN, the CPU allocator (as accelerate's find_executable_batch_size knows them), ONNX Runtime.
_NO_MEMORY = (
    "out of memory",
    "CUDNN_STATUS_NOT_SUPPORTED",
    "can't allocate memory",
    "Failed to allocate memory",
    "is smaller than requested bytes",
)


Action = Literal[
    "create_project", "open_project", "import_images", "import_unlabelled", "choose_columns", "take_marks",
    "label", "find_issues", "keep_best", "mend", "decide_conflicts", "split",
    "split_without_test", "train", "resume",
    "evaluate", "combine", "export", "restore", "check", "relink", "fetch_weights", "import_weights",
    "remove_weights", "list_weights", "list_settings", "allow_network", "diagnose", "install",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class NextStep:
    """A suggested action for the reader of an error; window and command line word it."""

    action: Action
    _: KW_ONLY
    project: Path | None = None
    run: str = ""
    split: str = ""
    backbone: str = ""
    path: Path | None = None  # the file or folder to take: images to import, a weights file, a label file
    requirement: str = ""  # for pip
    columns: tuple[str, ...] = ()  # of a table, for the reader to choose one

    def on(self, project: Path | None) -> Self:
        """Return the step with the project filled in where it names none."""
        return self if self.project is not None or project is None else replace(self, project=project)


@dataclass(frozen=True, slots=True)
class Problem:
    """One fault in a set of settings, with the field to mark (empty: the whole form)."""

    field: str
    message: str
    hint: str = ""
    next_step: NextStep | None = None


class VisionFTError(Exception):
    """An expected failure; the hint is advice for window and command line alike, and names no button or command.

    `values` fill the placeholders of the message and of the hint.
    """

    def __init__(self, message: str, hint: str = "", next_step: NextStep | None = None, **values: object) -> None:
        if values:
            message, hint = Message(message, **values), Message(hint, **values)
        super().__init__(message, hint, next_step)
        self.message = message
        self.hint = hint
        self.next_step = next_step

    def __str__(self) -> str:
        return sentences(self.message, self.hint)


class ConfigError(VisionFTError):
    """One or more settings are invalid; `problems` pairs each fault with the field it belongs to."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        self.problems = problems
        parts = [
            Message("{field}: {message}", field=each.field, message=Message(each.message))
            if each.field
            else each.message
            for each in problems
        ]
        text = sentences(*parts, joint="; ")
        hint = next((problem.hint for problem in problems if problem.hint), "")
        super().__init__(text, hint, next((problem.next_step for problem in problems if problem.next_step), None))


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


def no_readable_images_error(what: str) -> RunError:
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


def find_os_error(error: BaseException) -> OSError | None:
    """Return the OSError of an exception, also one wrapped by safetensors; else None.

    A wrapped one is recognised by its message and names no file.
    """
    if isinstance(error, OSError):
        return error
    found = _SAFETENSORS_ERROR.search(str(error)) if type(error).__module__.startswith("safetensors") else None
    if found is None:
        return None
    number = int(found[2])
    return OSError(number, found[1], None, number)  # on Windows it is the fourth that counts


def as_visionft_error(error: BaseException) -> VisionFTError | None:
    """Return the expected error for an exception: a VisionFTError, no memory, no space, no access. None for a bug."""
    if isinstance(error, VisionFTError):
        return error
    if is_out_of_memory(error):
        hint = "Close other programs, or choose a smaller batch size, image size or backbone; what was saved is kept."
        return VisionFTError("There is not enough memory.", hint)
    fault = find_os_error(error)
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
        shown = name if len(name) <= _MAX_NAME_CHARS else f"{name[:_MAX_NAME_CHARS]}…"
        return VisionFTError(
            Message("{what} cannot be used: {reason}.", what=shown, reason=fault.strerror), "Name a file."
        )
    return None
