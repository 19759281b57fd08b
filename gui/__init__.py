"""The desktop: PySide6 screens over the engine. `gui.app` puts it together; nothing below `gui` knows Qt."""

import ctypes
import sys

if sys.version_info < (3, 12):
    # PySide6 6.12.0 drops one reference to None in every call that returns it (measured: -1 per call; 6.11.3: 0). From
    # Python 3.12 on None is immortal and nothing happens; before that the process aborts with "deallocating None"
    # after a few thousand calls. So give None here what Python 3.12 gives it: a count that never gets to zero.
    ctypes.c_ssize_t.from_address(id(None)).value += 1 << 40
