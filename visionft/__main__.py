"""The start of the program: the command `visionft`, and `python -m visionft`, which `accelerate launch` needs.

Files in the current folder must not run, whatever their names: that folder may hold anything, and `-m` puts it first on
the path. What comes before this module cannot be guarded here: a `visionft.py` there needs `python -P -m visionft`.
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
    from visionft.cli import main as run

    return run()


if __name__ == "__main__":
    sys.exit(main())
