"""Getting the learning libraries into memory without holding the window up. Torch-free: it only maps their files.

`import torch` keeps Python's interpreter lock while the system loads half a gigabyte of code, so that a window beside
it stands still for half a second. Loaded by the system first, without the lock, the import finds them there.
"""

import ctypes
import importlib.util
import os
import sys
from pathlib import Path

from visionft.events import OnEvent, Progress

LOADING = Progress(stage="Loading the learning libraries", done=0, total=0)
_LARGE = ("c10", "torch_cpu", "c10_cuda", "torch_cuda", "torch", "torch_python")  # each after what it needs


def load_libraries(on_event: OnEvent) -> None:
    """Say that the learning libraries are being loaded, where they are not yet, and map them.

    Call it in the thread that imports them then.
    """
    if "torch" in sys.modules:
        return
    on_event(LOADING)
    if os.name == "posix":
        folder = _folder()
        suffix = "dylib" if sys.platform == "darwin" else "so"
        for path in [folder / f"lib{name}.{suffix}" for name in _LARGE] if folder else []:
            if path.is_file():
                _map(path)


def _folder() -> Path | None:
    found = importlib.util.find_spec("torch")
    return Path(found.origin).parent / "lib" if found and found.origin else None


def _map(path: Path) -> None:
    """Let the system load a library. Called through ctypes, unlike `CDLL(path)`, `dlopen` runs without the lock."""
    system = ctypes.CDLL(None)
    system.dlopen.restype = ctypes.c_void_p
    system.dlopen.argtypes = (ctypes.c_char_p, ctypes.c_int)
    system.dlopen(os.fsencode(path), os.RTLD_NOW)  # what fails here fails in the import, with its reason
