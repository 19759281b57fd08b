"""Pack the frozen program as one file for any Linux: `.venv/bin/python packaging/make_appimage.py`, after freeze.py.

Writes `build/VisionFT-VERSION-PROCESSOR.AppImage`: the runtime of AppImage (https://github.com/AppImage/type2-runtime),
which mounts what follows it, and a squashfs image of the program. Needs `mksquashfs` (Debian: squashfs-tools). Fetches
the runtime, whose hash is fixed here, except with `--runtime FILE`. Extracts the file and tests the program in it
(packaging/smoke.py) except with `--no-smoke`.
"""

import argparse
import hashlib
import platform
import shutil
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Sequence
from pathlib import Path

import linux_tree
from freeze import BUILD, FROZEN

from visionft import __version__

RELEASE = "https://github.com/AppImage/type2-runtime/releases/download/20251108"
SHA256 = {
    "x86_64": "2fca8b443c92510f1483a883f60061ad09b46b978b2631c807cd873a47ec260d",
    "aarch64": "00cbdfcf917cc6c0ff6d3347d59e0ca1f7f45a6df1a428a0d6d8a78664d87444",
}
LARGEST_RUNTIME = 16 * 2**20  # bytes; it has less than one MiB
MAGIC_AT, MAGIC = 8, b"AI\x02"  # of a runtime of type 2, in the unused bytes of its ELF header
LICENCE = """\
The first part of the AppImage is its runtime, https://github.com/AppImage/type2-runtime (MIT). It contains squashfuse
(BSD-2-Clause), libfuse (LGPL-2.1), zstd (BSD-3-Clause), zlib (Zlib) and musl (MIT); that page has all sources.
"""


class NoRuntimeError(Exception):
    """No runtime to put in front; the text says what to do."""


def main(arguments: Sequence[str]) -> int:
    """Lay the files out, pack them behind the runtime, extract the file again and use it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runtime", type=Path, help="a runtime of AppImage, type 2, for this processor")
    parser.add_argument("--no-smoke", action="store_true", help="do not use the packed program")
    options = parser.parse_args(arguments)
    if not FROZEN.is_dir() or shutil.which("mksquashfs") is None:
        print("It takes mksquashfs, and what packaging/freeze.py makes.", file=sys.stderr)
        return 2
    try:
        runtime = read_runtime(options.runtime) if options.runtime else fetch_runtime(platform.machine())
    except NoRuntimeError as error:
        print(error, file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory(prefix="visionft-appimage-", dir=BUILD) as temporary:
        folder = Path(temporary)
        lay_out(folder / "tree")
        package = pack(folder / "tree", runtime, BUILD)
        shutil.rmtree(folder / "tree")
        print(f"{package}: {package.stat().st_size / 1e6:,.0f} MB")
        if options.no_smoke:
            return 0
        subprocess.run([package, "--appimage-extract"], cwd=folder, check=True, stdout=subprocess.DEVNULL)
        return linux_tree.smoke(folder / "squashfs-root" / "AppRun")


def read_runtime(file: Path) -> bytes:
    """Return a runtime from a file.

    Raises:
        NoRuntimeError: The file cannot be read, or is something else.
    """
    try:
        with file.open("rb") as stream:
            runtime = stream.read(LARGEST_RUNTIME + 1)
    except OSError as error:
        raise NoRuntimeError(f"{file} cannot be read: {error.strerror}") from error
    is_runtime = runtime.startswith(b"\x7fELF") and runtime[MAGIC_AT:].startswith(MAGIC)
    if not is_runtime or len(runtime) > LARGEST_RUNTIME:
        raise NoRuntimeError(f"{file} is no runtime of AppImage, type 2: take one from {RELEASE}")
    return runtime


def fetch_runtime(processor: str) -> bytes:
    """Return the runtime for a processor (as `uname -m` names it), from `build` or its release.

    Raises:
        NoRuntimeError: There is none for this processor, it cannot be fetched, or it has another hash.
    """
    if processor not in SHA256:
        raise NoRuntimeError(f"No runtime is known for {processor}: give one with --runtime FILE.")
    address, kept = f"{RELEASE}/runtime-{processor}", BUILD / f"appimage-runtime-{processor}"
    if not kept.is_file() or hashlib.sha256(kept.read_bytes()).hexdigest() != SHA256[processor]:
        try:
            with urllib.request.urlopen(address, timeout=30) as answer:
                runtime = answer.read(LARGEST_RUNTIME)
        except OSError as error:
            raise NoRuntimeError(
                f"{address} cannot be fetched: {error}\nFetch it elsewhere, and give it with --runtime FILE."
            ) from error
        if hashlib.sha256(runtime).hexdigest() != SHA256[processor]:
            raise NoRuntimeError(f"{address} is not the file that it was: its SHA-256 is not {SHA256[processor]}.")
        kept.write_bytes(runtime)
    return read_runtime(kept)


def lay_out(tree: Path, *, frozen: Path = FROZEN) -> None:
    """Arrange all files as an AppDir: what is below `usr` in a package, and what AppImage looks for at the top."""
    linux_tree.lay_out(tree, frozen=frozen)
    (tree / linux_tree.HOME / "licences" / "AppImage-runtime.txt").write_text(LICENCE, encoding="utf-8")
    for name, target in (
        ("AppRun", Path("usr/bin/visionft")),
        (linux_tree.ENTRY.name, Path("usr/share") / linux_tree.ENTRY),
        (linux_tree.ICON.name, Path("usr/share") / linux_tree.ICON),
        (".DirIcon", Path(linux_tree.ICON.name)),
    ):
        (tree / name).symlink_to(target)


def pack(tree: Path, runtime: bytes, folder: Path) -> Path:
    """Write the AppImage of a tree into `folder`; the same tree and runtime give the same bytes."""
    image = folder / "visionft.squashfs"
    image.unlink(missing_ok=True)
    compressed = ["-comp", "zstd", "-Xcompression-level", "9", "-b", "256K"]  # as make_deb.py
    linux_tree.pack(["mksquashfs", tree, image, "-all-root", "-no-xattrs", "-quiet", "-no-progress", *compressed])
    package = folder / f"VisionFT-{__version__}-{platform.machine()}.AppImage"
    with package.open("wb") as file, image.open("rb") as content:
        file.write(runtime)
        shutil.copyfileobj(content, file, 2**20)
    image.unlink()
    package.chmod(0o755)
    return package


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
