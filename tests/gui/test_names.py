"""Names are shown unchanged: never translated, and a name with invalid Unicode breaks no page."""

import os
from pathlib import Path

import pytest
from PIL import Image

from gui.home.import_report import LeftOutDialog
from gui.preferences import Settings, load_settings, save_settings

NAME, COLOURS = "Zebra", ("red", "green", "blue")


# -- names with invalid Unicode -----------------------------------------------------------------------------------

BROKEN = os.fsdecode(b"caf\xe9 \xff")  # bytes of a Linux file name, invalid in UTF-8


@pytest.fixture
def broken_folder(tmp_path) -> Path:
    """Return class folders and images, all with names invalid in UTF-8; one image is unreadable."""
    folder = tmp_path / BROKEN
    try:
        (folder / BROKEN).mkdir(parents=True)
    except OSError:
        pytest.skip("this file system takes Unicode names only")
    Image.new("RGB", (30, 20), (200, 10, 10)).save(tmp_path / "image.png")
    (tmp_path / "image.png").rename(folder / BROKEN / f"{BROKEN}.png")
    (folder / BROKEN / f"broken {BROKEN}.png").write_bytes(b"no image")
    return folder


def test_recent_projects_of_such_names_are_kept_and_shown(window, broken_folder, tmp_path):
    places = (str(broken_folder), str(tmp_path / "gone" / BROKEN))
    window.state.change_settings(recent_projects=places)
    window.show_page("project")
    window.grab()
    assert load_settings().recent_projects == places
    save_settings(Settings(weights_folder=BROKEN))
    assert load_settings().weights_folder == BROKEN


def test_an_import_of_such_names_is_previewed(qtbot, window, broken_folder, tmp_path):
    window.state.create_project(tmp_path / "p")
    window.show_page("project")
    page = window.page("project")
    page.take_source(broken_folder)
    qtbot.waitUntil(lambda: not window.state.jobs.pending, timeout=20_000)
    window.grab()
    assert page.imports.panel.isVisible()
    page.imports.panel.left_out.show_button.click()
    files = page.imports.panel.findChild(LeftOutDialog)
    assert files.table.rowCount() == 2
    files.close()
    assert window.toasts.message() == ""
