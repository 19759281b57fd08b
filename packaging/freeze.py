"""Build the standalone program without a Python installation, as defined in packaging/visionft.spec.

First `.venv/bin/pip install --group freeze`, then `.venv/bin/python packaging/freeze.py`. The packages of this
interpreter go in, its builds of PyTorch and ONNX Runtime too: without CUDA it is a third of the size. PyInstaller
builds for the system it runs on.

The result is `build/frozen/VisionFT`, a relocatable folder (on macOS also `VisionFT.app`), with the licences of all its
content. Its size is printed, and it is tested like a new installation (packaging/smoke.py; `--no-smoke` skips it).
"""

import importlib.util
import os
import platform
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import gather_licences

ROOT = Path(__file__).resolve().parents[1]
BUILD = ROOT / "build"
FROZEN = BUILD / "frozen" / "VisionFT"
PROGRAM = FROZEN / ("visionft.exe" if sys.platform == "win32" else "visionft")


def main(arguments: Sequence[str]) -> int:
    """Build, weigh and use; return 0 where all of it worked."""
    missing = [name for name in ("PyInstaller", "visionft") if importlib.util.find_spec(name) is None]
    if missing:
        print(f"{' and '.join(missing)} cannot be found here: pip install --editable . --group freeze", file=sys.stderr)
        return 2
    build()
    for line in gather_licences.gather(FROZEN / "licences"):
        print(f"brings no text of its licence: {line}")
    print(f"{platform.system()}, {platform.machine()}: {size_mb(FROZEN):,.0f} MB in {FROZEN}")
    for name, mb in heaviest(FROZEN / "_internal"):
        print(f"{mb:9.0f} MB  {name}")
    if "--no-smoke" in arguments:
        return 0
    return subprocess.run([sys.executable, ROOT / "packaging" / "smoke.py", PROGRAM], check=False).returncode


def build() -> None:
    """Draw the icons, and let PyInstaller follow the spec."""
    subprocess.run([sys.executable, ROOT / "packaging" / "make_icons.py", BUILD / "icons"], check=True)
    subprocess.run([sys.executable, ROOT / "packaging" / "translations.py", "compile"], check=True)
    line = [sys.executable, "-m", "PyInstaller", "--noconfirm", "--log-level", "WARN"]
    places = ["--distpath", str(FROZEN.parent), "--workpath", str(BUILD / "pyinstaller")]
    # The order of a set is in the compiled modules: with one seed the same sources give the same bytes.
    environment = os.environ | {"PYTHONHASHSEED": "0"}
    subprocess.run([*line, *places, str(ROOT / "packaging" / "visionft.spec")], check=True, cwd=ROOT, env=environment)


def size_mb(path: Path) -> float:
    """Return the size of a file or a folder; links count as nothing."""
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(file.lstat().st_size for file in files if file.is_file() and not file.is_symlink()) / 1e6


def heaviest(folder: Path, count: int = 12) -> list[tuple[str, float]]:
    """Return the heaviest entries of a folder with their sizes in MB."""
    sizes = [(path.name, size_mb(path)) for path in folder.iterdir()]
    return sorted(sizes, key=lambda pair: -pair[1])[:count]


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
