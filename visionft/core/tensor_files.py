"""Writing files of tensors with the permissions of any other new file. Torch-free."""

import stat
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def usual_permissions(path: Path) -> Generator[None]:
    """Give a file that is written inside the permissions that the umask gives new files.

    safetensors' `save_file` lets the owner alone read what it writes, so that a shared run or export cannot be used.
    """
    path.touch()
    mode = stat.S_IMODE(path.stat().st_mode)
    yield
    path.chmod(mode)
