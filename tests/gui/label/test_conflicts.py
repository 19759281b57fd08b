"""Images with two classes: reported by the import, listed on the project page, decided on Curate or Label."""

import shutil
from pathlib import Path

import pytest
from projects import project_of
from PySide6.QtCore import Qt

from gui.curate.conflicts_view import ConflictsView
from gui.curate.curate_page import CuratePage
from gui.home.home_page import ProjectPage
from gui.home.import_report import LeftOutDialog
from gui.label.image_search import IN_CONFLICT
from gui.label.label_page import LabelPage
from gui.shell.window import MainWindow
from visionft.project.store import ProjectStore

LEFT, CONTROL = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.ControlModifier


@pytest.fixture
def source(images: Path) -> Path:
    """Return the class folders; the first red image lies among the blue ones too."""
    shutil.copy(images / "red" / "red_000.png", images / "blue" / "zz again.png")
    return images


@pytest.fixture
def torn(window: MainWindow, source: Path, tmp_path: Path) -> MainWindow:
    """Return the window with a project with this conflict."""
    window.state.open_project(project_of(tmp_path / "torn", source))
    return window


@pytest.fixture
def page(torn: MainWindow) -> LabelPage:
    """Return the label page with only the conflicting image."""
    torn.show_page("label")
    page = torn.page("label")
    assert isinstance(page, LabelPage)
    page.filters.label_chip.choose(IN_CONFLICT)
    assert page.grid.count() == 1
    page.grid.setFocus()
    return page


def stored(page: LabelPage) -> tuple[int, int]:
    """Return labelled images and conflicts as a second reader sees them."""
    with ProjectStore.open(page.state.path, read_only=True) as project:
        return project.summary().labelled, project.summary().conflicts


def test_a_key_decides_and_undo_brings_the_question_back(qtbot, page: LabelPage):
    labelled, conflicts = stored(page)
    cell = page.grid.tile(page.grid.selection.current_id())
    assert conflicts == 1 and not cell.labels
    assert [
        (each.class_name, colour, Path(each.origin).name)
        for each, colour in zip(cell.candidates, cell.swatches, strict=True)
    ] == [
        ("blue", 0, "zz again.png"),
        ("red", 2, "red_000.png"),
    ]
    qtbot.keyClick(page.grid, Qt.Key.Key_3)
    assert stored(page) == (labelled + 1, 0)
    cell = page.grid.tile(page.grid.selection.current_id())
    assert cell.title == "red" and not cell.candidates
    qtbot.keyClick(page.grid, Qt.Key.Key_Z, CONTROL)
    assert stored(page) == (labelled, 1)
    assert len(page.grid.tile(page.grid.selection.current_id()).candidates) == 2


def test_an_import_counts_them_before_and_leads_to_them_after(
    qtbot, finish, window: MainWindow, source: Path, tmp_path: Path
):
    window.state.create_project(tmp_path / "p")
    home = window.page("project")
    assert isinstance(home, ProjectPage)
    home.take_source(source)
    finish()
    panel = home.imports.panel
    assert "1" in panel.warnings.text() and panel.warnings.isVisible()
    qtbot.mouseClick(panel.left_out.show_button, LEFT)
    files = panel.left_out.findChild(LeftOutDialog)
    assert [Path(name).name for name, *_ in files.table.texts()] == ["red_000.png"]
    files.close()
    panel.classes.set_name("red", "blue")
    assert not panel.warnings.isVisible()
    panel.classes.set_name("red", "red")
    assert panel.warnings.isVisible()
    qtbot.mouseClick(panel.import_button, LEFT)
    finish()
    qtbot.mouseClick(home.overview.report.decide_button, LEFT)
    curate = window.current_page
    assert isinstance(curate, CuratePage) and isinstance(curate.view, ConflictsView) and curate.grid.count() == 1
