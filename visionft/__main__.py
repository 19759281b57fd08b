"""The start of the program: the command `visionft`, and `python -m visionft` for `accelerate launch`.

Files in the current folder must not run, whatever their names: `-m` puts that folder first on the path. Code before
this module cannot be guarded here: with a `visionft.py` there, use `python -P -m visionft`.
"""

import os
import site
import sys


def leave_current_folder() -> None:
    """Take the current folder off the path, unless the program or Python's own libraries lie in it."""
    program = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    kept = [program, os.path.dirname(os.__file__), *site.getsitepackages(), site.getusersitepackages()]
    try:
        here = os.path.realpath(os.getcwd())
    except OSError:  # it was deleted
        return
    if here not in map(os.path.realpath, kept):
        sys.path[:] = [folder for folder in sys.path if os.path.realpath(folder or os.curdir) != here]


def main() -> int:
    """Run the command line and return its exit code."""
    leave_current_folder()
    try:
        from visionft.cli import main as run

        return run()
    except KeyboardInterrupt:  # while it loads or ends; in between the command line says it
        sys.stderr.write("Stopped.\n")
        return 130


if __name__ == "__main__":
    sys.exit(main())
