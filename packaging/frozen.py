"""Entry point of the frozen program (packaging/visionft.spec): the command line, and without arguments the window.

A click in a file manager or a menu gives no arguments. Loader processes of training are this program too: PyInstaller's
`freeze_support` diverts them before anything else is loaded.
"""

import sys
from multiprocessing import freeze_support

if __name__ == "__main__":
    freeze_support()

    from visionft.__main__ import main

    if len(sys.argv) == 1:
        sys.argv.append("app")
    sys.exit(main())
