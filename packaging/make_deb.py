"""Pack the frozen program for Debian and Ubuntu: `.venv/bin/python packaging/make_deb.py`, after packaging/freeze.py.

Writes `build/visionft_VERSION_ARCHITECTURE.deb`: the program in /usr/lib/visionft, the command `visionft`, an entry in
the menu and the icon. Needs `dpkg-deb`; unpacks and tests the package (packaging/smoke.py) except with `--no-smoke`.
"""

import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[0] = str(ROOT)  # not `packaging/`: it would shadow the library of the same name
# ruff: noqa: E402

from visionft import __version__
from visionft.doctor import QT_LIBRARIES

FROZEN = ROOT / "build" / "frozen" / "VisionFT"
ICONS = ROOT / "build" / "icons"
HOME = Path("usr/lib/visionft")
CONTROL = """\
Package: visionft
Version: {version}
Architecture: {architecture}
Maintainer: The VisionFT developers
Installed-Size: {kilobytes}
Depends: libc6 (>= {glibc}), {libraries}
Section: science
Priority: optional
Description: label images, fine-tune a network, export one file
 Point it at images, label and clean them, fine-tune a pretrained ResNet or
 vision transformer, and take away one ONNX file that classifies new images.
 No code, no cloud, no account: everything happens on this computer.
"""
COPYRIGHT = """\
VisionFT is licensed under the Apache License 2.0; on Debian its text is in /usr/share/common-licenses/Apache-2.0.
What others made and comes with it has its licences in /usr/lib/visionft/licences, listed in PACKAGES.txt there.
Copyright: the VisionFT developers
"""


def main(arguments: Sequence[str]) -> int:
    """Lay the files out, pack them, unpack the package again and use it."""
    if not FROZEN.is_dir() or shutil.which("dpkg-deb") is None:
        print("It takes dpkg-deb, and what packaging/freeze.py makes.", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory(prefix="visionft-deb-", dir=FROZEN.parents[1]) as temporary:
        tree, unpacked = Path(temporary) / "tree", Path(temporary) / "unpacked"
        lay_out(tree)
        package = pack(tree)
        shutil.rmtree(tree)
        print(f"{package}: {package.stat().st_size / 1e6:,.0f} MB")
        subprocess.run(["dpkg-deb", "--extract", package, unpacked], check=True)
        if "--no-smoke" in arguments:
            return 0
        line = [sys.executable, ROOT / "packaging" / "smoke.py", unpacked / "usr" / "bin" / "visionft", "--whole"]
        return subprocess.run(line, check=False).returncode


def lay_out(tree: Path) -> None:
    """Arrange all files in Debian's layout, with Debian's permissions."""
    shutil.copytree(FROZEN, tree / HOME, symlinks=True)
    share = tree / "usr" / "share"
    for source, folder in (
        (ROOT / "packaging" / "linux" / "visionft.desktop", "applications"),
        (ROOT / "resources" / "icons" / "visionft.svg", "icons/hicolor/scalable/apps"),
        (ICONS / "visionft.png", "icons/hicolor/512x512/apps"),
    ):
        (share / folder).mkdir(parents=True)
        shutil.copy(source, share / folder)
    (share / "doc" / "visionft").mkdir(parents=True)
    (share / "doc" / "visionft" / "copyright").write_text(COPYRIGHT, encoding="utf-8")
    (tree / "usr" / "bin").mkdir()
    (tree / "usr" / "bin" / "visionft").symlink_to("../lib/visionft/visionft")
    for path in tree.rglob("*"):
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() or path == tree / HOME / "visionft" else 0o644)


def pack(tree: Path) -> Path:
    """Write the control file, and build the package."""
    architecture = subprocess.run(
        ["dpkg", "--print-architecture"], capture_output=True, text=True, check=True
    ).stdout.strip()
    (tree / "DEBIAN").mkdir()
    (tree / "DEBIAN" / "control").write_text(control(tree, architecture), encoding="utf-8")
    package = FROZEN.parents[1] / f"visionft_{__version__}_{architecture}.deb"
    # zstd is read by dpkg since Debian 12 and Ubuntu 21.10. Level 19, its default, takes minutes more for little.
    subprocess.run(["dpkg-deb", "--root-owner-group", "-Zzstd", "-z9", "--build", tree, package], check=True)
    return package


def control(tree: Path, architecture: str) -> str:
    """Return Debian's description of the package."""
    kilobytes = sum(path.lstat().st_size for path in tree.rglob("*") if not path.is_dir()) // 1024
    return CONTROL.format(
        version=__version__,
        architecture=architecture,
        kilobytes=kilobytes,
        glibc=oldest_glibc(tree),
        libraries=", ".join(sorted(set(QT_LIBRARIES.values()))),
    )


def oldest_glibc(tree: Path) -> str:
    """Return the oldest C library compatible with all files in `tree`: the newest version of a required symbol."""
    asked = {b"2.17"}
    for path in tree.rglob("*"):
        if not path.is_symlink() and path.is_file() and (path.suffix == ".so" or ".so." in path.name):
            asked.update(re.findall(rb"\0GLIBC_(2\.\d+)(?=\0)", path.read_bytes()))
    return max((tuple(map(int, each.split(b"."))), each.decode()) for each in asked)[1]


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
