"""The program without Python: its launcher, its licences, its package for Debian and its AppImage.

Building and using it takes minutes: `packaging/freeze.py`, `make_deb.py` and `make_appimage.py` do both.
"""

import os
import platform
import re
import runpy
import shutil
import subprocess
import sys
import time
from pathlib import Path
from types import ModuleType

import gather_licences
import make_appimage
import make_deb
import pytest

import visionft.__main__
from visionft import __version__, doctor

PACKAGING = Path(__file__).parents[2] / "packaging"


@pytest.mark.parametrize(("given", "asked"), [([], ["app"]), (["doctor", "--json"], ["doctor", "--json"])])
def test_a_click_opens_the_window_and_a_command_stays_one(
    monkeypatch: pytest.MonkeyPatch, given: list[str], asked: list[str]
) -> None:
    seen: list[str] = []
    monkeypatch.setattr(visionft.__main__, "main", lambda: seen.extend(sys.argv[1:]) or 7)
    monkeypatch.setattr(sys, "argv", ["visionft", *given])
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(PACKAGING / "frozen.py"), run_name="__main__")
    assert ended.value.code == 7
    assert seen == asked


def test_a_process_that_only_imports_the_start_starts_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Loader processes of training do: by spawn they import the main module under another name."""
    monkeypatch.setattr(visionft.__main__, "main", lambda: pytest.fail("it started"))
    runpy.run_path(str(PACKAGING / "frozen.py"), run_name="__mp_main__")


def test_what_the_program_imports_by_name_is_named_in_the_spec() -> None:
    """PyInstaller follows literal imports; it cannot see a name in a string."""
    sources = [file for folder in ("visionft", "gui", "models") for file in (PACKAGING.parent / folder).rglob("*.py")]
    named = {name for file in sources for name in re.findall(r'import_module\("([\w.]+)"\)', file.read_text("utf-8"))}
    spec = (PACKAGING / "visionft.spec").read_text(encoding="utf-8")
    assert "pyarrow.parquet" in named
    named = {name for name in named if name.split(".")[0] not in ("visionft", "gui", "models")}  # all of these are
    assert [name for name in named if not re.search(rf'"{re.escape(name)}(\.\w+)*"', spec)] == []


@pytest.mark.slow
def test_every_library_is_named_with_its_licence(tmp_path: Path) -> None:
    without = gather_licences.gather(tmp_path / "licences")
    rows = (tmp_path / "licences" / "PACKAGES.txt").read_text(encoding="utf-8").lower().splitlines()
    named = {row.split()[0].replace("_", "-") for row in rows}
    assert {name for name, version in doctor.library_versions().items() if version} <= named
    assert not {"pip", "pyinstaller", "visionft"} & named
    assert "GNU LESSER" in (tmp_path / "licences" / "Qt" / "LGPL-3.txt").read_text(encoding="utf-8")
    assert any(row.startswith("PySide6") for row in without)  # hence the copy of Qt's licence here
    assert list((tmp_path / "licences" / "numpy").iterdir())


@pytest.fixture
def frozen(tmp_path: Path) -> Path:
    """Return a small program where packaging/freeze.py puts it."""
    frozen = tmp_path / "build" / "frozen" / "VisionFT"
    for folder in (frozen / "_internal", frozen / "licences", tmp_path / "build" / "icons"):
        folder.mkdir(parents=True)
    (frozen / "visionft").write_text("#!/bin/sh\n")
    (frozen / "_internal" / "libtorch.so.2").write_bytes(b"\x7fELF\0GLIBC_2.9\0GLIBC_2.28\0GLIBC_2.3.4\0")
    (tmp_path / "build" / "icons" / "visionft.png").write_bytes(b"png")
    return frozen


@pytest.fixture
def runtime(tmp_path: Path) -> Path:
    """Return a file with the marks of AppImage's runtime."""
    file = tmp_path / "runtime"
    file.write_bytes(b"\x7fELF\2\1\1\0AI\2" + bytes(1000))
    return file


def packed_twice(packer: ModuleType, frozen: Path, tmp_path: Path, *arguments: object) -> Path:
    """Pack the program twice, with a time between; return the package, whose bytes were the same."""
    packages = []
    for name in ("first", "second"):
        packer.lay_out(tmp_path / name / "tree", frozen=frozen)
        packages.append(packer.pack(tmp_path / name / "tree", *arguments, tmp_path / name))
        for file in frozen.rglob("*"):
            os.utime(file, (time.time() + 90, time.time() + 90))
    assert packages[0].read_bytes() == packages[1].read_bytes()
    return packages[0]


@pytest.mark.skipif(shutil.which("dpkg-deb") is None, reason="dpkg-deb is not here")
def test_a_package_for_debian_is_laid_out_as_debian_wants_and_always_the_same(frozen: Path, tmp_path: Path) -> None:
    package = packed_twice(make_deb, frozen, tmp_path)
    listed = subprocess.run(["dpkg-deb", "--contents", package], capture_output=True, text=True, check=True).stdout
    assert "root/root" in listed and "-> ../lib/visionft/visionft" in listed
    tree, listed = tmp_path / "unpacked", listed.splitlines()
    subprocess.run(["dpkg-deb", "--raw-extract", package, tree], check=True)
    command = tree / "usr" / "bin" / "visionft"
    assert command.resolve() == tree / "usr" / "lib" / "visionft" / "visionft"
    assert command.stat().st_mode & 0o777 == 0o755
    assert (tree / "usr/lib/visionft/_internal/libtorch.so.2").stat().st_mode & 0o777 == 0o644
    for path in ("applications/visionft.desktop", "icons/hicolor/scalable/apps/visionft.svg", "doc/visionft/copyright"):
        assert (tree / "usr" / "share" / path).is_file()
    control = (tree / "DEBIAN" / "control").read_text(encoding="utf-8")
    fields = dict(line.split(": ", 1) for line in control.splitlines() if ": " in line)
    assert fields["Version"] == __version__
    assert fields["Depends"].startswith("libc6 (>= 2.28), ")
    assert "libxcb-cursor0" in fields["Depends"]


@pytest.mark.skipif(
    shutil.which("mksquashfs") is None, reason="mksquashfs is not here: sudo apt install squashfs-tools"
)
def test_an_appimage_is_its_runtime_and_a_readable_image_and_always_the_same(
    frozen: Path, runtime: Path, tmp_path: Path
) -> None:
    package = packed_twice(make_appimage, frozen, tmp_path, make_appimage.read_runtime(runtime))
    size = runtime.stat().st_size
    assert package.read_bytes()[:size] == runtime.read_bytes()
    assert package.stat().st_mode & 0o777 == 0o755
    tree = tmp_path / "unpacked"
    subprocess.run(["unsquashfs", "-quiet", "-no-progress", "-offset", str(size), "-dest", tree, package], check=True)
    assert (tree / "AppRun").resolve() == tree / "usr" / "lib" / "visionft" / "visionft"
    assert (tree / "AppRun").stat().st_mode & 0o777 == 0o755
    assert "Icon=visionft\n" in (tree / "visionft.desktop").read_text(encoding="utf-8")
    assert (tree / "visionft.png").read_bytes() == (tree / ".DirIcon").read_bytes() == b"png"


def test_what_is_no_runtime_is_refused_with_advice(runtime: Path, tmp_path: Path, monkeypatch, capsys) -> None:
    monkeypatch.setattr(make_appimage, "FROZEN", tmp_path)
    monkeypatch.setattr(make_appimage, "BUILD", tmp_path)
    monkeypatch.setattr(shutil, "which", lambda _: "there")
    runtime.write_bytes(runtime.read_bytes().replace(b"AI", b"ai"))
    for given in (["--runtime", str(runtime)], ["--runtime", str(tmp_path / "none")]):
        assert make_appimage.main(given) == 2
    processor = platform.machine()
    monkeypatch.setattr(make_appimage, "RELEASE", tmp_path.as_uri())
    (tmp_path / f"runtime-{processor}").write_bytes(b"another file")
    monkeypatch.setattr(make_appimage, "SHA256", {processor: "0" * 64})
    assert make_appimage.main([]) == 2
    monkeypatch.setattr(make_appimage, "RELEASE", (tmp_path / "away").as_uri())
    assert make_appimage.main([]) == 2
    monkeypatch.setattr(make_appimage, "SHA256", {})
    assert make_appimage.main([]) == 2
    assert capsys.readouterr().err.count("\n") >= 5
    assert not list(tmp_path.glob("appimage-runtime*"))
