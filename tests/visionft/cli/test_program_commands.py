"""`visionft app` opens whatever window is installed, and says what to do when there is none."""

import importlib
import json
import sys
import tomllib
from pathlib import Path

import pytest

from visionft.cli import main

ROOT = Path(__file__).parents[3]


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Return a function that installs a VisionFT with other entry points before the real one."""

    def install(entry_points: str) -> Path:
        folder = tmp_path / "visionft-9.dist-info"
        folder.mkdir()
        (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: visionft\nVersion: 9\n")
        (folder / "entry_points.txt").write_text(entry_points)
        monkeypatch.syspath_prepend(tmp_path)
        return tmp_path

    return install


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["visionft", *arguments])
    return main()


def test_the_window_that_is_installed_opens_with_the_project(installed, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = installed("[visionft.apps]\nwindow = window_of_a_test:main\n")
    (folder / "window_of_a_test.py").write_text(
        "opened = []\ndef main(project):\n    opened.append(project)\n    return 7\n"
    )
    assert run(monkeypatch, "app", "signs") == 7
    assert importlib.import_module("window_of_a_test").opened == [Path("signs")]


def test_an_installation_without_a_window_says_so(installed, monkeypatch, capsys) -> None:
    installed("[console_scripts]\nvisionft = visionft.cli:main\n")
    assert run(monkeypatch, "app") == 2
    assert "names no window" in (error := capsys.readouterr().err) and "Install VisionFT again" in error


def test_a_window_whose_library_is_missing_says_which(installed, monkeypatch, capsys) -> None:
    folder = installed("[visionft.apps]\nwindow = window_without_qt:main\n")
    (folder / "window_without_qt.py").write_text("import a_qt_that_is_not_here\n")
    assert run(monkeypatch, "app") == 2
    assert "a_qt_that_is_not_here is not installed" in capsys.readouterr().err


def test_the_window_of_this_project_is_there() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    module, _, name = project["entry-points"]["visionft.apps"]["window"].partition(":")
    assert callable(getattr(importlib.import_module(module), name))


def test_decoded_pictures_are_counted_and_cleared(tmp_path, draw, monkeypatch, capsys) -> None:
    from visionft.data.picture_cache import PictureCache

    PictureCache.usual().load(draw(tmp_path / "a.png", 1), 64)
    assert run(monkeypatch, "cache") == 0
    assert "1 decoded pictures take 228 bytes of at most 20 GB in " in capsys.readouterr().out
    assert run(monkeypatch, "cache", "--json") == 0
    value = json.loads(capsys.readouterr().out)
    assert value["pictures"] == 1 and value["bytes"] == 228 and Path(value["folder"]).is_dir()
    assert run(monkeypatch, "cache", "--clear", "--json") == 0
    assert json.loads(capsys.readouterr().out)["pictures"] == 0 and not Path(value["folder"]).exists()
