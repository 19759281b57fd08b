"""The desktop application: PySide6 screens over the engine, connected in `gui.app`. Only `gui` imports Qt."""

import ctypes
import sys

if sys.version_info < (3, 12):
    # PySide6 6.12.0 decrements the reference count of None, True or False in each call that returns one (measured: -1
    # per call; 6.11.3: 0). These objects are immortal from Python 3.12 on; before that the process aborts with
    # "deallocating None" after a few thousand calls. Raising their reference counts makes them immortal here, too.
    for _constant in (None, True, False, ..., NotImplemented, (), ""):
        ctypes.c_ssize_t.from_address(id(_constant)).value += 1 << 40
