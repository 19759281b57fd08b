"""The desktop: PySide6 screens over the engine. `gui.app` connects them; only `gui` knows Qt."""

import ctypes
import sys

if sys.version_info < (3, 12):
    # PySide6 6.12.0 drops a reference to None, True or False in each call returning one (measured: -1 per call;
    # 6.11.3: 0). From Python 3.12 on these are immortal and nothing happens; before that the process aborts with
    # "deallocating None" after a few thousand calls. So their reference count is raised here, as in Python 3.12:
    # it never reaches zero.
    for _constant in (None, True, False, ..., NotImplemented, (), ""):
        ctypes.c_ssize_t.from_address(id(_constant)).value += 1 << 40
