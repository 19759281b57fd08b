"""Preloading the learning libraries without blocking the window. Torch-free: it only maps their files.

`import torch` holds Python's interpreter lock while the system loads half a gigabyte of code, and blocks the window for
half a second. Here the system loads the files first, without the lock.
"""

import ctypes
import importlib.util
import os
import sys
from pathlib import Path

from visionft.core.events import Progress
from visionft.core.jobs import JobContext

LOADING = Progress(stage="Getting ready", done=0, total=0)
_LARGE = ("c10", "torch_cpu", "c10_cuda", "torch_cuda", "torch", "torch_python")  # each after what it needs


def load_libraries(job: JobContext) -> None:
    """Report the loading of the learning libraries, unless they are loaded, and map them.

    Call it in the thread of the later import.
    """
    if "torch" in sys.modules:
        return
    job.report(LOADING)
    if os.name == "posix":
        found = importlib.util.find_spec("torch")
        folder = Path(found.origin).parent / "lib" if found and found.origin else None
        suffix = "dylib" if sys.platform == "darwin" else "so"
        for path in [folder / f"lib{name}.{suffix}" for name in _LARGE] if folder else []:
            if path.is_file():
                _map(path)


def _map(path: Path) -> None:
    """Let the system load a library. Called through ctypes, unlike `CDLL(path)`, `dlopen` runs without the lock."""
    system = ctypes.CDLL(None)
    system.dlopen.restype = ctypes.c_void_p
    system.dlopen.argtypes = (ctypes.c_char_p, ctypes.c_int)
    system.dlopen(os.fsencode(path), os.RTLD_NOW)  # what fails here fails in the import, with its reason
