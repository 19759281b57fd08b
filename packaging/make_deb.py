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

import linux_tree
from freeze import BUILD, FROZEN

from visionft import __version__
from visionft.doctor import QT_LIBRARIES

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
COPYRIGHT_FILE = Path("usr/share/doc/visionft/copyright")
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
    with tempfile.TemporaryDirectory(prefix="visionft-deb-", dir=BUILD) as temporary:
        tree, unpacked = Path(temporary) / "tree", Path(temporary) / "unpacked"
        lay_out(tree)
        package = pack(tree, BUILD)
        shutil.rmtree(tree)
        print(f"{package}: {package.stat().st_size / 1e6:,.0f} MB")
        if "--no-smoke" in arguments:
            return 0
        subprocess.run(["dpkg-deb", "--extract", package, unpacked], check=True)
        return linux_tree.smoke(unpacked / "usr" / "bin" / "visionft")


def lay_out(tree: Path, *, frozen: Path = FROZEN) -> None:
    """Arrange all files in Debian's layout, and write the control file."""
    linux_tree.lay_out(tree, frozen=frozen)
    (tree / COPYRIGHT_FILE).parent.mkdir(parents=True)
    (tree / COPYRIGHT_FILE).write_text(COPYRIGHT, encoding="utf-8")
    described = control(tree, architecture())
    (tree / "DEBIAN").mkdir()
    (tree / "DEBIAN" / "control").write_text(described, encoding="utf-8")
    for path in (tree / "DEBIAN", (tree / COPYRIGHT_FILE).parent):
        path.chmod(0o755)


def pack(tree: Path, folder: Path) -> Path:
    """Build the package of a tree in `folder`; the same tree gives the same bytes."""
    package = folder / f"visionft_{__version__}_{architecture()}.deb"
    # zstd is read by dpkg since Debian 12 and Ubuntu 21.10. Level 19, its default, takes minutes more for little.
    linux_tree.pack(["dpkg-deb", "--root-owner-group", "-Zzstd", "-z9", "--build", tree, package])
    return package


def architecture() -> str:
    """Return Debian's name of this processor."""
    line = ["dpkg", "--print-architecture"]
    return subprocess.run(line, capture_output=True, text=True, check=True).stdout.strip()


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
