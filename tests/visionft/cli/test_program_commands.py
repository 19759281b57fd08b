"""`visionft app` opens the installed window, and gives advice when there is none."""

import importlib
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Return a function to install a VisionFT with other entry points before the real one."""

    def install(entry_points: str) -> Path:
        folder = tmp_path / "visionft-9.dist-info"
        folder.mkdir()
        (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: visionft\nVersion: 9\n")
        (folder / "entry_points.txt").write_text(entry_points)
        monkeypatch.syspath_prepend(tmp_path)
        return tmp_path

    return install


def test_the_window_that_is_installed_opens_with_the_project(installed, run) -> None:
    folder = installed("[visionft.apps]\nwindow = window_of_a_test:main\n")
    (folder / "window_of_a_test.py").write_text(
        "opened = []\ndef main(project):\n    opened.append(project)\n    return 7\n"
    )
    assert run("app", "signs")[0] == 7
    assert importlib.import_module("window_of_a_test").opened == [Path("signs")]


@pytest.mark.parametrize(
    "points", ["[console_scripts]\nv = visionft.cli:main\n", "[visionft.apps]\nwindow = no_qt:main\n"]
)
def test_a_window_that_is_not_installed_is_an_error(points: str, installed, refused) -> None:
    (installed(points) / "no_qt.py").write_text("import a_qt_that_is_not_here\n")
    error = refused("app")
    assert ("a_qt_that_is_not_here" in error) == ("no_qt" in points)


def test_a_window_without_a_library_of_the_system_leads_to_the_doctor(installed, refused) -> None:
    folder = installed("[visionft.apps]\nwindow = no_library:main\n")
    (folder / "no_library.py").write_text("raise ImportError('libglib-2.0.so.0: cannot open shared object file')\n")
    error = refused("app")
    assert "libglib-2.0.so.0" in error and "visionft doctor" in error


def test_the_window_of_this_project_is_there() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    module, _, name = project["entry-points"]["visionft.apps"]["window"].partition(":")
    assert callable(getattr(importlib.import_module(module), name))
