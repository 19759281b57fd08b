"""Folders shown in the file manager: none starts a program, whatever it is called and wherever it leads."""

import os
from pathlib import Path

import pytest
from PySide6.QtCore import QUrl
from PySide6.QtGui import QDesktopServices

from gui.export.result_cards import card_of
from gui.kit.folders import show_folder


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the growing list of the addresses that the system is asked to open."""
    found: list[str] = []
    monkeypatch.setattr(QDesktopServices, "openUrl", lambda url: found.append(url.toString()))
    return found


def address(folder: Path) -> str:
    return QUrl.fromLocalFile(f"{folder.as_posix()}/").toString()


@pytest.mark.parametrize("name", ["001-a", "my.birds", "#1 100%", "a;b"])
def test_a_folder_is_shown_by_an_address_that_is_no_file(name: str, tmp_path: Path, shown: list[str]) -> None:
    (tmp_path / name).mkdir()
    show_folder(tmp_path / name)
    assert shown == [address(tmp_path / name)] and shown[0].endswith("/")  # Windows prefers `001-a.exe` without


def test_of_a_file_or_nothing_the_folder_is_shown(tmp_path: Path, shown: list[str]) -> None:
    (tmp_path / "run.desktop").write_text("[Desktop Entry]")
    show_folder(tmp_path / "run.desktop")
    show_folder(tmp_path / "gone" / "run")
    assert shown == [address(tmp_path)] * 2


@pytest.mark.skipif(os.name == "nt", reason="links need privileges there")
def test_a_link_is_followed_before_it_is_judged(tmp_path: Path, shown: list[str]) -> None:
    (tmp_path / "there" / "run.app").mkdir(parents=True)
    (tmp_path / "run").symlink_to(tmp_path / "there" / "run.app", target_is_directory=True)
    show_folder(tmp_path / "run")
    assert shown == [address(tmp_path / "there")]
    (tmp_path / "README.md").symlink_to(tmp_path / "there" / "run.app" / "run.desktop")
    (tmp_path / "there" / "run.app" / "run.desktop").touch()
    assert card_of(tmp_path) is None  # the card opens in another program
