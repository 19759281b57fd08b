"""The memory allocator of the C library: glibc keeps freed memory while a network computes.

By default glibc takes each tensor over 32 MB from the system and gives it back when it is freed. The system clears that
memory again for every batch, which takes a third of the time of a forward pass (docs/decisions/0088).
"""

import ctypes
import os
import sys
from typing import Any

# <malloc.h> of glibc.
_TRIM_THRESHOLD, _MMAP_THRESHOLD, _ARENA_MAX = -1, -3, -8
# Over the largest tensor of a batch: 32 images of 96 channels at 160 x 160 take 315 MB.
_KEPT_BYTES = 1 << 30


def keep_freed_memory() -> None:
    """Let later tensors reuse freed memory. Settings of the user (`MALLOC_*_`, `GLIBC_TUNABLES`) stay.

    Threads share one arena: memory freed by a thread that has ended is there for the next one. Other systems are left
    alone.
    """
    chosen = any(name.startswith("MALLOC_") or name == "GLIBC_TUNABLES" for name in os.environ)
    if chosen or (libc := _glibc()) is None:
        return
    for option, value in ((_MMAP_THRESHOLD, _KEPT_BYTES), (_TRIM_THRESHOLD, _KEPT_BYTES), (_ARENA_MAX, 1)):
        libc.mallopt(option, value)


def return_freed_memory() -> None:
    """Give freed memory back to the system now; other threads that allocate wait, 70 ms for a gigabyte."""
    if (libc := _glibc()) is not None:
        libc.malloc_trim(0)


def _glibc() -> Any:
    """Return the C library with glibc's functions; None on other systems."""
    if sys.platform != "linux":
        return None
    libc = ctypes.CDLL(None)
    return libc if hasattr(libc, "mallopt") and hasattr(libc, "malloc_trim") else None
