"""Entry point of the frozen program (packaging/visionft.spec): the command line, and without arguments the window.

A click in a file manager or a menu gives no arguments. Loader processes of training are this program too: PyInstaller's
`freeze_support` diverts them before anything else is loaded. So is the process that parses label files.
"""

import sys
from multiprocessing import freeze_support

if __name__ == "__main__":
    freeze_support()
    if sys.argv[1:2] == ["--foreign-file"]:
        from visionft.project.formats import foreign_files

        sys.exit(foreign_files.main(*sys.argv[2:4]))

    from visionft.__main__ import main

    if len(sys.argv) == 1:
        sys.argv.append("app")
    sys.exit(main())
