"""Label conflicts with another project: both labels side by side, decided by key and click."""

from pathlib import Path

import pytest
from PySide6.QtCore import Qt

from gui.curate.conflicts_view import ConflictsView
from gui.curate.curate_page import CuratePage
from visionft.analysis.report import read_report
from visionft.project.edits.changes import LabelImages
from visionft.project.importing.importer import import_source
from visionft.project.queries import image_rows
from visionft.project.store import ProjectStore, duplicate_project

KEY, LEFT = Qt.Key, Qt.MouseButton.LeftButton


@pytest.fixture
def page(open_curate, use_views, grey_dir: Path, tmp_path: Path) -> CuratePage:
    """Return the page of a project with three cats that are bird, dog and bird in a copy."""
    use_views(ConflictsView)
    with ProjectStore.open(grey_dir) as project:
        copy = duplicate_project(project, tmp_path / "copy").path
        project.apply(LabelImages((1, 2, 3), "cat"))
        with ProjectStore.open(copy) as other:
            other.apply(LabelImages((1, 2, 3), "dog"))
            other.apply(LabelImages((1, 3), "bird"))
        assert len(import_source(project, copy).conflicts) == 3
    return open_curate(grey_dir, "conflicts")


def labels(page: CuratePage) -> list[tuple[str, ...]]:
    return [row.labels for row in image_rows(page.curation.project, (1, 2, 3))]


def test_each_way_decides_and_undo_brings_the_conflict_back(qtbot, page: CuratePage) -> None:
    view = page.view
    assert isinstance(view, ConflictsView) and view.panel is not None
    assert read_report(view.curation.project).recommendations[0].view == view.name
    assert page.grid.images.ids == (1, 2, 3) and page.list.buttons["conflicts"].count() == 3
    qtbot.waitUntil(lambda: len(view.panel.buttons) == 2)
    assert [button.text() for button in view.panel.buttons] == ["bird", "cat"]
    page.grid.setFocus()
    qtbot.keyClick(page.grid, KEY.Key_F, Qt.KeyboardModifier.ShiftModifier)
    assert labels(page)[0] == ("cat",) and page.grid.images.ids == (2, 3)
    qtbot.waitUntil(lambda: len(view.panel.buttons) == 2)
    assert [button.text() for button in view.panel.buttons] == ["dog", "cat"]  # the copy is first again
    qtbot.keyClick(page.grid, KEY.Key_F)
    assert labels(page)[1] == ("dog",)
    qtbot.mouseClick(view.panel.buttons[1], LEFT)
    assert labels(page)[2] == ("cat",) and page.stage.empty.isVisible()
    page.curation.session.undo()
    assert page.grid.images.ids == (3,)
