"""The program without Python: its launcher and its licences.

Building and using it takes minutes: `packaging/freeze.py`.
"""

import re
import runpy
import sys
from pathlib import Path

import gather_licences
import pytest

import visionft.__main__
from visionft.core import doctor

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
