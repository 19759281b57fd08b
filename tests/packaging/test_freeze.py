"""The program without Python: its launcher, its licences, and its Debian package.

Building and using it takes minutes: `packaging/freeze.py` and `packaging/make_deb.py` do both.
"""

import re
import runpy
import shutil
import subprocess
import sys
from pathlib import Path

import gather_licences
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
    assert [name for name in named if not re.search(rf'"{re.escape(name)}(\.\w+)*"', spec)] == []


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
def frozen_program(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Let the script pack a small program."""
    build = tmp_path / "build"
    frozen = build / "frozen" / "VisionFT"
    (frozen / "_internal").mkdir(parents=True)
    (frozen / "visionft").write_text("#!/bin/sh\n")
    (frozen / "_internal" / "libtorch.so.2").write_bytes(b"\x7fELF\0GLIBC_2.9\0GLIBC_2.28\0GLIBC_2.3.4\0")
    (build / "icons").mkdir()
    (build / "icons" / "visionft.png").write_bytes(b"png")
    monkeypatch.setattr(make_deb, "FROZEN", frozen)
    monkeypatch.setattr(make_deb, "ICONS", build / "icons")


@pytest.mark.usefixtures("frozen_program")
@pytest.mark.skipif(sys.platform == "win32", reason="Debian's packages are made on Linux: rights and links")
def test_a_package_for_debian_is_laid_out_as_debian_wants(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    make_deb.lay_out(tree)
    command = tree / "usr" / "bin" / "visionft"
    assert command.resolve() == tree / "usr" / "lib" / "visionft" / "visionft"
    assert command.stat().st_mode & 0o777 == 0o755
    assert (tree / "usr/lib/visionft/_internal/libtorch.so.2").stat().st_mode & 0o777 == 0o644
    for path in ("applications/visionft.desktop", "icons/hicolor/scalable/apps/visionft.svg", "doc/visionft/copyright"):
        assert (tree / "usr" / "share" / path).is_file()
    fields = dict(line.split(": ", 1) for line in make_deb.control(tree, "amd64").splitlines() if ": " in line)
    assert fields["Version"] == __version__
    assert fields["Depends"].startswith("libc6 (>= 2.28), ")
    assert "libxcb-cursor0" in fields["Depends"]


@pytest.mark.usefixtures("frozen_program")
@pytest.mark.skipif(sys.platform != "linux", reason="Debian's packages are made on Linux")
def test_the_package_can_be_read_by_debians_own_tool(tmp_path: Path) -> None:
    if shutil.which("dpkg-deb") is None:
        pytest.skip("dpkg-deb is not here")
    make_deb.lay_out(tmp_path / "tree")
    package = make_deb.pack(tmp_path / "tree")
    listed = subprocess.run(["dpkg-deb", "--contents", package], capture_output=True, text=True, check=True).stdout
    assert "root/root" in listed and "-> ../lib/visionft/visionft" in listed
