"""Desktop integration: icons, menu entry, taskbar button, and citation."""

import configparser
import sys
import tomllib
from pathlib import Path
from types import SimpleNamespace

import make_icons
import pytest

import gui.app
from visionft import __version__

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


@pytest.fixture(scope="module")
def icons(qapp, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("icons")
    make_icons.main(folder)
    return folder


def test_linux_finds_the_entry_under_the_name_that_the_window_tells(qapp) -> None:
    application = gui.app.create_application()
    entry = ROOT / "packaging" / "linux" / f"{application.desktopFileName()}.desktop"
    parser = configparser.ConfigParser(interpolation=None, strict=True)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read_string(entry.read_text(encoding="utf-8"))
    fields = parser["Desktop Entry"]
    assert (ROOT / "resources" / "icons" / f"{fields['Icon']}.svg").is_file()
    command, *arguments = fields["Exec"].split()
    assert command in PROJECT["scripts"] and arguments == ["app"]
    assert fields["StartupWMClass"] == application.applicationName() == fields["Name"]
    for name in ("Categories", "Keywords", "Keywords[de]"):
        assert fields[name].endswith(";")


def test_windows_shows_the_programs_icon_and_not_pythons(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    shell = SimpleNamespace(SetCurrentProcessExplicitAppUserModelID=told.append)
    monkeypatch.setattr(gui.app.ctypes, "windll", SimpleNamespace(shell32=shell), raising=False)
    gui.app.set_taskbar_identity()
    monkeypatch.setattr(sys, "platform", "win32")
    gui.app.set_taskbar_identity()
    assert told == ["VisionFT"]


def test_the_citation_says_what_the_project_says() -> None:
    lines = (ROOT / "CITATION.cff").read_text(encoding="utf-8").splitlines()
    fields = {key: value.strip() for key, _, value in (line.partition(":") for line in lines)}
    assert fields["version"] == __version__
    assert fields["license"] == PROJECT["license"]
    assert fields["- name".rjust(8)] == PROJECT["authors"][0]["name"]
