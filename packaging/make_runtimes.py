"""Fetch the JavaScript runtimes for the tests of exported files, into build/runtimes (about 470 MB).

    python packaging/make_runtimes.py [FOLDER]

The tests marked slow look there, or in the folder of VISIONFT_RUNTIMES, and are skipped for missing runtimes. Needs
Node.js 20.9 or newer with npm. The page is tested in Chromium where `chromium` or CHROMIUM names one. No script of a
package is run.
"""

import shutil
import subprocess
import sys
from pathlib import Path

PACKAGES = Path(__file__).with_name("runtimes")
FOLDER = Path(__file__).resolve().parents[1] / "build" / "runtimes"


def main(arguments: list[str]) -> int:
    """Install the packages of `packaging/runtimes` and return npm's exit code."""
    folder = Path(arguments[0]) if arguments else FOLDER
    npm = shutil.which("npm")
    if npm is None:
        print("npm is not installed: it comes with Node.js 20.9 or newer.", file=sys.stderr)
        return 2
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("package.json", "package-lock.json", ".npmrc"):
        shutil.copyfile(PACKAGES / name, folder / name)
    done = subprocess.run([npm, "ci"], cwd=folder, check=False)
    if done.returncode == 0:
        print(f"The runtimes are in {folder}.")
    return done.returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
