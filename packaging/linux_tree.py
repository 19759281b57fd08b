"""The frozen program as a tree of files for Linux; packaging/make_deb.py and packaging/make_appimage.py pack it."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from freeze import FROZEN, ROOT

sys.path.insert(0, str(ROOT))  # these sources, not those of an installed VisionFT

HOME = Path("usr/lib/visionft")
ICON = Path("icons/hicolor/512x512/apps/visionft.png")
ENTRY = Path("applications/visionft.desktop")


def lay_out(tree: Path, *, frozen: Path = FROZEN) -> None:
    """Arrange the program, its command, its menu entry and its icons below `tree`, readable by everybody."""
    shutil.copytree(frozen, tree / HOME, symlinks=True)
    share = tree / "usr" / "share"
    for source, place in (
        (ROOT / "packaging" / "linux" / "visionft.desktop", ENTRY),
        (ROOT / "resources" / "icons" / "visionft.svg", Path("icons/hicolor/scalable/apps/visionft.svg")),
        (frozen.parents[1] / "icons" / "visionft.png", ICON),
    ):
        (share / place).parent.mkdir(parents=True)
        shutil.copy(source, share / place)
    (tree / "usr" / "bin").mkdir()
    (tree / "usr" / "bin" / "visionft").symlink_to("../lib/visionft/visionft")
    for path in (tree, *tree.rglob("*")):
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() or path == tree / HOME / "visionft" else 0o644)


def pack(line: list[str | Path]) -> None:
    """Run a packer; no time of a file in its package is later than SOURCE_DATE_EPOCH (by default hatchling's)."""
    subprocess.run(line, check=True, env={"SOURCE_DATE_EPOCH": "1580601600"} | os.environ)


def smoke(program: Path) -> int:
    """Use the program of an unpacked package (packaging/smoke.py); return the exit code."""
    return subprocess.run([sys.executable, ROOT / "packaging" / "smoke.py", program, "--whole"], check=False).returncode
