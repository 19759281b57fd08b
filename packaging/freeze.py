"""Build the standalone program without a Python installation, as defined in packaging/visionft.spec.

Run `.venv/bin/pip install --group freeze`, then `.venv/bin/python packaging/freeze.py`. The program contains the
packages of this interpreter, including its builds of PyTorch and ONNX Runtime; without CUDA it is a third of the size.
PyInstaller builds for the system on which it runs.

The result is `build/frozen/VisionFT`, a relocatable folder (on macOS also `VisionFT.app`), with the licences of all its
content. The script prints its size and tests it like a new installation (packaging/smoke.py; `--no-smoke` skips this).
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
    """Build the standalone program, print its size and smoke-test it; return 0 on success."""
    missing = [name for name in ("PyInstaller", "visionft") if importlib.util.find_spec(name) is None]
    if missing:
        print(f"{' and '.join(missing)} cannot be found here: pip install --editable . --group freeze", file=sys.stderr)
        return 2
    build()
    for package in gather_licences.gather(FROZEN / "licences"):
        print(f"brings no text of its licence: {package}")
    print(f"{platform.system()}, {platform.machine()}: {size_mb(FROZEN):,.0f} MB in {FROZEN}")
    for name, mb in largest_entries(FROZEN / "_internal"):
        print(f"{mb:9.0f} MB  {name}")
    if "--no-smoke" in arguments:
        return 0
    return subprocess.run([sys.executable, ROOT / "packaging" / "smoke.py", PROGRAM], check=False).returncode


def build() -> None:
    """Draw the icons, compile the translations, and run PyInstaller."""
    subprocess.run([sys.executable, ROOT / "packaging" / "make_icons.py", BUILD / "icons"], check=True)
    subprocess.run([sys.executable, ROOT / "packaging" / "translations.py", "compile"], check=True)
    line = [sys.executable, "-m", "PyInstaller", "--noconfirm", "--log-level", "WARN"]
    folders = ["--distpath", str(FROZEN.parent), "--workpath", str(BUILD / "pyinstaller")]
    # Compiled modules contain sets in hash order, so a fixed seed makes the build reproducible.
    environment = os.environ | {"PYTHONHASHSEED": "0"}
    subprocess.run([*line, *folders, str(ROOT / "packaging" / "visionft.spec")], check=True, cwd=ROOT, env=environment)


def size_mb(path: Path) -> float:
    """Return the size of a file or a folder in MB, without symbolic links."""
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(file.lstat().st_size for file in files if file.is_file() and not file.is_symlink()) / 1e6


def largest_entries(folder: Path, count: int = 12) -> list[tuple[str, float]]:
    """Return the largest entries of a folder with their sizes in MB."""
    sizes = [(path.name, size_mb(path)) for path in folder.iterdir()]
    return sorted(sizes, key=lambda pair: -pair[1])[:count]


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
